//! What texts of parameters and forms are to be read as, by their schemas: in a query everything is a text.

use std::{cell::Cell, collections::BTreeMap};

use serde_json::{Number, Value};

use super::reference;
use crate::limits::VALIDATION_SHAPE_SCHEMAS_MAX;

/// Types of JSON, several at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Types(u8);

impl Types {
    const NONE: Self = Self(0);
    const NULL: Self = Self(1);
    const BOOLEAN: Self = Self(2);
    const NUMBER: Self = Self(4);
    const STRING: Self = Self(8);
    const LIST: Self = Self(16);
    const OBJECT: Self = Self(32);

    fn named(name: &str) -> Self {
        match name {
            "null" => Self::NULL,
            "boolean" => Self::BOOLEAN,
            "integer" | "number" => Self::NUMBER,
            "array" => Self::LIST,
            "object" => Self::OBJECT,
            _ => Self::STRING,
        }
    }

    fn of_value(value: &Value) -> Self {
        match value {
            Value::Null => Self::NULL,
            Value::Bool(_) => Self::BOOLEAN,
            Value::Number(_) => Self::NUMBER,
            Value::String(_) => Self::STRING,
            Value::Array(_) => Self::LIST,
            Value::Object(_) => Self::OBJECT,
        }
    }

    fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    fn has(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// A text as a value of one of these types; as a text where it is none of them.
    #[must_use]
    pub fn read(self, text: &str) -> Value {
        match text {
            "null" if self.has(Self::NULL) => return Value::Null,
            "true" if self.has(Self::BOOLEAN) => return true.into(),
            "false" if self.has(Self::BOOLEAN) => return false.into(),
            _ => {}
        }
        // The grammar of JSON: no sign of plus, no zeros before, no spaces around.
        let plain = text.as_bytes().last().is_some_and(u8::is_ascii_digit)
            && !text.starts_with([' ', '\t', '\n', '\r']);
        if self.has(Self::NUMBER)
            && plain
            && let Ok(number) = serde_json::from_str::<Number>(text)
        {
            return Value::Number(number);
        }
        text.into()
    }
}

/// What one parameter or field is to be read as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shape {
    /// One value.
    One(Types),
    /// A list of values.
    List(Types),
    /// An object.
    Members(Members),
    /// Bytes that are no text.
    Bytes,
    /// Nothing is said.
    Any,
}

/// What the members of an object are to be read as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Members {
    /// Those with a name.
    pub named: BTreeMap<String, Shape>,
}

impl Members {
    /// What a member is to be read as.
    #[must_use]
    pub fn shape(&self, name: &str) -> &Shape {
        self.named.get(name).unwrap_or(&Shape::Any)
    }
}

impl Shape {
    /// The shape of a schema in a document.
    #[must_use]
    pub fn of(document: &Value, schema: &Value) -> Self {
        match Finder::new(document).shape(schema) {
            Self::Members(_) => {
                let mut properties = BTreeMap::new();
                Finder::new(document).properties(schema, &mut properties);
                // What is within a member is not written as text any more.
                let named = properties
                    .into_iter()
                    .map(|(name, schema)| (name.clone(), Finder::new(document).shape(schema)));
                Self::Members(Members { named: named.collect() })
            }
            other => other,
        }
    }
}

/// Looks through the schemas that one is made of, as many as may be.
struct Finder<'a> {
    document: &'a Value,
    left: Cell<u32>,
}

impl<'a> Finder<'a> {
    fn new(document: &'a Value) -> Self {
        Self { document, left: Cell::new(VALIDATION_SHAPE_SCHEMAS_MAX) }
    }

    fn goes_on(&self) -> bool {
        let left = self.left.get().checked_sub(1);
        self.left.set(left.unwrap_or_default());
        left.is_some()
    }

    fn shape(&self, schema: &'a Value) -> Shape {
        let binary = Value::String("binary".to_owned());
        let is_media = self.find(schema, "contentMediaType").is_some();
        if self.find(schema, "format") == Some(&binary)
            || (is_media && self.find(schema, "contentEncoding").is_none())
        {
            return Shape::Bytes;
        }
        let types = match self.types(schema) {
            Types::NONE if self.find(schema, "properties").is_some() => Types::OBJECT,
            Types::NONE if self.find(schema, "items").is_some() => Types::LIST,
            types => types,
        };
        if types.has(Types::OBJECT) {
            return Shape::Members(Members { named: BTreeMap::new() });
        }
        if types.has(Types::LIST) {
            let entries = self.find(schema, "items").map(|entries| self.types(entries));
            return Shape::List(entries.filter(|it| *it != Types::NONE).unwrap_or(Types::STRING));
        }
        match types {
            Types::NONE => Shape::Any,
            types => Shape::One(types),
        }
    }

    fn types(&self, schema: &'a Value) -> Types {
        if !self.goes_on() {
            return Types::NONE;
        }
        match schema.get("type") {
            Some(Value::String(name)) => return Types::named(name),
            Some(Value::Array(names)) => {
                let names = names.iter().filter_map(Value::as_str).map(Types::named);
                return names.fold(Types::NONE, Types::with);
            }
            _ => {}
        }
        if let Some(value) = schema.get("const") {
            return Types::of_value(value);
        }
        if let Some(values) = schema.get("enum").and_then(Value::as_array) {
            return values.iter().map(Types::of_value).fold(Types::NONE, Types::with);
        }
        for several in ["anyOf", "oneOf", "allOf"] {
            if let Some(schemas) = schema.get(several).and_then(Value::as_array) {
                let types = schemas.iter().map(|schema| self.types(schema));
                return types.fold(Types::NONE, Types::with);
            }
        }
        reference::target(self.document, schema).map_or(Types::NONE, |target| self.types(target))
    }

