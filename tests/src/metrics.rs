//! Reads `/metrics` the way a scraper does, and answers sums over its samples.

use std::{
    collections::BTreeMap,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use anyhow::{Context as _, Result, bail};

use crate::namespace::Namespace;

/// How long the endpoint may take for any part of its answer.
const TIMEOUT: Duration = Duration::from_secs(5);

/// One sample: a name, labels, a value.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// With the suffix that counters carry.
    pub name: String,
    /// Unescaped.
    pub labels: BTreeMap<String, String>,
    /// As OpenMetrics writes numbers.
    pub value: f64,
}

/// Everything of one scrape.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    /// In the order of the answer.
    pub samples: Vec<Sample>,
}

impl Metrics {
    /// Scrapes the endpoint from within a namespace.
    pub fn scrape(namespace: &Namespace, endpoint: SocketAddr) -> Result<Self> {
        let (status, body) = get(namespace, endpoint, "/metrics")?;
        if status != 200 {
            bail!("/metrics answered {status}: {body}");
        }
        if !body.trim_end().ends_with("# EOF") {
            bail!("/metrics does not end in `# EOF`: the answer was cut");
        }
        Self::parse(&body)
    }

    /// The samples of an OpenMetrics text.
    pub fn parse(text: &str) -> Result<Self> {
        let lines = text.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty());
        let samples = lines
            .map(|line| parse_line(line).with_context(|| format!("not a sample: {line}")))
            .collect::<Result<_>>()?;
        Ok(Self { samples })
    }

    /// The sum of the samples of this name that carry all these labels.
    pub fn sum(&self, name: &str, labels: &[(&str, &str)]) -> u64 {
        let carries = |sample: &&Sample| {
            sample.name == name
                && labels.iter().all(|(label, value)| {
                    sample.labels.get(*label).is_some_and(|found| found == value)
                })
        };
        // Counters of this size are exact in a double.
        self.samples.iter().filter(carries).map(|sample| sample.value as u64).sum()
    }

    /// Packets by verdict and reason, over all protocols.
    pub fn packets(&self, verdict: &str, reason: &str) -> u64 {
        self.sum("seawall_packets_total", &[("verdict", verdict), ("reason", reason)])
    }
}

/// A plain HTTP request from within a namespace: status and body.
pub fn get(namespace: &Namespace, endpoint: SocketAddr, path: &str) -> Result<(u16, String)> {
    let answer = namespace.run(|| -> Result<String> {
        let mut stream = TcpStream::connect_timeout(&endpoint, TIMEOUT)?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        write!(stream, "GET {path} HTTP/1.1\r\nHost: {endpoint}\r\nConnection: close\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    })?;
    let answer = answer.with_context(|| format!("no answer from {endpoint}{path}"))?;
    let (head, body) = answer.split_once("\r\n\r\n").context("the answer has no end of header")?;
    let status = head.split_whitespace().nth(1).and_then(|status| status.parse().ok());
    let status = status.with_context(|| format!("no status in {head}"))?;
    let chunked = head.to_ascii_lowercase().contains("transfer-encoding: chunked");
    Ok((status, if chunked { unchunk(body) } else { body.to_owned() }))
}

fn unchunk(mut body: &str) -> String {
    let mut whole = String::new();
    while let Some((size, rest)) = body.split_once("\r\n") {
        let Ok(size) = usize::from_str_radix(size.trim(), 16) else { break };
        let Some(chunk) = rest.get(..size).filter(|chunk| !chunk.is_empty()) else { break };
        whole.push_str(chunk);
        body = rest.get(size + 2..).unwrap_or_default();
    }
    whole
}

fn parse_line(line: &str) -> Option<Sample> {
    let (name_and_labels, value) = match line.rfind('}') {
        Some(end) => line.split_at(end + 1),
        None => line.split_once(' ')?,
    };
    let value = value.split_whitespace().next()?.parse().ok()?;
    let (name, labels) = name_and_labels.split_once('{').unwrap_or((name_and_labels, "}"));
    let labels = parse_labels(labels.strip_suffix('}')?)?;
    Some(Sample { name: name.to_owned(), labels, value })
}

fn parse_labels(mut text: &str) -> Option<BTreeMap<String, String>> {
    let mut labels = BTreeMap::new();
    while !text.is_empty() {
        let (name, rest) = text.split_once("=\"")?;
        let (value, length) = quoted(rest)?;
        labels.insert(name.to_owned(), value);
        text = rest.get(length..)?.trim_start_matches(',');
    }
    Some(labels)
}

/// The text up to the closing quote, and how long it was with the quote.
fn quoted(text: &str) -> Option<(String, usize)> {
    let mut value = String::new();
    let mut letters = text.char_indices();
    while let Some((index, letter)) = letters.next() {
        match letter {
            '"' => return Some((value, index + 1)),
            '\\' => match letters.next()?.1 {
                'n' => value.push('\n'),
                other => value.push(other),
            },
            other => value.push(other),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_over_the_labels_that_are_named() {
        let text = "# HELP x y\nx_total{a=\"1\",b=\"q\\\"}\"} 3\nx_total{a=\"1\",b=\"z\"} 4\nx_total{a=\"2\"} 9\ny 1.5\n# EOF\n";
        let metrics = Metrics::parse(text).unwrap();
        assert_eq!(metrics.sum("x_total", &[("a", "1")]), 7);
        assert_eq!(metrics.sum("x_total", &[("b", "q\"}")]), 3);
        assert_eq!(metrics.sum("x_total", &[]), 16);
        assert_eq!(metrics.sum("absent", &[]), 0);
        assert_eq!(metrics.samples[3].value, 1.5);
    }

    #[test]
    fn reads_a_chunked_answer() {
        assert_eq!(unchunk("3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"), "abcde");
    }
}
