//! Values of the configuration that check themselves: the error stands where the value does.

use std::{fmt, net::SocketAddr, path::PathBuf, str::FromStr as _};

use firewall_common::Country;
use ipnetwork::IpNetwork;
use serde::{Deserialize, Deserializer, de::Error as _};

use crate::{config::country, fetch, policy::prefix};

pub mod ports;

/// What may be left out. Where its key stands, so does a value: a list whose entries are all
/// commented out would else lift the very restriction that it was.
#[derive(Clone, Copy, Debug)]
pub struct Given<T>(pub Option<T>);

impl<T> Default for Given<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Given<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        T::deserialize(deserializer).map(|value| Self(Some(value)))
    }
}

/// `true` or `false`: YAML knows many more words, and `no` is a country too.
#[derive(Clone, Copy, Debug, Default)]
pub struct Flag(pub bool);

impl<'de> Deserialize<'de> for Flag {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        parsed(deserializer, "true or false", |text| text.parse().ok()).map(Self)
    }
}

/// The name of a rule or set: it becomes a label of metrics.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Name(pub String);

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let expected = "a name, 1 to 32 characters of a-z, 0-9, - and _";
        parsed(deserializer, expected, |text| {
            let valid = (1..=32).contains(&text.len())
                && text.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_'));
            valid.then(|| text.to_owned())
        })
        .map(Self)
    }
}

/// A whole number from `MIN` to `MAX`.
#[derive(Clone, Copy, Debug)]
pub struct Number<const MIN: u64, const MAX: u64>(pub u64);

impl<'de, const MIN: u64, const MAX: u64> Deserialize<'de> for Number<MIN, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let expected = format!("a whole number from {MIN} to {MAX}");
        parsed(deserializer, &expected, |text| {
            text.replace('_', "").parse().ok().filter(|number| (MIN..=MAX).contains(number))
        })
        .map(Self)
    }
}

impl<const MIN: u64, const MAX: u64> Number<MIN, MAX> {
    /// As a number of another width; `MAX` fits it, or it is cut to that width's largest.
    pub fn cast<T: TryFrom<u64> + Bounded>(self) -> T {
        T::try_from(self.0).unwrap_or(T::LARGEST)
    }
}

/// Widths that [`Number::cast`] gives.
pub trait Bounded {
    /// The largest number of this width.
    const LARGEST: Self;
}

impl Bounded for u8 {
    const LARGEST: Self = Self::MAX;
}

impl Bounded for u16 {
    const LARGEST: Self = Self::MAX;
}

impl Bounded for u32 {
    const LARGEST: Self = Self::MAX;
}

/// An address or a prefix.
#[derive(Clone, Copy, Debug)]
pub struct Prefix(pub IpNetwork);

impl<'de> Deserialize<'de> for Prefix {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = text(deserializer, "an address or a prefix")?;
        prefix::parse(&text).map(Self).map_err(D::Error::custom)
    }
}

/// A country.
#[derive(Clone, Copy, Debug)]
pub struct CountryCode(pub Country);

impl<'de> Deserialize<'de> for CountryCode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = text(deserializer, "a country")?;
        country::parse(&text).map(Self).map_err(D::Error::custom)
    }
}

/// An address and a port.
#[derive(Clone, Copy, Debug)]
pub struct Address(pub SocketAddr);

impl<'de> Deserialize<'de> for Address {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let expected = "an address and a port, such as 127.0.0.1:8443 or \"[::1]:8443\"";
        parsed(deserializer, expected, |text| {
            SocketAddr::from_str(text).ok().filter(|address| address.port() != 0)
        })
        .map(Self)
    }
}

/// What can be fetched.
#[derive(Clone, Debug)]
pub struct Url(pub String);

impl<'de> Deserialize<'de> for Url {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = text(deserializer, "a URL")?;
        match fetch::check_url(&text) {
            Ok(()) => Ok(Self(text)),
            Err(expected) => {
                // A key in its query stays out of logs.
                let found = fetch::shown(&text);
                Err(D::Error::custom(format_args!("expected {expected}, found {found:?}")))
            }
        }
    }
}

/// The path of a file or folder, as it stands in the file.
#[derive(Clone, Debug)]
pub struct FilePath(pub PathBuf);

impl<'de> Deserialize<'de> for FilePath {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        parsed(deserializer, "a path", |text| {
            let valid = !text.is_empty() && !text.contains('\0');
            valid.then(|| PathBuf::from(text))
        })
        .map(Self)
    }
}

/// The name of a network interface (`IFNAMSIZ` leaves 15 bytes; the kernel refuses `/` and spaces).
#[derive(Clone, Debug)]
pub struct InterfaceName(pub String);

impl<'de> Deserialize<'de> for InterfaceName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        parsed(deserializer, "the name of an interface, 1 to 15 characters", |text| {
            let valid = (1..=15).contains(&text.len())
                && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'/')
                && text != "."
                && text != "..";
            valid.then(|| text.to_owned())
        })
        .map(Self)
    }
}

/// A scalar that `parse` understands.
fn parsed<'de, D: Deserializer<'de>, T>(
    deserializer: D,
    expected: &str,
    parse: impl FnOnce(&str) -> Option<T>,
) -> Result<T, D::Error> {
    let text = text(deserializer, expected)?;
    parse(&text)
        .ok_or_else(|| D::Error::custom(format_args!("expected {expected}, found {text:?}")))
}

/// Any scalar, as it is written.
fn text<'de, D: Deserializer<'de>>(deserializer: D, expected: &str) -> Result<String, D::Error> {
    struct Scalar<'a>(&'a str);

    impl serde::de::Visitor<'_> for Scalar<'_> {
        type Value = String;

        fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            formatter.write_str(self.0)
        }

        fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<String, E> {
            Ok(text.to_owned())
        }
    }

    deserializer.deserialize_str(Scalar(expected))
}
