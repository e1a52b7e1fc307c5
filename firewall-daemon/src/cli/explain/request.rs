//! `seawall explain ADDRESS --request`: from the packet to the backend.

use std::{
    fmt::Write as _,
    fs,
    io::{self, Read as _},
    net::IpAddr,
};

use anyhow::{Context as _, bail};
use clap::Args;
use firewall_gateway::explain::{Assumed, HEADERS_MAX, Question, RequestExplanation};
use serde::Serialize;

use crate::explain::{Explanation, shown};

/// A request of the address, and who it is taken to be.
#[derive(Args, Debug)]
pub struct RequestArgs {
    // No comment for rustdoc, which would have the address between brackets.
    #[arg(
        long,
        value_name = "METHOD URL",
        requires = "address",
        conflicts_with_all = ["packet", "protocol"],
        help = "A request that the address sends, such as \"GET https://api.example/orders/7\""
    )]
    request: Option<String>,
    /// A header of the request, "NAME: VALUE"; @FILE reads one a line, @- from standard input, so that no secret
    /// stands on a command line.
    #[arg(long, value_name = "HEADER", requires = "request")]
    header: Vec<String>,
    /// Take it to be of this consumer, whatever it shows.
    #[arg(long = "as", value_name = "CONSUMER", requires = "request")]
    consumer: Option<String>,
    /// A scope that this consumer has.
    #[arg(long, value_name = "SCOPE", requires = "consumer")]
    scope: Vec<String>,
    /// A role that this consumer has.
    #[arg(long, value_name = "ROLE", requires = "consumer")]
    role: Vec<String>,
    /// A claim of this consumer's token.
    #[arg(long, value_name = "NAME=VALUE", requires = "consumer")]
    claim: Vec<String>,
}

impl RequestArgs {
    /// What is asked, where a request is.
    pub fn question(&self, address: IpAddr) -> anyhow::Result<Option<Question>> {
        let Some(request) = &self.request else { return Ok(None) };
        let Some((method, url)) = request.split_once(' ') else {
            bail!(
                "request: expected METHOD URL, such as \"GET https://api.example/\", found {request:?}"
            );
        };
        let mut headers = Vec::new();
        for text in &self.header {
            match text.strip_prefix('@') {
                None => headers.push(header(text)?),
                Some(file) => {
                    for line in lines(file)?.lines().filter(|line| !line.is_empty()) {
                        headers.push(header(line)?);
                    }
                }
            }
        }
        let assumed = self.consumer.clone().map(|consumer| self.assumed(consumer)).transpose()?;
        let (method, url) = (method.to_owned(), url.trim().to_owned());
        Ok(Some(Question { method, url, headers, address, assumed }))
    }

    fn assumed(&self, consumer: String) -> anyhow::Result<Assumed> {
        let mut assumed = Assumed {
            consumer,
            scopes: self.scope.clone(),
            roles: self.role.clone(),
            ..Assumed::default()
        };
        for claim in &self.claim {
            let Some((name, value)) = claim.split_once('=') else {
                bail!("claim: expected NAME=VALUE, found {claim:?}");
            };
            assumed.claims.insert(name.to_owned(), value.into());
        }
        Ok(assumed)
    }
}

fn header(text: &str) -> anyhow::Result<(String, String)> {
    // What is wrong with it may be a secret, and is not said again.
    let Some((name, value)) = text.split_once(':') else {
        bail!("header: expected NAME: VALUE, found no colon");
    };
    Ok((name.to_owned(), value.trim().to_owned()))
}

fn lines(file: &str) -> anyhow::Result<String> {
    let mut text = String::new();
    match file {
        "-" => io::stdin().take(HEADERS_BYTES_MAX).read_to_string(&mut text).map(|_| ()),
        file => fs::File::open(file)
            .and_then(|file| file.take(HEADERS_BYTES_MAX).read_to_string(&mut text))
            .map(|_| ()),
    }
    .with_context(|| format!("header: expected a file of headers, one a line: {file}"))?;
    Ok(text)
}

