//! JA4 of a ClientHello: which TLS stack a client has, whatever it says in its headers.
//!
//! <https://github.com/FoxIO-LLC/ja4/blob/main/technical_details/JA4.md> (JA4 itself is BSD-licensed.)

use std::fmt::Write as _;

use aws_lc_rs::digest;

/// What the ClientHello at the beginning of `records` looks like; nothing where there is none whole.
#[must_use]
pub fn of(records: &[u8]) -> Option<Look> {
    let message = handshake(records)?;
    let hello = Hello::parse(&message)?;
    Some(Look { ja4: hello.fingerprint(), stack: hello.stack() })
}

/// What a client's TLS stack looks like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Look {
    /// The fingerprint.
    pub ja4: String,
    /// What browsers have in common.
    pub stack: Stack,
}

/// What browsers have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stack {
    /// It offers TLS 1.3.
    pub tls_1_3: bool,
    /// It offers protocols.
    pub alpn: bool,
    /// It sends values that mean nothing (RFC 8701).
    pub grease: bool,
}

/// What JA4 looks at; GREASE (RFC 8701) is left out, and noted beside.
#[derive(Debug, Default, PartialEq, Eq)]
struct Hello {
    grease: bool,
    version: u16,
    ciphers: Vec<u16>,
    extensions: Vec<u16>,
    signatures: Vec<u16>,
    alpn: Option<(u8, u8)>,
}

impl Hello {
    fn parse(message: &[u8]) -> Option<Self> {
        let mut reader = Reader(message);
        let mut hello = Self { version: reader.u16()?, ..Self::default() };
        reader.take(RANDOM_BYTES)?;
        reader.prefixed_u8()?;
        let ciphers = reader.prefixed_u16()?;
        hello.grease = ciphers.chunks_exact(2).any(|pair| {
            pair.first_chunk().is_some_and(|pair| is_grease(u16::from_be_bytes(*pair)))
        });
        hello.ciphers = Reader(ciphers).numbers()?;
        reader.prefixed_u8()?;
        if reader.0.is_empty() {
            return Some(hello);
        }
        let mut extensions = Reader(reader.prefixed_u16()?);
        while !extensions.0.is_empty() {
            let kind = extensions.u16()?;
            let mut content = Reader(extensions.prefixed_u16()?);
            match kind {
                SIGNATURE_ALGORITHMS => {
                    hello.signatures = Reader(content.prefixed_u16()?).numbers()?;
                }
                SUPPORTED_VERSIONS => {
                    let versions = Reader(content.prefixed_u8()?).numbers()?;
                    hello.version = versions.into_iter().max().unwrap_or(hello.version);
                }
                ALPN => {
                    let first = Reader(content.prefixed_u16()?).prefixed_u8()?;
                    hello.alpn = first.first().copied().zip(first.last().copied());
                }
                _ => {}
            }
            if is_grease(kind) {
                hello.grease = true;
            } else {
                hello.extensions.push(kind);
            }
        }
        Some(hello)
    }

    fn stack(&self) -> Stack {
        Stack { tls_1_3: self.version == TLS_1_3, alpn: self.alpn.is_some(), grease: self.grease }
    }

    fn fingerprint(&self) -> String {
        let name = if self.extensions.contains(&SERVER_NAME) { 'd' } else { 'i' };
        let mut ciphers = self.ciphers.clone();
        ciphers.sort_unstable();
        // Name and protocols depend on where a client goes, not on what it is.
        let mut extensions: Vec<u16> = self.extensions.clone();
        extensions.retain(|kind| !matches!(*kind, SERVER_NAME | ALPN));
        extensions.sort_unstable();
        let mut behind = hex(&extensions);
        if !self.signatures.is_empty() {
            behind.push('_');
            behind.push_str(&hex(&self.signatures));
        }
        let behind = if self.extensions.is_empty() { String::new() } else { behind };
        format!(
            "t{}{name}{:02}{:02}{}_{}_{}",
            version(self.version),
            self.ciphers.len().min(COUNT_MAX),
            self.extensions.len().min(COUNT_MAX),
            protocol(self.alpn),
            hash(&hex(&ciphers)),
            hash(&behind)
        )
    }
}

