//! Origins: scheme, host and port of the page that asks (RFC 6454).

use super::BrowserError;

/// A set of origins.
#[derive(Debug, Default)]
pub struct Origins {
    exact: Vec<String>,
    // `https://` and `.app.example`, with the port where there is one.
    below: Vec<(String, String)>,
}

impl Origins {
    /// Reads them.
    ///
    /// # Errors
    /// The first that is none.
    pub fn new(origins: &[String]) -> Result<Self, BrowserError> {
        let mut read = Self::default();
        for origin in origins {
            let wrong = || BrowserError::Origin(origin.clone());
            let (scheme, authority) = origin.split_once("://").ok_or_else(wrong)?;
            let host = authority.strip_prefix("*.");
            let (name, port) = split_port(host.unwrap_or(authority));
            let letter = |byte: u8| {
                byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-._[]:".contains(&byte)
            };
            let plain = !name.is_empty() && !name.starts_with('.') && name.bytes().all(letter);
            // An origin never names the port that its scheme has anyway, so this one would never be met.
            let usual = (scheme == "https" && port == Some("443"))
                || (scheme == "http" && port == Some("80"));
            let number = port.is_none_or(|port| {
                port.parse().is_ok_and(|number: u16| number > 0) && !port.starts_with(['+', '0'])
            });
            if !plain || usual || !number {
                return Err(wrong());
            }
            match scheme {
                "https" => {}
                "http" if host.is_none() && ["localhost", "127.0.0.1", "[::1]"].contains(&name) => {
                }
                "http" => return Err(BrowserError::Plain(origin.clone())),
                _ => return Err(wrong()),
            }
            match host {
                Some(host) => read.below.push((format!("{scheme}://"), format!(".{host}"))),
                None => read.exact.push(origin.clone()),
            }
        }
        Ok(read)
    }

    /// Whether it is one of them. Browsers write an origin in one way, so bytes are compared; `null`, which
    /// a sandboxed page of any site sends, is never one.
    #[must_use]
    pub fn contains(&self, origin: &str) -> bool {
        self.exact.iter().any(|known| known == origin)
            || self.below.iter().any(|(scheme, end)| {
                let host = origin
                    .strip_prefix(scheme.as_str())
                    .and_then(|host| host.strip_suffix(end.as_str()));
                host.is_some_and(|host| !host.is_empty() && host.bytes().all(is_host_byte))
            })
    }
}

/// Whether a page's origin is the one that this request goes to: this gateway serves TLS alone.
#[must_use]
pub fn is_own(origin: &str, host: &str) -> bool {
    let host = host.strip_suffix(":443").unwrap_or(host);
    origin.strip_prefix("https://").is_some_and(|origin| origin.eq_ignore_ascii_case(host))
}

fn split_port(authority: &str) -> (&str, Option<&str>) {
    let after = authority.rfind(']').map_or(0, |end| end + 1);
    match authority.get(after..).and_then(|rest| rest.find(':')) {
        Some(colon) => {
            let (name, port) = authority.split_at(after + colon);
            (name, port.get(1..))
        }
        None => (authority, None),
    }
}

fn is_host_byte(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'-' | b'.' | b'_')
}
