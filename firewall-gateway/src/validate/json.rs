//! A JSON text that has one meaning, and no more of it than may be: bounds are kept while it is read, so that nothing
//! is made of what lies behind them.
//!
//! Readers differ on a member that is there twice (RFC 8259, 4) and on what follows a text, so neither is taken.

use std::{
    cell::{Cell, RefCell},
    fmt,
};

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use super::{
    fault::{Fault, Invalid},
    pointer::{self, Step},
};

/// How much a text may hold.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Objects and lists within each other, the outermost among them.
    pub depth: u32,
    /// Values, objects and lists among them.
    pub values: u32,
}

impl Bounds {
    /// What was expected where it is one of these that a text goes over.
    #[must_use]
    pub fn expected(self, fault: Fault) -> Option<String> {
        let Self { depth, values } = self;
        match fault {
            Fault::TooDeep => Some(format!("at most {depth} objects and lists within each other")),
            Fault::TooManyValues => Some(format!("at most {values} values")),
            _ => None,
        }
    }
}

/// Reads a text.
///
/// # Errors
/// The first fault, and where it is.
pub fn read(bytes: &[u8], bounds: Bounds) -> Result<Value, Invalid> {
    if let Err(error) = std::str::from_utf8(bytes) {
        let expected = format!("UTF-8; the byte at offset {} is none", error.valid_up_to());
        return Err(Invalid::whole_body(Fault::NotUtf8, expected));
    }
    let reading = Reading {
        bounds,
        left: Cell::new(bounds.values),
        way: RefCell::default(),
        fault: Cell::new(None),
    };
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let value = Reader { reading: &reading, depth: bounds.depth }
        .deserialize(&mut deserializer)
        .map_err(|error| reading.invalid(&error))?;
    match deserializer.end() {
        Ok(()) => Ok(value),
        Err(_) => {
            Err(Invalid::whole_body(Fault::TrailingBytes, "nothing behind the end of the text"))
        }
    }
}

/// What all readers of one text share.
struct Reading {
    bounds: Bounds,
    left: Cell<u32>,
    way: RefCell<Vec<Step<'static>>>,
    fault: Cell<Option<Fault>>,
}

impl Reading {
    fn invalid(&self, error: &serde_json::Error) -> Invalid {
        let place = self.place();
        let Some(fault) = self.fault.get() else {
            // serde_json has one kind for all errors of syntax, and this text for numbers over the largest double.
            if error.to_string().starts_with("number out of range") {
                let expected = "a number within the range of a double";
                return Invalid::body(Fault::NumberRange, place, expected);
            }
            let (line, column) = (error.line(), error.column());
            let expected = format!("JSON; line {line}, column {column} is none");
            return Invalid::body(Fault::Syntax, place, expected);
        };
        let expected = self.bounds.expected(fault);
        let expected = expected.unwrap_or_else(|| "each member once".to_owned());
        Invalid::body(fault, place, expected)
    }

    fn place(&self) -> String {
        pointer::behind(&self.way.borrow())
    }

    fn fail<E: Error>(&self, fault: Fault) -> E {
        self.fault.set(Some(fault));
        E::custom("refused")
    }
}

#[derive(Clone, Copy)]
struct Reader<'a> {
    reading: &'a Reading,
    depth: u32,
}

impl Reader<'_> {
    fn deeper<E: Error>(self) -> Result<Self, E> {
        match self.depth.checked_sub(1) {
            Some(depth) => Ok(Self { depth, ..self }),
            None => Err(self.reading.fail(Fault::TooDeep)),
        }
    }
}

impl<'de> DeserializeSeed<'de> for Reader<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        match self.reading.left.get().checked_sub(1) {
            Some(left) => self.reading.left.set(left),
            None => return Err(self.reading.fail(Fault::TooManyValues)),
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

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    // The way is left as it stands where something is wrong: it is the place that is told.
    fn visit_seq<A: SeqAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let way = &self.reading.way;
        let mut list = Vec::new();
        loop {
            way.borrow_mut().push(Step::Entry(list.len()));
            let entry = entries.next_element_seed(inner)?;
            way.borrow_mut().pop();
            match entry {
                Some(entry) => list.push(entry),
                None => return Ok(Value::Array(list)),
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let inner = self.deeper()?;
        let way = &self.reading.way;
        let mut map = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            way.borrow_mut().push(Step::Member(name.into()));
            let value = members.next_value_seed(inner)?;
            let mut walked = way.borrow_mut();
            let Some(Step::Member(name)) = walked.pop() else { continue };
            if map.contains_key(&*name) {
                walked.push(Step::Member(name));
                drop(walked);
                return Err(self.reading.fail(Fault::MemberRepeated));
            }
            map.insert(name.into_owned(), value);
        }
        Ok(Value::Object(map))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Bounds, read};
    use crate::{generated::cases, validate::fault::Fault};

