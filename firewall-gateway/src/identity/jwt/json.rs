//! A JSON object that has one meaning: no member twice, and no deeper and larger than was agreed.
//!
//! serde_json alone takes the last of two members of one name; other readers take the first (RFC 8259, 4).

use std::{cell::Cell, fmt};

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

/// How much an object may hold.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Objects and lists within each other, the outermost among them.
    pub depth: u32,
    /// Values, objects and lists among them.
    pub values: u32,
}

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
    let fault = Cell::new(JsonError::Malformed);
    let left = Cell::new(bounds.values);
    let reader = Reader { fault: &fault, left: &left, depth: bounds.depth };
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let value = reader.deserialize(&mut deserializer).map_err(|_| fault.get())?;
    deserializer.end().map_err(|_| JsonError::Malformed)?;
    match value {
        Value::Object(members) => Ok(members),
        _ => Err(JsonError::Malformed),
    }
}

#[derive(Clone, Copy)]
struct Reader<'a> {
    fault: &'a Cell<JsonError>,
    left: &'a Cell<u32>,
    depth: u32,
}

impl Reader<'_> {
    fn fail<E: Error>(self, fault: JsonError) -> E {
        self.fault.set(fault);
        E::custom("refused")
    }

    fn deeper<E: Error>(self) -> Result<Self, E> {
        match self.depth.checked_sub(1) {
            Some(depth) => Ok(Self { depth, ..self }),
            None => Err(self.fail(JsonError::TooLarge)),
        }
    }
}

impl<'de> DeserializeSeed<'de> for Reader<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        match self.left.get().checked_sub(1) {
            Some(left) => self.left.set(left),
            None => return Err(self.fail(JsonError::TooLarge)),
        }
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Reader<'_> {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut list = Vec::new();
        while let Some(entry) = entries.next_element_seed(inner)? {
            list.push(entry);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let mut object = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            // Compared as read, so that an escape does not hide that two are one.
            if object.contains_key(&name) {
                return Err(self.fail(JsonError::Repeated));
            }
            let value = members.next_value_seed(inner)?;
            object.insert(name, value);
        }
        Ok(Value::Object(object))
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
