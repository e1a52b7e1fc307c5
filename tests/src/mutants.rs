//! Bodies made from a schema of a document: good ones, and ones with exactly one thing that is wrong.

use serde_json::{Map, Value, json};

use crate::random::Random;

/// A maker of bodies.
pub struct Bodies<'a> {
    document: &'a Value,
    schema: &'a Value,
    random: Random,
}

/// A body that must not pass.
#[derive(Clone, Debug)]
pub struct Mutant {
    /// What is wrong with it.
    pub what: String,
    /// Its content type, where it has one.
    pub content_type: Option<&'static str>,
    /// Its content encoding, where it has one.
    pub content_encoding: Option<&'static str>,
    /// Its bytes.
    pub body: Vec<u8>,
    /// The status that it is due.
    pub status: u16,
}

const JSON: &str = "application/json";

/// More than a body of the test may have.
const TOO_LARGE_BYTES: usize = 70_000;
const TOO_DEEP: usize = 40;
const TOO_MANY: usize = 5_000;

impl<'a> Bodies<'a> {
    /// Bodies of the schema at this place of a document; the same seed makes the same ones.
    #[must_use]
    pub fn new(document: &'a Value, place: &str, seed: u64) -> Option<Self> {
        Some(Self { document, schema: document.pointer(place)?, random: Random::new(seed) })
    }

    /// A body that fits, of about 2 kB.
    pub fn good(&mut self) -> Value {
        loop {
            let body = self.value(self.schema);
            if (1_500..2_600).contains(&body.to_string().len()) {
                return body;
            }
        }
    }

    /// A body with one thing that is wrong.
    pub fn mutant(&mut self) -> Mutant {
        let good = self.good();
        match self.random.below(4) {
            0 => self.of_bytes(&good),
            1 if self.random.below(4) == 0 => self.of_headers(&good),
            _ => self.of_schema(good),
        }
    }

    fn chance(&mut self, in_ten: u64) -> bool {
        self.random.below(10) < in_ten
    }

    fn pick<T: Copy>(&mut self, several: &[T]) -> Option<T> {
        several.get(self.random.below(several.len().max(1) as u64) as usize).copied()
    }

