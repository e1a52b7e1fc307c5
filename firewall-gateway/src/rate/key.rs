//! Whose a request is, for one limit: what it is told apart by, fed to a hash part by part.

use std::{
    hash::{BuildHasher, Hasher, RandomState},
    net::IpAddr,
};

use aws_lc_rs::digest::{Context, SHA256};
use http::{HeaderMap, HeaderName};

use super::RateError;
use crate::{
    countries::Code,
    identity::{Identity, jwt, masked},
    policy::KeyPart,
};

/// What is known of a request when it is counted.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// The client.
    pub address: IpAddr,
    /// The country that it is in, where that is known.
    pub country: Option<Code>,
    /// Its route, where one took it.
    pub route: Option<&'a str>,
    /// What it says.
    pub headers: &'a HeaderMap,
    /// Who sent it, once that is known.
    pub identity: Option<&'a Identity>,
}

/// What a limit tells requests apart by.
#[derive(Debug)]
pub struct Key(Box<[Part]>);

#[derive(Debug)]
enum Part {
    Address,
    Network,
    Country,
    Consumer,
    Credential,
    Route,
    Header(HeaderName),
    Claim(Box<str>),
}

impl Key {
    /// As the policy says.
    ///
    /// # Errors
    /// The part that cannot be used.
    pub fn new(parts: &[KeyPart]) -> Result<Self, RateError> {
        let part = |part: &KeyPart| {
            Ok(match part {
                KeyPart::Address => Part::Address,
                KeyPart::Network => Part::Network,
                KeyPart::Country => Part::Country,
                KeyPart::Consumer => Part::Consumer,
                KeyPart::Key => Part::Credential,
                KeyPart::Route => Part::Route,
                KeyPart::Header(name) => Part::Header(
                    HeaderName::from_bytes(name.as_bytes())
                        .map_err(|_| RateError::Header(name.clone()))?,
                ),
                KeyPart::Claim(path) => Part::Claim(path.as_str().into()),
            })
        };
        Ok(Self(parts.iter().map(part).collect::<Result<_, _>>()?))
    }

    /// A number for it in this process: keyed, so that nobody can choose what shares a row.
    #[must_use]
    pub fn hash(&self, hasher: &RandomState, asked: &Asked<'_>) -> u64 {
        let mut hash = hasher.build_hasher();
        self.feed(asked, |bytes| hash.write(bytes));
        hash.finish()
    }

    /// The same for all hosts: half a SHA-256, which tells nothing of what went in.
    #[must_use]
    pub fn digest(&self, asked: &Asked<'_>) -> [u8; 16] {
        let mut digest = Context::new(&SHA256);
        self.feed(asked, |bytes| digest.update(bytes));
        let mut half = [0; 16];
        half.iter_mut().zip(digest.finish().as_ref()).for_each(|(to, from)| *to = *from);
        half
    }

    // Each part with its length, so that no two combinations are fed the same. What is not there is a part too: those
    // that leave a header out are counted together, and none gets away by leaving it out.
    fn feed(&self, asked: &Asked<'_>, mut take: impl FnMut(&[u8])) {
        let mut part = |bytes: Option<&[u8]>| {
            take(&[u8::from(bytes.is_some())]);
            let bytes = bytes.unwrap_or_default();
            take(&(bytes.len() as u64).to_le_bytes());
            take(bytes);
        };
        for one in &self.0 {
            match one {
                Part::Address => part(Some(&octets(masked(asked.address, 32, 64)))),
                Part::Network => part(Some(&octets(masked(asked.address, 24, 48)))),
                Part::Country => part(asked.country.as_ref().map(|code| &code[..])),
                Part::Consumer => {
                    part(asked.identity.map(|identity| identity.consumer.as_bytes()));
                }
                Part::Credential => {
                    part(asked.identity.map(|identity| identity.credential.as_bytes()));
                }
                Part::Route => part(asked.route.map(str::as_bytes)),
                Part::Header(name) => {
                    let mut values = asked.headers.get_all(name).iter();
                    part(values.next().map(|value| value.as_bytes()));
                    values.for_each(|value| part(Some(value.as_bytes())));
                }
                Part::Claim(path) => {
                    let claims = asked.identity.and_then(|identity| identity.claims.as_deref());
                    let text = claims.and_then(|claims| jwt::claim(claims, path));
                    let text = text.map(ToString::to_string);
                    part(text.as_deref().map(str::as_bytes));
                }
            }
        }
    }
}

// An IPv4 address as IPv6 writes it: no address has the octets of another.
fn octets(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
        IpAddr::V6(address) => address.octets(),
    }
}
