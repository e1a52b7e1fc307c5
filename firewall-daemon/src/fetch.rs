//! One file over HTTPS, within bounds of size and time. What it holds is for others to judge.
//!
//! Only `https`, redirects included: whoever can change a list on its way can open or close a firewall.

use std::{
    io::Read,
    path::{Path, PathBuf},
    time::Duration,
};

use ureq::http::{HeaderMap, Uri, header};

mod agent;
mod error;
mod apart;

pub(crate) use agent::agent;
pub use apart::apart;
pub use error::FetchError;

/// Redirects at most.
pub const REDIRECTS_MAX: u32 = 3;
/// From the name to the end of the handshake.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// From the name to the last byte of what may be large.
pub const TIMEOUT: Duration = Duration::from_secs(120);
/// Where Debian keeps the authorities that are trusted.
pub const AUTHORITIES: &str = "/etc/ssl/certs/ca-certificates.crt";
/// A validator that is longer is not kept: it would come back with each request.
const VALIDATOR_BYTES_MAX: usize = 1_024;
/// A URL may have so many bytes.
const URL_BYTES_MAX: usize = 2_048;

/// What is to be fetched.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Where from.
    pub url: String,
    /// Who may have signed the server's certificate, PEM; else those of [`AUTHORITIES`].
    pub ca: Option<PathBuf>,
    /// Bytes at most.
    pub bytes_max: u64,
    /// The header `Authorization`, where the server asks for one. It goes to no other host.
    pub authorization: Option<String>,
    /// From the name to the last byte, at most.
    pub timeout: Duration,
    /// What is there already.
    pub known: Validators,
}

/// What a server says of a version of a file, to be asked for another one.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Validators {
    /// `ETag`.
    pub etag: Option<String>,
    /// `Last-Modified`.
    pub last_modified: Option<String>,
}

/// What was answered.
#[derive(Debug, PartialEq, Eq)]
pub enum Fetched {
    /// The version that is there already.
    Unchanged,
    /// Another one.
    New {
        /// All of it.
        bytes: Vec<u8>,
        /// What to ask with the next time.
        validators: Validators,
    },
}

/// Fetches.
///
/// # Errors
///
/// Where there is no connection, no certificate to be trusted, or no answer of status 200 or 304, whole and
/// within the bounds; and where the answer is a page for people.
pub fn fetch(wanted: &Wanted) -> Result<Fetched, FetchError> {
    let agent = agent(wanted.ca.as_deref().unwrap_or(Path::new(AUTHORITIES)), wanted.timeout)?;
    let mut request = agent.get(&wanted.url);
    let Validators { etag, last_modified } = &wanted.known;
    for (name, value) in [
        (header::IF_NONE_MATCH, etag),
        (header::IF_MODIFIED_SINCE, last_modified),
        (header::AUTHORIZATION, &wanted.authorization),
    ] {
        if let Some(value) = value {
            request = request.header(name, value);
        }
    }
    let answer = request.call().map_err(|error| FetchError::of(error, wanted.timeout))?;
    let status = answer.status().as_u16();
    let asked = etag.is_some() || last_modified.is_some();
    match status {
        200 => {}
        304 if asked => return Ok(Fetched::Unchanged),
        found => return Err(FetchError::Status { found }),
    }
    let (head, mut body) = answer.into_parts();
    let too_large = || FetchError::TooLarge { bytes_max: wanted.bytes_max };
    if body.content_length().is_some_and(|length| length > wanted.bytes_max) {
        return Err(too_large());
    }
    let mut bytes = Vec::new();
    let read = body.as_reader().take(wanted.bytes_max.saturating_add(1)).read_to_end(&mut bytes);
    read.map_err(|error| FetchError::of(error.into(), wanted.timeout))?;
    if bytes.len() as u64 > wanted.bytes_max {
        return Err(too_large());
    }
    if is_page(&head.headers, &bytes) {
        return Err(FetchError::Html);
    }
    let validators = Validators {
        etag: validator(&head.headers, &header::ETAG),
        last_modified: validator(&head.headers, &header::LAST_MODIFIED),
    };
    Ok(Fetched::New { bytes, validators })
}

