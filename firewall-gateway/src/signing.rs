//! Keys that sign what clients hold for us: cookies and tokens.

use aws_lc_rs::hmac;

/// What a policy has to say.
pub const EXPECTED: &str = "expected a key of at least 32 bytes as hex";

/// A key as a policy writes it.
#[must_use]
pub fn key(hex: &str) -> Option<hmac::Key> {
    let bytes = bytes(hex).filter(|key| key.len() >= KEY_BYTES_MIN)?;
    Some(hmac::Key::new(hmac::HMAC_SHA256, &bytes))
}

fn bytes(hex: &str) -> Option<Vec<u8>> {
    if !hex.len().is_multiple_of(2) || !hex.is_ascii() {
        return None;
    }
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(hex.get(at..at + 2)?, 16).ok()).collect()
}

/// As long as the hash: a longer one adds nothing, a shorter one is weaker.
const KEY_BYTES_MIN: usize = 32;