    const BOUNDS: Bounds = Bounds { depth: 4, values: 12 };

    #[test]
    fn texts_with_one_meaning_are_read() {
        for (text, expected) in [
            ("null", json!(null)),
            (" [1, -2, 0.5, true] \n", json!([1, -2, 0.5, true])),
            ("{\"a\":{\"b\":[{}]}}", json!({"a": {"b": [{}]}})),
            ("\"\\ud83d\\ude00\\n\\u0000\"", json!("\u{1f600}\n\u{0}")),
            ("18446744073709551615", json!(u64::MAX)),
            ("1e300", json!(1e300)),
        ] {
            assert_eq!(read(text.as_bytes(), BOUNDS).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn others_are_not_and_the_place_is_told() {
        for (text, fault, pointer) in [
            (&b""[..], Fault::Syntax, "#"),
            (b"{", Fault::Syntax, "#"),
            (b"{\"a\":[1,2,]}", Fault::Syntax, "#/a/2"),
            (b"{\"a\":{\"b\":nul}}", Fault::Syntax, "#/a/b"),
            (b"[01]", Fault::Syntax, "#/0"),
            (b"[NaN]", Fault::Syntax, "#/0"),
            (b"\xef\xbb\xbf{}", Fault::Syntax, "#"),
            (b"[\"\\ud800\"]", Fault::Syntax, "#/0"),
            (b"[\"\n\"]", Fault::Syntax, "#/0"),
            (b"[1e400]", Fault::NumberRange, "#/0"),
            (b"{\"a\":\"\xff\"}", Fault::NotUtf8, "#"),
            (b"{\"a\":1,\"a\":2}", Fault::MemberRepeated, "#/a"),
            (b"{\"a\":1,\"\\u0061\":2}", Fault::MemberRepeated, "#/a"),
            (b"{\"x\":[0,{\"a/b\":1,\"a/b\":1}]}", Fault::MemberRepeated, "#/x/1/a~1b"),
            (b"[[[[1]]]]", Fault::Schema, ""),
            (b"[[[[[1]]]]]", Fault::TooDeep, "#/0/0/0/0"),
            (b"[0,1,2,3,4,5,6,7,8,9,10]", Fault::Schema, ""),
            (b"[0,1,2,3,4,5,6,7,8,9,10,11]", Fault::TooManyValues, "#/11"),
            (b"{} {}", Fault::TrailingBytes, "#"),
            (b"1x", Fault::TrailingBytes, "#"),
        ] {
            let shown = String::from_utf8_lossy(text);
            match read(text, BOUNDS) {
                Ok(_) => assert_eq!(fault, Fault::Schema, "{shown}"),
                Err(invalid) => {
                    assert_eq!(invalid.fault, fault, "{shown}");
                    assert_eq!(invalid.problems[0].pointer, pointer, "{shown}");
                }
            }
        }
    }

    #[test]
    fn generated_texts_are_read_as_serde_json_reads_them() {
        let seeds = [
            &br#"{"a":[1,-2.5e3,"x\u00e9",null,true],"b":{"c":{}}}"#[..],
            b"[[],{},\"\",0]",
            b"{\"a\":1,\"b\":2}",
        ];
        let seeds = seeds.map(<[u8]>::to_vec);
        let bounds = Bounds { depth: 64, values: 64 };
        for text in cases(7, 4_000, &seeds) {
            match (read(&text, bounds), serde_json::from_slice::<serde_json::Value>(&text)) {
                (Ok(ours), theirs) => assert_eq!(ours, theirs.unwrap()),
                (Err(invalid), Ok(_)) => assert_eq!(invalid.fault, Fault::MemberRepeated),
                (Err(_), Err(_)) => {}
            }
        }
    }
}
