//! A JSON object that has one meaning: no member twice, and no deeper and larger than was agreed.

use serde_json::{Map, Value};

pub use crate::validate::json::Bounds;
use crate::validate::{fault::Fault, json};

/// Why bytes are no such object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JsonError {
    /// No JSON, or no object.
    Malformed,
    /// A member is there twice.
    Repeated,
    /// It is over a bound.
    TooLarge,
}

/// Reads an object, and nothing behind it.
///
/// # Errors
/// The first fault.
pub fn object(bytes: &[u8], bounds: Bounds) -> Result<Map<String, Value>, JsonError> {
    match json::read(bytes, bounds) {
        Ok(Value::Object(members)) => Ok(members),
        Ok(_) => Err(JsonError::Malformed),
        Err(invalid) => Err(match invalid.fault {
            Fault::MemberRepeated => JsonError::Repeated,
            Fault::TooDeep | Fault::TooManyValues => JsonError::TooLarge,
            _ => JsonError::Malformed,
        }),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::{Bounds, JsonError, object};

    const BOUNDS: Bounds = Bounds { depth: 3, values: 6 };

    #[test]
    fn what_is_read() {
        for text in [
            "{}",
            " {\"a\": [1, -2, 0.5, null], \"b\": true} ",
            "{\"a\":{\"b\":{\"c\":\"\\u00e9\\ud83d\\ude00\"}}}",
            "{\"a\":1,\"A\":2}",
            "{\"a\":{\"a\":1}}",
        ] {
            let expected: Value = serde_json::from_str(text).unwrap();
            let bounds = Bounds { values: 8, ..BOUNDS };
            assert_eq!(object(text.as_bytes(), bounds).map(Value::Object), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_is_refused() {
        use JsonError::{Malformed, Repeated, TooLarge};
        for (text, expected) in [
            (&b""[..], Malformed),
            (b"null", Malformed),
            (b"[]", Malformed),
            (b"\"a\"", Malformed),
            (b"{", Malformed),
            (b"{}{}", Malformed),
            (b"{}\0", Malformed),
            (b"\xef\xbb\xbf{}", Malformed),
            (b"{\"a\":1,}", Malformed),
            (b"{'a':1}", Malformed),
            (b"{\"a\":NaN}", Malformed),
            (b"{\"a\":1e999}", Malformed),
            (b"{\"a\":01}", Malformed),
            (b"{\"a\":\"\\ud800\"}", Malformed),
            (b"{\"a\":\"\xff\"}", Malformed),
            (b"{\"a\":\"\n\"}", Malformed),
            (b"{\"a\":1/**/}", Malformed),
            (b"{\"a\":1,\"a\":1}", Repeated),
            (b"{\"a\":1,\"\\u0061\":2}", Repeated),
            (b"{\"b\":{\"a\":1,\"a\":2}}", Repeated),
            (b"{\"b\":[{\"a\":1,\"a\":2}]}", Repeated),
            (b"{\"a\":[[[]]]}", TooLarge),
            (b"{\"a\":{\"b\":{\"c\":{}}}}", TooLarge),
            (b"{\"a\":[1,2,3,4,5]}", TooLarge),
        ] {
            let shown = String::from_utf8_lossy(text);
            assert_eq!(object(text, BOUNDS), Err(expected), "{shown}");
        }
        let deep = format!("{{\"a\":{}", "[".repeat(100_000));
        assert_eq!(object(deep.as_bytes(), BOUNDS), Err(TooLarge));
    }
}
