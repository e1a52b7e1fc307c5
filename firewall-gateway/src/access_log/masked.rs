//! A query without the values that may be secrets.

/// The query as it may be logged: what a key's name or the value itself shows to be a secret becomes
/// `***`. A key that is written with escapes is taken for a secret, as is a long piece without a key.
#[must_use]
pub fn query(query: &str) -> String {
    let mut shown = String::with_capacity(query.len());
    for piece in query.split_inclusive(['&', ';']) {
        let (piece, end) = match piece.strip_suffix(['&', ';']) {
            Some(bare) => (bare, &piece[bare.len()..]),
            None => (piece, ""),
        };
        match piece.split_once('=') {
            Some((key, value)) if is_secret(key) || is_token(value) => {
                shown.push_str(key);
                shown.push('=');
                shown.push_str(MASK);
            }
            None if piece.len() > KEY_BYTES_MAX => shown.push_str(MASK),
            _ => shown.push_str(piece),
        }
        shown.push_str(end);
    }
    shown
}

fn is_secret(key: &str) -> bool {
    let plain: String = key
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .map(|letter| letter.to_ascii_lowercase())
        .collect();
    key.contains('%')
        || key.len() > KEY_BYTES_MAX
        || PARTS.iter().any(|part| plain.contains(part))
        || WHOLE.contains(&plain.as_str())
}

// A JSON Web Token, wherever it stands.
fn is_token(value: &str) -> bool {
    value.starts_with("eyJ")
}

const MASK: &str = "***";

const KEY_BYTES_MAX: usize = 32;

/// A key with one of them in its name.
const PARTS: [&str; 15] = [
    "token",
    "key",
    "secret",
    "pass",
    "pwd",
    "auth",
    "sign",
    "session",
    "credential",
    "jwt",
    "otp",
    "assertion",
    "ticket",
    "code",
    "bearer",
];

/// A key that is one of them.
const WHOLE: [&str; 7] = ["sig", "sid", "pin", "state", "nonce", "hash", "hmac"];

#[cfg(test)]
mod tests {
    use super::query;

    #[test]
    fn values_that_may_be_secrets_are_masked() {
        let long = "x".repeat(33);
        for (given, expected) in [
            ("", ""),
            ("a=1&b=2", "a=1&b=2"),
            ("page=2;sort=name", "page=2;sort=name"),
            ("access_token=abc&x=1", "access_token=***&x=1"),
            ("API-Key=abc", "API-Key=***"),
            ("X-Amz-Signature=abc&X-Amz-Date=1", "X-Amz-Signature=***&X-Amz-Date=1"),
            ("code=4%2F0A&state=xyz", "code=***&state=***"),
            ("password=a=b", "password=***"),
            ("to%6ben=abc", "to%6ben=***"),
            ("id=eyJhbGciOiJIUzI1NiJ9.e30.x", "id=***"),
            ("flag&token", "flag&token"),
            ("&&a=1&", "&&a=1&"),
            (long.as_str(), "***"),
            ("sig=abc;sid=d", "sig=***;sid=***"),
            ("design=modern", "design=***"),
        ] {
            assert_eq!(query(given), expected);
        }
    }
}