/// Both, as JSON or as lines of text.
pub fn render(
    json: bool,
    packet: Explanation,
    request: RequestExplanation,
) -> anyhow::Result<String> {
    if json {
        #[derive(Serialize)]
        struct Both {
            packet: Explanation,
            request: RequestExplanation,
        }
        return Ok(serde_json::to_string_pretty(&Both { packet, request })? + "\n");
    }
    let mut out = String::new();
    let status = request.status.map(|status| format!(" {status}")).unwrap_or_default();
    let reason = request.reason.as_deref().map(|reason| format!(" {reason}")).unwrap_or_default();
    writeln!(out, "packet      {} {}", packet.verdict, packet.reason)?;
    writeln!(out, "request     {}{status}{}", request.verdict, shown(&reason))?;
    let mut line = |name: &str, value: Option<String>| match value {
        Some(value) => writeln!(out, "{name:<11} {}", shown(&value)),
        None => Ok(()),
    };
    line("because", request.denied)?;
    line("route", request.route)?;
    for stage in request.stages {
        line(&format!("  {}", stage.stage), Some(stage.said))?;
    }
    Ok(out)
}

/// Far more than any gateway takes.
const HEADERS_BYTES_MAX: u64 = (HEADERS_MAX * 8 * 1024) as u64;

#[cfg(test)]
mod tests {
    use firewall_gateway::explain::StageSaid;

    use super::*;

    fn args(request: &str, headers: &[&str], claims: &[&str]) -> RequestArgs {
        let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        RequestArgs {
            request: Some(request.to_owned()),
            header: texts(headers),
            consumer: Some("shop".to_owned()),
            scope: texts(&["read"]),
            role: vec![],
            claim: texts(claims),
        }
    }

    #[test]
    fn what_is_typed_is_a_request() {
        let address = "203.0.113.7".parse().unwrap();
        let asked = args("GET https://a/b?c=d", &["X-A: b: c", "x-b:d"], &["tenant=a=b"]);
        let question = asked.question(address).unwrap().unwrap();
        assert_eq!((question.method.as_str(), question.url.as_str()), ("GET", "https://a/b?c=d"));
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(question.headers, [pair("X-A", "b: c"), pair("x-b", "d")]);
        let assumed = question.assumed.unwrap();
        assert_eq!(
            (assumed.consumer.as_str(), assumed.scopes.as_slice()),
            ("shop", &["read".to_owned()][..])
        );
        assert_eq!(assumed.claims["tenant"], "a=b");
        for (request, header, claim, expected) in [
            ("https://a/", "", "", "request: expected METHOD URL"),
            ("GET https://a/", "secret", "", "header: expected NAME: VALUE, found no colon"),
            ("GET https://a/", "@/nowhere/at/all", "", "header: expected a file of headers"),
            ("GET https://a/", "", "tenant", "claim: expected NAME=VALUE"),
        ] {
            let one = |text: &'static str| if text.is_empty() { vec![] } else { vec![text] };
            let error = args(request, &one(header), &one(claim)).question(address).unwrap_err();
            assert!(error.to_string().contains(expected), "{error}");
            assert!(!error.to_string().contains("secret"));
        }
    }

    #[test]
    fn a_refusal_is_read_from_the_top() {
        let packet = Explanation {
            verdict: "pass".to_owned(),
            reason: "default".to_owned(),
            ..Explanation::default()
        };
        let stage =
            |stage: &str, said: &str| StageSaid { stage: stage.to_owned(), said: said.to_owned() };
        let request = RequestExplanation {
            verdict: "refuse".to_owned(),
            status: Some(403),
            reason: Some("forbidden".to_owned()),
            denied: Some("rule:1:scopes:\u{1b}[2J".to_owned()),
            route: Some("orders".to_owned()),
            stages: vec![
                stage("route", "taken by orders"),
                stage("authorise", "refused: 403 forbidden"),
            ],
            ..RequestExplanation::default()
        };
        let expected = "packet      pass default\n\
                        request     refuse 403 forbidden\n\
                        because     rule:1:scopes:\\u{1b}[2J\n\
                        route       orders\n\
                        \x20 route     taken by orders\n\
                        \x20 authorise refused: 403 forbidden\n";
        assert_eq!(render(false, packet, request).unwrap(), expected);
    }
}