    fn resolved(&self, schema: &'a Value) -> &'a Value {
        let reference = schema.get("$ref").and_then(Value::as_str);
        let target = reference.and_then(|reference| self.document.pointer(&reference[1..]));
        target.unwrap_or(schema)
    }

    fn value(&mut self, schema: &'a Value) -> Value {
        let schema = self.resolved(schema);
        if let Some(options) = schema.get("enum").and_then(Value::as_array) {
            let place = self.random.below(options.len() as u64) as usize;
            return options.get(place).cloned().unwrap_or_default();
        }
        let number = |key: &str| schema.get(key).and_then(Value::as_u64);
        match schema.get("type").and_then(Value::as_str) {
            Some("object") => {
                let required = schema.get("required").and_then(Value::as_array);
                let mut object = Map::new();
                for (name, inner) in
                    schema.get("properties").and_then(Value::as_object).into_iter().flatten()
                {
                    let must = required.is_some_and(|names| names.iter().any(|it| it == name));
                    let back = inner.get("readOnly") == Some(&Value::Bool(true));
                    if !back && (must || self.chance(8)) {
                        let value = self.value(inner);
                        object.insert(name.clone(), value);
                    }
                }
                Value::Object(object)
            }
            Some("array") => {
                let most = number("maxItems").unwrap_or(4).min(24);
                let count = number("minItems").unwrap_or(0) + self.random.below(most);
                let mut entries: Vec<Value> = Vec::new();
                let empty = Value::Bool(true);
                let inner = schema.get("items");
                while (entries.len() as u64) < count.min(most) {
                    let entry = inner.map_or(empty.clone(), |inner| self.value(inner));
                    if !entries.contains(&entry) {
                        entries.push(entry);
                    }
                }
                Value::Array(entries)
            }
            Some("integer") => {
                let (least, most) =
                    (number("minimum").unwrap_or(0), number("maximum").unwrap_or(1_000));
                (least + self.random.below(most - least + 1)).into()
            }
            Some("number") if schema.get("multipleOf").is_some() => {
                json!(self.random.below(10_000) as f64 / 100.0)
            }
            Some("number") => json!((self.random.below(99) + 1) as f64 / 100.0),
            Some("boolean") => self.chance(5).into(),
            _ => Value::String(self.text(schema)),
        }
    }

    fn text(&mut self, schema: &Value) -> String {
        let word = |key: &str| schema.get(key).and_then(Value::as_str);
        let digits = self.random.below(9_000) + 1_000;
        match (word("pattern"), word("format")) {
            (Some("^[A-Z]{3}-[0-9]{4,8}$"), _) => format!("ABC-{digits}"),
            (Some("^[A-Z]{2}$"), _) => "DE".to_owned(),
            (Some(_), _) => digits.to_string(),
            (_, Some("email")) => format!("customer-{digits}@shop.example"),
            (_, Some("date-time")) => "2026-11-25T10:59:07Z".to_owned(),
            _ => {
                let most = schema.get("maxLength").and_then(Value::as_u64).unwrap_or(20).min(120);
                let length = 1 + self.random.below(most);
                let letters: Vec<char> = "abc def \u{e9}\u{4e2d}\"\\".chars().collect();
                (0..length).filter_map(|_| self.pick(&letters)).collect()
            }
        }
    }

    fn of_headers(&mut self, good: &Value) -> Mutant {
        let (content_type, content_encoding) = match self.random.below(5) {
            0 => (None, None),
            1 => (Some("text/html"), None),
            2 => (Some("application/json; charset=utf-16"), None),
            3 => (Some("json"), None),
            _ => (Some(JSON), Some("gzip")),
        };
        let what = format!("{content_type:?} {content_encoding:?}");
        let body = good.to_string().into_bytes();
        Mutant { what, content_type, content_encoding, body, status: 415 }
    }

    fn of_bytes(&mut self, good: &Value) -> Mutant {
        let text = good.to_string();
        let mut bytes = text.clone().into_bytes();
        let place = self.random.below(bytes.len() as u64 - 2) as usize + 1;
        let member = r#","note":"#;
        let kind = self.random.below(11);
        let (what, status) = match kind {
            0 => {
                bytes.truncate(place);
                ("cut off", 400)
            }
            1 => {
                bytes.extend(b" {}");
                ("more behind it", 400)
            }
            2 => {
                let mut twice = text.trim_end_matches('}').to_owned();
                twice.push_str(r#","items":[],"items":[]}"#);
                bytes = twice.into_bytes();
                ("a member twice", 400)
            }
            3 => {
                let inside = text.find("shop.example").unwrap_or(place);
                bytes[inside] = 0xff;
                ("not UTF-8", 400)
            }
            4 => {
                bytes.pop();
                bytes.extend(format!("{member}1e999}}").into_bytes());
                ("a number out of range", 400)
            }
            5 => {
                bytes.pop();
                bytes.extend(format!("{member}\"\\ud800\"}}").into_bytes());
                ("half a surrogate", 400)
            }
            6 => {
                bytes.pop();
                bytes.extend(format!("{member}NaN}}").into_bytes());
                ("no number", 400)
            }
            7 => {
                bytes.splice(..0, [0xef, 0xbb, 0xbf]);
                ("a byte order mark", 400)
            }
            8 => {
                bytes.pop();
                let open = "[".repeat(TOO_DEEP);
                bytes.extend(format!("{member}{open}").into_bytes());
                ("too deep", 413)
            }
            9 => {
                bytes.pop();
                let many = "1,".repeat(TOO_MANY);
                bytes.extend(format!("{member}[{many}1]}}").into_bytes());
                ("too many values", 413)
            }
            _ => {
                bytes.extend(vec![b' '; TOO_LARGE_BYTES]);
                ("too large", 413)
            }
        };
        Mutant {
            what: what.to_owned(),
            content_type: Some(JSON),
            content_encoding: None,
            body: bytes,
            status,
        }
    }

    /// Breaks one keyword of the schema at one place where it holds.
    fn of_schema(&mut self, mut body: Value) -> Mutant {
        let mut places = Vec::new();
        self.places(self.schema, &body, String::new(), &mut places);
        loop {
            let at = self.random.below(places.len() as u64) as usize;
            let Some((place, schema)) = places.get(at).cloned() else { continue };
            let Some(value) = body.pointer_mut(&place) else { continue };
            let Some(what) = self.broken(schema, value) else { continue };
            return Mutant {
                what: format!("{what} at {place:?}"),
                content_type: Some(JSON),
                content_encoding: None,
                body: body.to_string().into_bytes(),
                status: 422,
            };
        }
    }

    fn places(
        &self,
        schema: &'a Value,
        value: &Value,
        place: String,
        found: &mut Vec<(String, &'a Value)>,
    ) {
        let schema = self.resolved(schema);
        found.push((place.clone(), schema));
        for (name, inner) in value.as_object().into_iter().flatten() {
            if let Some(schema) = schema.get("properties").and_then(|all| all.get(name)) {
                self.places(schema, inner, format!("{place}/{name}"), found);
            }
        }
        for (number, inner) in value.as_array().into_iter().flatten().enumerate() {
            if let Some(schema) = schema.get("items") {
                self.places(schema, inner, format!("{place}/{number}"), found);
            }
        }
    }

    fn broken(&mut self, schema: &Value, value: &mut Value) -> Option<&'static str> {
        let known: Vec<&str> = schema.as_object()?.keys().map(String::as_str).collect();
        let keyword = self.pick(&known)?;
        let limit =
            |key: &str| schema.get(key).and_then(Value::as_u64).unwrap_or_default() as usize;
        let (what, broken) = match keyword {
            "type" => {
                let other = match value {
                    Value::String(_) => json!({"a": 1}),
                    Value::Number(_) if schema.get("type") == Some(&json!("integer")) => json!(1.5),
                    _ => json!("text"),
                };
                ("another type", other)
            }
            "required" => {
                let names = schema.get("required")?.as_array()?;
                let mine: Vec<&String> = value.as_object()?.keys().collect();
                let required = names.iter().filter_map(Value::as_str);
                let there: Vec<&str> =
                    required.filter(|name| mine.iter().any(|it| it == name)).collect();
                let name = self.pick(&there)?;
                let mut object = value.as_object()?.clone();
                object.remove(name);
                ("a member that is missing", object.into())
            }
            "additionalProperties" => {
                let mut object = value.as_object()?.clone();
                object.insert("is_admin".to_owned(), true.into());
                ("a member too many", object.into())
            }
            "enum" => ("no option", json!("another")),
            "pattern" => ("no match", json!("!")),
            "format" => match schema.get("format")?.as_str()? {
                "int32" | "int64" => ("more than the format holds", json!(1e30)),
                _ => ("no such format", json!("neither")),
            },
            "minimum" => ("too little", json!(-1)),
            "maximum" => ("too much", json!(1_000_001)),
            "multipleOf" => ("no multiple", json!(0.005)),
            "minLength" => ("too short", json!("")),
            "maxLength" => ("too long", json!("x".repeat(limit("maxLength") + 1))),
            "minItems" => ("too few", json!([])),
            "maxItems" => {
                let entries = vec![value.get(0)?.clone(); limit("maxItems") + 1];
                ("too many", entries.into())
            }
            "uniqueItems" => ("one twice", json!(["a", "b", "a"])),
            _ => return None,
        };
        *value = broken;
        Some(what)
    }
}
