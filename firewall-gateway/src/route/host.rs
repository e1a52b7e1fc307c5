//! Host names, and those that a route takes.

use std::borrow::Cow;

/// A name that a route takes.
#[derive(Debug)]
pub enum Host {
    /// This one.
    Exact(String),
    /// Every name that ends so, with its leading dot.
    Below(String),
}

impl Host {
    /// Reads `api.example` or `*.api.example`.
    #[must_use]
    pub fn new(name: &str) -> Self {
        match name.strip_prefix('*') {
            Some(below) => Self::Below(below.to_owned()),
            None => Self::Exact(name.to_owned()),
        }
    }

    /// Whether a host, in lower case, is one of its.
    #[must_use]
    pub fn takes(&self, host: &str) -> bool {
        match self {
            Self::Exact(name) => host == name,
            Self::Below(tail) => host.len() > tail.len() && host.ends_with(tail.as_str()),
        }
    }

    /// Whether it takes all that `other` does.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (_, Self::Exact(name)) => self.takes(name),
            (Self::Below(ours), Self::Below(theirs)) => theirs.ends_with(ours.as_str()),
            (Self::Exact(_), Self::Below(_)) => false,
        }
    }
}

/// The name in a request's host, in lower case. The port is no part of it, nor is the dot that ends a
/// fully qualified one (RFC 9110, 4.2.1).
#[must_use]
pub fn name(host: &str) -> Cow<'_, str> {
    let name = if host.starts_with('[') {
        host.rsplit_once("]:").and_then(|(_, port)| host.get(..host.len() - port.len() - 1))
    } else {
        let name = host.split_once(':').map_or(host, |(name, _)| name);
        Some(name.strip_suffix('.').unwrap_or(name))
    };
    let name = name.unwrap_or(host);
    if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return Cow::Owned(name.to_ascii_lowercase());
    }
    Cow::Borrowed(name)
}

#[cfg(test)]
mod tests {
    use super::name;

    #[test]
    fn names_end_before_the_port() {
        for (host, expected) in [
            ("a.example", "a.example"),
            ("A.Example:1", "a.example"),
            ("a.example.:1", "a.example"),
            ("[::1]", "[::1]"),
            ("[::A]:1", "[::a]"),
        ] {
            assert_eq!(name(host), expected);
        }
    }
}