/// Whether a URL can be fetched; what was expected where it cannot.
///
/// # Errors
///
/// What was expected.
pub fn check_url(url: &str) -> Result<(), &'static str> {
    let uri = url.parse::<Uri>().ok().filter(|_| url.len() <= URL_BYTES_MAX);
    let uri = uri.ok_or("a URL such as https://example.com/list.txt")?;
    if uri.scheme_str() != Some("https") {
        return Err(
            "a URL that begins with https://, as anyone on the way can change what http carries",
        );
    }
    match uri.authority() {
        Some(authority) if authority.as_str().contains('@') => {
            Err("a URL without a user or password, which would go to logs")
        }
        Some(authority) if !authority.host().is_empty() => Ok(()),
        _ => Err("a URL with a host, such as https://example.com/list.txt"),
    }
}

/// A URL for people: without its query, which may be a key.
#[must_use]
pub fn shown(url: &str) -> String {
    const SHOWN_CHARACTERS_MAX: usize = 160;
    let end = url.find(['?', '#']).unwrap_or(url.len());
    let mut shown: String = url.chars().take(end.min(SHOWN_CHARACTERS_MAX)).collect();
    if shown.len() < url.len() {
        shown.push('…');
    }
    shown
}

fn validator(headers: &HeaderMap, name: &header::HeaderName) -> Option<String> {
    let value = headers.get(name)?.to_str().ok()?;
    (value.len() <= VALIDATOR_BYTES_MAX).then(|| value.to_owned())
}

/// A page for people: of a login, of an error, of a captive portal.
fn is_page(headers: &HeaderMap, bytes: &[u8]) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let said =
        kind.is_some_and(|kind| kind.trim_start().to_ascii_lowercase().starts_with("text/html"));
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes).trim_ascii_start();
    said || text.starts_with(b"<")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls() {
        assert_eq!(check_url("https://example.com/list.txt"), Ok(()));
        assert_eq!(check_url("https://[2001:db8::1]:8443/a?b=c"), Ok(()));
        for (url, expected) in [
            ("", "a URL such as https://example.com/list.txt"),
            (
                "list.txt",
                "a URL that begins with https://, as anyone on the way can change what http carries",
            ),
            (
                "http://a/",
                "a URL that begins with https://, as anyone on the way can change what http carries",
            ),
            ("file:///etc/passwd", "a URL such as https://example.com/list.txt"),
            ("https://user:word@a/", "a URL without a user or password, which would go to logs"),
            ("https://", "a URL such as https://example.com/list.txt"),
            ("https://a b/", "a URL such as https://example.com/list.txt"),
        ] {
            assert_eq!(check_url(url), Err(expected), "{url}");
        }
        let long = format!("https://a/{}", "x".repeat(URL_BYTES_MAX));
        assert_eq!(check_url(&long), Err("a URL such as https://example.com/list.txt"));
    }

    #[test]
    fn what_is_shown_of_a_url_holds_no_key() {
        assert_eq!(shown("https://a/b"), "https://a/b");
        assert_eq!(shown("https://a/b?token=secret"), "https://a/b…");
        assert_eq!(shown(&format!("https://{}", "a".repeat(500))).chars().count(), 161);
    }

    #[test]
    fn pages_for_people() {
        for (kind, body, expected) in [
            ("text/plain", "1.2.3.4\n", false),
            ("text/plain", " \n<!DOCTYPE html>", true),
            ("text/plain", "\u{feff}<html>", true),
            ("Text/HTML; charset=utf-8", "1.2.3.4", true),
            ("application/json", "{}", false),
            ("", "", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::CONTENT_TYPE, kind.parse().expect("a value"));
            assert_eq!(is_page(&headers, body.as_bytes()), expected, "{kind} {body}");
        }
    }
}