// The ClientHello may be spread over several records (RFC 8446, 5.1).
fn handshake(records: &[u8]) -> Option<Vec<u8>> {
    let mut reader = Reader(records);
    let mut message = Vec::new();
    loop {
        if let Some((head, body)) = message.split_first_chunk::<HANDSHAKE_HEAD_BYTES>() {
            let [kind, length @ ..] = *head;
            let [high, middle, low] = length;
            let length = usize::from_be_bytes([0, 0, 0, 0, 0, high, middle, low]);
            if kind != CLIENT_HELLO {
                return None;
            }
            if let Some(hello) = body.get(..length) {
                return Some(hello.to_vec());
            }
        }
        if reader.u8()? != HANDSHAKE {
            return None;
        }
        reader.take(2)?;
        let fragment = reader.prefixed_u16()?;
        // An empty fragment is not allowed, and would make this go on for nothing.
        if fragment.is_empty() {
            return None;
        }
        message.extend_from_slice(fragment);
    }
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, bytes: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(bytes)?;
        self.0 = rest;
        Some(taken)
    }

    fn u8(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    fn u16(&mut self) -> Option<u16> {
        self.take(2)?.first_chunk().map(|bytes| u16::from_be_bytes(*bytes))
    }

    fn prefixed_u8(&mut self) -> Option<&'a [u8]> {
        let bytes = self.u8()?;
        self.take(bytes.into())
    }

    fn prefixed_u16(&mut self) -> Option<&'a [u8]> {
        let bytes = self.u16()?;
        self.take(bytes.into())
    }

    fn numbers(mut self) -> Option<Vec<u16>> {
        let mut numbers = Vec::with_capacity(self.0.len() / 2);
        while !self.0.is_empty() {
            let number = self.u16()?;
            if !is_grease(number) {
                numbers.push(number);
            }
        }
        Some(numbers)
    }
}

fn is_grease(number: u16) -> bool {
    let [high, low] = number.to_be_bytes();
    high == low && low & 0x0f == 0x0a
}

fn version(version: u16) -> &'static str {
    match version {
        TLS_1_3 => "13",
        0x0303 => "12",
        0x0302 => "11",
        0x0301 => "10",
        0x0300 => "s3",
        0x0002 => "s2",
        _ => "00",
    }
}

// First and last character of the first protocol; of their hex digits where one is no letter or digit.
fn protocol(ends: Option<(u8, u8)>) -> String {
    match ends {
        None => "00".to_owned(),
        Some((first, last)) if first.is_ascii_alphanumeric() && last.is_ascii_alphanumeric() => {
            [first, last].map(char::from).iter().collect()
        }
        Some((first, last)) => format!("{:x}{:x}", first >> 4, last & 0x0f),
    }
}

fn hex(numbers: &[u16]) -> String {
    let mut text = String::with_capacity(numbers.len() * 5);
    for number in numbers {
        let comma = if text.is_empty() { "" } else { "," };
        // Writing to memory does not fail.
        let _written = write!(text, "{comma}{number:04x}");
    }
    text
}

fn hash(text: &str) -> String {
    if text.is_empty() {
        return "0".repeat(HASH_BYTES * 2);
    }
    let hash = digest::digest(&digest::SHA256, text.as_bytes());
    let mut shown = String::with_capacity(HASH_BYTES * 2);
    for byte in hash.as_ref().iter().take(HASH_BYTES) {
        let _written = write!(shown, "{byte:02x}");
    }
    shown
}

const TLS_1_3: u16 = 0x0304;
const HANDSHAKE: u8 = 22;
const CLIENT_HELLO: u8 = 1;
const HANDSHAKE_HEAD_BYTES: usize = 4;
const RANDOM_BYTES: usize = 32;
const SERVER_NAME: u16 = 0x0000;
const SIGNATURE_ALGORITHMS: u16 = 0x000d;
const ALPN: u16 = 0x0010;
const SUPPORTED_VERSIONS: u16 = 0x002b;
const COUNT_MAX: usize = 99;
const HASH_BYTES: usize = 6;

#[cfg(test)]
mod tests;