    // A keyword of a schema, of what it refers to, or of what it is made of.
    fn find(&self, schema: &'a Value, keyword: &str) -> Option<&'a Value> {
        if !self.goes_on() {
            return None;
        }
        if let Some(found) = schema.get(keyword) {
            return Some(found);
        }
        let parts = schema.get("allOf").and_then(Value::as_array).into_iter().flatten();
        let mut inner = parts.chain(reference::target(self.document, schema));
        inner.find_map(|inner| self.find(inner, keyword))
    }

    fn properties(&self, schema: &'a Value, found: &mut BTreeMap<&'a String, &'a Value>) {
        if !self.goes_on() {
            return;
        }
        let properties = schema.get("properties").and_then(Value::as_object);
        for (name, schema) in properties.into_iter().flatten() {
            found.entry(name).or_insert(schema);
        }
        for several in ["allOf", "anyOf", "oneOf"] {
            let schemas = schema.get(several).and_then(Value::as_array);
            schemas.into_iter().flatten().for_each(|schema| self.properties(schema, found));
        }
        if let Some(target) = reference::target(self.document, schema) {
            self.properties(target, found);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{Shape, Types};

    fn shape(schema: &Value) -> Shape {
        let document = json!({"components": {"schemas": {
            "count": {"type": "integer"},
            "wide": {"anyOf": vec![json!({"$ref": "#/components/schemas/wide"}); 20]},
            "loop": {"$ref": "#/components/schemas/loop"},
            "tree": {"type": "object", "properties": {"next": {"$ref": "#/components/schemas/tree"}}},
        }}});
        Shape::of(&document, schema)
    }

    #[test]
    fn a_text_is_read_as_its_schema_says() {
        for (schema, text, expected) in [
            (json!({"type": "integer"}), "7", json!(7)),
            (json!({"type": "integer"}), "-7", json!(-7)),
            (json!({"type": "number"}), "7.5e1", json!(75.0)),
            (json!({"type": "integer"}), "+7", json!("+7")),
            (json!({"type": "integer"}), "07", json!("07")),
            (json!({"type": "integer"}), " 7", json!(" 7")),
            (json!({"type": "integer"}), "7 ", json!("7 ")),
            (json!({"type": "integer"}), "", json!("")),
            (json!({"type": "integer"}), "1e999", json!("1e999")),
            (json!({"type": "string"}), "7", json!("7")),
            (json!({"type": "boolean"}), "true", json!(true)),
            (json!({"type": "boolean"}), "True", json!("True")),
            (json!({"type": ["integer", "null"]}), "null", json!(null)),
            (json!({"enum": [1, "a"]}), "1", json!(1)),
            (json!({"const": true}), "true", json!(true)),
            (json!({"anyOf": [{"type": "integer"}, {"type": "boolean"}]}), "false", json!(false)),
            (json!({"$ref": "#/components/schemas/count"}), "3", json!(3)),
            (json!({"allOf": [{"$ref": "#/components/schemas/count"}]}), "3", json!(3)),
        ] {
            match shape(&schema) {
                Shape::One(types) => assert_eq!(types.read(text), expected, "{schema} {text}"),
                other => panic!("{schema}: {other:?}"),
            }
        }
    }

    #[test]
    fn shapes() {
        for (schema, expected) in [
            (json!({}), Shape::Any),
            (json!(true), Shape::Any),
            (json!({"$ref": "#/components/schemas/loop"}), Shape::Any),
            (json!({"$ref": "#/components/schemas/wide"}), Shape::Any),
            (json!({"$ref": "#/nowhere"}), Shape::Any),
            (json!({"type": "array", "items": {"type": "integer"}}), Shape::List(Types::NUMBER)),
            (json!({"type": "array"}), Shape::List(Types::STRING)),
            (json!({"items": {"type": "boolean"}}), Shape::List(Types::BOOLEAN)),
            (json!({"type": "string", "format": "binary"}), Shape::Bytes),
            (json!({"contentMediaType": "image/png"}), Shape::Bytes),
            (
                json!({"type": "string", "contentMediaType": "image/png", "contentEncoding": "base64"}),
                Shape::One(Types::STRING),
            ),
        ] {
            assert_eq!(shape(&schema), expected, "{schema}");
        }
        let Shape::Members(members) = shape(
            &json!({"allOf": [{"properties": {"a": {"type": "integer"}}}, {"properties": {"b": {}}}]}),
        ) else {
            panic!("members")
        };
        assert_eq!(members.shape("a"), &Shape::One(Types::NUMBER));
        assert_eq!(members.shape("b"), &Shape::Any);
        assert_eq!(members.shape("c"), &Shape::Any);
        // A schema within itself ends somewhere.
        assert!(matches!(shape(&json!({"$ref": "#/components/schemas/tree"})), Shape::Members(_)));
    }
}
