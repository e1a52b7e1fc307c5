//! Values of the configuration that check themselves: the error stands where the value does.

use std::{fmt, net::SocketAddr, path::PathBuf, str::FromStr as _};

use firewall_common::Country;
use ipnetwork::IpNetwork;
use serde::{Deserialize, Deserializer, de::Error as _};

use crate::{config::country, policy::prefix};

/// A whole number from `MIN` to `MAX`.
#[derive(Clone, Copy, Debug)]
pub struct Number<const MIN: u64, const MAX: u64>(pub u64);

impl<'de, const MIN: u64, const MAX: u64> Deserialize<'de> for Number<MIN, MAX> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = text(deserializer, format_args!("a whole number from {MIN} to {MAX}"))?;
        match text.replace('_', "").parse() {
            Ok(number) if (MIN..=MAX).contains(&number) => Ok(Self(number)),
            Ok(_) | Err(_) => Err(D::Error::custom(format_args!(
                "expected a whole number from {MIN} to {MAX}, found {text:?}"
            ))),
        }
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
        let text = text(deserializer, format_args!("an address or a prefix"))?;
        prefix::parse(&text).map(Self).map_err(D::Error::custom)
    }
}

/// A country.
#[derive(Clone, Copy, Debug)]
pub struct CountryCode(pub Country);

impl<'de> Deserialize<'de> for CountryCode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = text(deserializer, format_args!("a country"))?;
        country::parse(&text).map(Self).map_err(D::Error::custom)
    }
}

/// An address and a port.
#[derive(Clone, Copy, Debug)]
pub struct Address(pub SocketAddr);

impl<'de> Deserialize<'de> for Address {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        const EXPECTED: &str = "an address and a port, such as 127.0.0.1:8443 or \"[::1]:8443\"";
        let text = text(deserializer, format_args!("{EXPECTED}"))?;
        match SocketAddr::from_str(&text) {
            Ok(address) if address.port() != 0 => Ok(Self(address)),
            Ok(_) | Err(_) => {
                Err(D::Error::custom(format_args!("expected {EXPECTED}, found {text:?}")))
            }
        }
    }
}

/// The path of a file or folder, as it stands in the file.
#[derive(Clone, Debug)]
pub struct FilePath(pub PathBuf);

impl<'de> Deserialize<'de> for FilePath {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = text(deserializer, format_args!("a path"))?;
        if text.is_empty() || text.contains('\0') {
            return Err(D::Error::custom(format_args!("expected a path, found {text:?}")));
        }
        Ok(Self(PathBuf::from(text)))
    }
}

/// The name of a network interface (`IFNAMSIZ` leaves 15 bytes; the kernel refuses `/` and spaces).
#[derive(Clone, Debug)]
pub struct InterfaceName(pub String);

impl<'de> Deserialize<'de> for InterfaceName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = text(deserializer, format_args!("the name of an interface"))?;
        let valid = (1..=15).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'/')
            && text != "."
            && text != "..";
        if !valid {
            return Err(D::Error::custom(format_args!(
                "expected the name of an interface, 1 to 15 characters, found {text:?}"
            )));
        }
        Ok(Self(text))
    }
}

/// Any scalar, as it is written.
fn text<'de, D: Deserializer<'de>>(
    deserializer: D,
    expected: fmt::Arguments<'_>,
) -> Result<String, D::Error> {
    struct Scalar<'a>(fmt::Arguments<'a>);

    impl serde::de::Visitor<'_> for Scalar<'_> {
        type Value = String;

        fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            formatter.write_fmt(self.0)
        }

        fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<String, E> {
            Ok(text.to_owned())
        }
    }

    deserializer.deserialize_str(Scalar(expected))
}
