//! A client: curl on a client host, and what it saw.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::Result;

use crate::namespace::Namespace;

/// curl's exit code for "no answer in time".
pub const CURL_TIMEOUT: i32 = 28;

/// A request as curl is to make it.
#[derive(Clone, Debug)]
pub struct Request {
    /// The host name that the certificate must carry.
    pub host: String,
    /// Where that host is.
    pub address: SocketAddr,
    /// Path and query.
    pub path: String,
    /// Who is trusted to have signed the certificate.
    pub authority: PathBuf,
    /// Wait at most this long, in all.
    pub timeout: Duration,
    /// More arguments for curl.
    pub arguments: Vec<String>,
}

/// What curl saw.
#[derive(Clone, Debug)]
pub struct Answer {
    /// curl's own exit code: 0 when there was an answer.
    pub exit_code: i32,
    /// 0 when there was none.
    pub status: u16,
    /// `1.1` or `2`.
    pub http_version: String,
    /// `TLSv1.3` or `TLSv1.2`; empty without a handshake.
    pub tls_version: String,
    /// Names in lower case, in the order of the answer.
    pub headers: Vec<(String, String)>,
    /// The body as text.
    pub body: String,
    /// What curl said went wrong.
    pub complaint: String,
}

impl Request {
    /// A GET of `path` from the gateway.
    pub fn get(host: &str, address: SocketAddr, path: &str, authority: &Path) -> Self {
        Self {
            host: host.to_owned(),
            address,
            path: path.to_owned(),
            authority: authority.to_path_buf(),
            timeout: Duration::from_secs(10),
            arguments: Vec::new(),
        }
    }

    /// The same, waiting no longer than this.
    #[must_use]
    pub fn within(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// The same, with more arguments for curl.
    #[must_use]
    pub fn with(mut self, arguments: &[&str]) -> Self {
        self.arguments.extend(arguments.iter().map(ToString::to_string));
        self
    }

    /// The words of the command line, for the reader to try.
    pub fn words(&self) -> Vec<String> {
        let port = self.address.port();
        let mut words: Vec<String> =
            ["curl", "--silent", "--show-error", "--cacert"].map(String::from).into();
        words.push(self.authority.display().to_string());
        words.push("--max-time".to_owned());
        words.push(self.timeout.as_secs_f64().to_string());
        words.push("--resolve".to_owned());
        words.push(match self.address {
            SocketAddr::V4(address) => format!("{}:{port}:{}", self.host, address.ip()),
            SocketAddr::V6(address) => format!("{}:{port}:[{}]", self.host, address.ip()),
        });
        words.extend(self.arguments.iter().cloned());
        words.push(format!("https://{}:{port}{}", self.host, self.path));
        words
    }

    /// Makes the request from within a namespace.
    pub fn send(&self, namespace: &Namespace) -> Result<Answer> {
        let words = self.words();
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]);
        // Headers before the body, what TLS did on the side, figures at the end. The environment may
        // name a proxy, and curl's file of defaults anything.
        command.args([
            "--verbose",
            "--include",
            "--noproxy",
            "*",
            "--write-out",
            "\n%{http_code} %{http_version}",
        ]);
        let output = namespace.output(&mut command)?;
        let side = String::from_utf8_lossy(&output.stderr).into_owned();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let (text, figures) = text.rsplit_once('\n').unwrap_or(("", &text));
        let mut figures = figures.split(' ');
        let (headers, body) = split_answer(text);
        Ok(Answer {
            exit_code: output.status.code().unwrap_or(-1),
            status: figures.next().and_then(|status| status.parse().ok()).unwrap_or_default(),
            http_version: figures.next().unwrap_or_default().to_owned(),
            tls_version: after(&side, "SSL connection using ").unwrap_or_default().to_owned(),
            headers,
            body: body.to_owned(),
            complaint: side
                .lines()
                .rfind(|line| line.starts_with("curl: "))
                .unwrap_or_default()
                .to_owned(),
        })
    }
}

impl Answer {
    /// The first header of this name, given in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    /// Whether anything came back at all.
    pub fn nothing_came(&self) -> bool {
        self.exit_code == CURL_TIMEOUT && self.status == 0 && self.tls_version.is_empty()
    }
}

fn after<'a>(text: &'a str, words: &str) -> Option<&'a str> {
    text.split_once(words)?.1.split_whitespace().next()
}

/// The last header block and the body: interim answers (100 Continue) stand before it.
fn split_answer(mut text: &str) -> (Vec<(String, String)>, &str) {
    let mut headers = Vec::new();
    while text.starts_with("HTTP/") {
        let Some((head, rest)) = text.split_once("\r\n\r\n") else { break };
        headers = head
            .lines()
            .skip(1)
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        text = rest;
    }
    (headers, text)
}
