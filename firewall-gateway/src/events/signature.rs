//! Who sent a batch, and that it is what was sent: Standard Webhooks 1.0.0, symmetric.
//! <https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>

use std::fmt;

use aws_lc_rs::hmac;
use base64::{Engine as _, engine::general_purpose::STANDARD};

/// What signs.
pub struct Secret(hmac::Key);

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Secret")
    }
}

impl Secret {
    /// Reads `whsec_` and base64.
    ///
    /// # Errors
    /// What was expected.
    pub fn parse(text: &str) -> Result<Self, SecretError> {
        let bytes = text.strip_prefix(PREFIX).and_then(|text| STANDARD.decode(text).ok());
        let bytes = bytes.ok_or(SecretError::Form)?;
        if !(BYTES_MIN..=BYTES_MAX).contains(&bytes.len()) {
            return Err(SecretError::Length(bytes.len()));
        }
        Ok(Self(hmac::Key::new(hmac::HMAC_SHA256, &bytes)))
    }

    /// The header `webhook-signature` of a message.
    #[must_use]
    pub fn sign(&self, id: &str, timestamp_s: u64, body: &[u8]) -> String {
        let mut context = hmac::Context::with_key(&self.0);
        context.update(format!("{id}.{timestamp_s}.").as_bytes());
        context.update(body);
        format!("v1,{}", STANDARD.encode(context.sign()))
    }
}

const PREFIX: &str = "whsec_";
/// Of the standard, as is the next.
const BYTES_MIN: usize = 24;
const BYTES_MAX: usize = 64;

/// Why a secret is none. What was found is not shown: it may be one that is written wrongly.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub enum SecretError {
    #[error("expected whsec_ and base64, such as `echo whsec_$(openssl rand -base64 32)` makes")]
    Form,
    #[error("expected {BYTES_MIN} to {BYTES_MAX} bytes as base64 behind whsec_, found {0}")]
    Length(usize),
}

#[cfg(test)]
mod tests {
    use base64::{Engine as _, engine::general_purpose::STANDARD};

    use super::{Secret, SecretError};

    #[test]
    fn secrets() {
        let of = |bytes: usize| format!("whsec_{}", STANDARD.encode(vec![7; bytes]));
        for (text, expected) in [
            (of(24), None),
            (of(64), None),
            (of(23), Some(SecretError::Length(23))),
            (of(65), Some(SecretError::Length(65))),
            (String::new(), Some(SecretError::Form)),
            ("whsec_!".to_owned(), Some(SecretError::Form)),
            ("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".to_owned(), Some(SecretError::Form)),
        ] {
            assert_eq!(Secret::parse(&text).err(), expected, "{text}");
        }
    }

    // HMAC-SHA-256 by another implementation:
    // printf 'msg_1.1614265330.{"a":1}' | openssl dgst -sha256 -mac HMAC -macopt hexkey:(24 times 07) -binary | base64
    #[test]
    fn a_signature() {
        let secret = Secret::parse("whsec_BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcH").unwrap();
        assert_eq!(
            secret.sign("msg_1", 1_614_265_330, b"{\"a\":1}"),
            "v1,UhwxWJrw6uSo3m7sT3s9lL3jfe1tYd98YTXz4p0Ljsk="
        );
    }
}
