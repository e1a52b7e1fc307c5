//! One way to write a prefix: the same in the configuration, in lists and on the command line.

use std::{
    net::{IpAddr, Ipv4Addr},
    str::FromStr,
};

use ipnetwork::{IpNetwork, Ipv4Network, Ipv6Network};

/// Why a text is no prefix.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PrefixError {
    /// Not an address before the slash.
    #[error("expected an address or a prefix such as 203.0.113.0/24 or 2001:db8::/32, found {0:?}")]
    Address(String),
    /// Not a length behind the slash.
    #[error("expected a prefix length from 0 to {max}, found {found:?}")]
    Length {
        /// What stands there.
        found: String,
        /// 32 or 128.
        max: u8,
    },
    /// Bits behind the prefix are set: it may mean the network or the one address.
    #[error(
        "expected a prefix without host bits, found {found}; write {network} for the network or {address} for the one address"
    )]
    HostBits {
        /// What stands there.
        found: String,
        /// The network around it.
        network: IpNetwork,
        /// The address alone.
        address: IpAddr,
    },
    /// An IPv4 address in IPv6 clothes: no packet carries it as its source.
    #[error("expected IPv4 in its own notation, found the IPv4-mapped {found:?}; write {address}")]
    Mapped {
        /// What stands there.
        found: String,
        /// The address inside.
        address: Ipv4Addr,
    },
}

/// Reads an address (a prefix of full length) or a prefix without host bits.
///
/// # Errors
///
/// What is wrong with the text, and what was meant where that can be told.
pub fn parse(text: &str) -> Result<IpNetwork, PrefixError> {
    let (address, length) = match text.split_once('/') {
        Some((address, length)) => (address, Some(length)),
        None => (text, None),
    };
    let address = IpAddr::from_str(address).map_err(|_| PrefixError::Address(bounded(text)))?;
    if let IpAddr::V6(mapped) = address
        && let Some(address) = mapped.to_ipv4_mapped()
    {
        return Err(PrefixError::Mapped { found: bounded(text), address });
    }
    let max = if address.is_ipv4() { 32 } else { 128 };
    let length = match length {
        None => max,
        Some(digits) => digits
            .parse()
            .ok()
            .filter(|length| *length <= max && digits.bytes().all(|byte| byte.is_ascii_digit()))
            .ok_or_else(|| PrefixError::Length { found: bounded(digits), max })?,
    };
    let network = network(address, length);
    if network.network() != address {
        let network = self::network(network.network(), length);
        return Err(PrefixError::HostBits { found: bounded(text), network, address });
    }
    Ok(network)
}

/// The length was checked by the caller, so the fallback to the address alone is never taken.
fn network(address: IpAddr, length: u8) -> IpNetwork {
    IpNetwork::new(address, length).unwrap_or_else(|_| match address {
        IpAddr::V4(address) => IpNetwork::V4(Ipv4Network::from(address)),
        IpAddr::V6(address) => IpNetwork::V6(Ipv6Network::from(address)),
    })
}

/// The longest IPv6 prefix has 43 characters; a message needs no more of what is none.
fn bounded(text: &str) -> String {
    const SHOWN_CHARACTERS_MAX: usize = 64;
    text.chars().take(SHOWN_CHARACTERS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes() {
        for (text, expected) in [
            ("203.0.113.0/24", "203.0.113.0/24"),
            ("203.0.113.7", "203.0.113.7/32"),
            ("0.0.0.0/0", "0.0.0.0/0"),
            ("2001:db8::/32", "2001:db8::/32"),
            ("::1", "::1/128"),
            ("::/0", "::/0"),
        ] {
            assert_eq!(parse(text).map(|prefix| prefix.to_string()), Ok(expected.to_owned()));
        }
    }

    #[test]
    fn what_is_none_is_named() {
        let address =
            "expected an address or a prefix such as 203.0.113.0/24 or 2001:db8::/32, found";
        for (text, expected) in [
            ("", format!("{address} \"\"")),
            ("example.com", format!("{address} \"example.com\"")),
            ("203.0.113/24", format!("{address} \"203.0.113/24\"")),
            ("010.0.0.1", format!("{address} \"010.0.0.1\"")),
            ("1.2.3.4\n", format!("{address} \"1.2.3.4\\n\"")),
            ("1.2.3.4/33", "expected a prefix length from 0 to 32, found \"33\"".to_owned()),
            ("1.2.3.4/+8", "expected a prefix length from 0 to 32, found \"+8\"".to_owned()),
            ("1.2.3.4/", "expected a prefix length from 0 to 32, found \"\"".to_owned()),
            ("::/129", "expected a prefix length from 0 to 128, found \"129\"".to_owned()),
            (
                "203.0.113.7/24",
                "expected a prefix without host bits, found 203.0.113.7/24; \
                 write 203.0.113.0/24 for the network or 203.0.113.7 for the one address"
                    .to_owned(),
            ),
            (
                "2001:db8::1/64",
                "expected a prefix without host bits, found 2001:db8::1/64; \
                 write 2001:db8::/64 for the network or 2001:db8::1 for the one address"
                    .to_owned(),
            ),
            (
                "::ffff:1.2.3.4",
                "expected IPv4 in its own notation, found the IPv4-mapped \"::ffff:1.2.3.4\"; \
                 write 1.2.3.4"
                    .to_owned(),
            ),
        ] {
            assert_eq!(parse(text).map_err(|error| error.to_string()), Err(expected), "{text:?}");
        }
    }
}
