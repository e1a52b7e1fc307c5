//! Schemas of OpenAPI 3.0 as those of JSON Schema 2020-12, which OpenAPI 3.1 has; and what OpenAPI says
//! of formats and directions that JSON Schema does not know.

use serde_json::{Map, Number, Value, json};

use super::{openapi::Version, pointer};

/// Where values go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// To the API.
    Request,
    /// From it.
    Response,
}

/// Members that hold examples and other values, in which nothing is a schema.
const VALUES: [&str; 5] = ["example", "examples", "default", "enum", "const"];

/// Members whose own members have names that their author chose.
const NAMED: [&str; 12] = [
    "callbacks",
    "content",
    "encoding",
    "headers",
    "links",
    "parameters",
    "pathItems",
    "paths",
    "requestBodies",
    "responses",
    "securitySchemes",
    "variables",
];

/// Turns all schemas of a document into those of JSON Schema 2020-12; answers their places.
pub fn convert(document: &mut Value, version: Version, direction: Direction) -> Vec<String> {
    let mut places = Vec::new();
    walk(document, String::new(), &mut |schema, place| {
        places.push(place);
        convert_schema(schema, version, direction);
    });
    places
}

fn walk(value: &mut Value, place: String, found: &mut impl FnMut(&mut Value, String)) {
    match value {
        Value::Object(members) => {
            let components = place == "/components";
            // Those of a schema that is written in a route.
            let root = place.is_empty();
            let named = place.rsplit('/').next().is_some_and(|last| NAMED.contains(&last));
            for (name, inner) in members {
                let place = format!("{place}/{}", pointer::escaped(name));
                match (name.as_str(), inner) {
                    (_, inner) if named => walk(inner, place, found),
                    ("schema", inner) => found(inner, place),
                    ("schemas" | "$defs", Value::Object(schemas)) if components || root => {
                        for (name, schema) in schemas {
                            found(schema, format!("{place}/{}", pointer::escaped(name)));
                        }
                    }
                    (name, _) if VALUES.contains(&name) || name.starts_with("x-") => {}
                    (_, inner) => walk(inner, place, found),
                }
            }
        }
        Value::Array(entries) => {
            for (number, inner) in entries.iter_mut().enumerate() {
                walk(inner, format!("{place}/{number}"), found);
            }
        }
        _ => {}
    }
}

fn convert_schema(schema: &mut Value, version: Version, direction: Direction) {
    let Value::Object(members) = schema else { return };
    for (name, inner) in members.iter_mut() {
        match name.as_str() {
            "properties" | "patternProperties" | "$defs" | "definitions" | "dependentSchemas" => {
                let schemas = inner.as_object_mut().into_iter().flatten();
                schemas.for_each(|(_, schema)| convert_schema(schema, version, direction));
            }
            "allOf" | "anyOf" | "oneOf" | "prefixItems" => {
                let schemas = inner.as_array_mut().into_iter().flatten();
                schemas.for_each(|schema| convert_schema(schema, version, direction));
            }
            "items"
            | "additionalProperties"
            | "not"
            | "if"
            | "then"
            | "else"
            | "contains"
            | "propertyNames"
            | "unevaluatedItems"
            | "unevaluatedProperties" => {
                convert_schema(inner, version, direction);
            }
            _ => {}
        }
    }
    if version == Version::V3_0 {
        from_3_0(members);
    }
    number_formats(members);
    one_way(members, direction);
}

fn from_3_0(members: &mut Map<String, Value>) {
    // What stands beside a reference is nothing there.
    if members.contains_key("$ref") {
        members.retain(|name, _| name == "$ref");
        return;
    }
    for (flag, bound) in [("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")] {
        match members.get(flag) {
            Some(Value::Bool(true)) => match members.remove(bound) {
                Some(limit) => drop(members.insert(flag.to_owned(), limit)),
                None => drop(members.remove(flag)),
            },
            Some(Value::Bool(false)) => drop(members.remove(flag)),
            _ => {}
        }
    }
    if members.remove("nullable") == Some(Value::Bool(true)) {
        // Where no type is said, null is one of those that are taken.
        if let Some(one @ Value::String(_)) = members.get_mut("type")
            && *one != "null"
        {
            *one = json!([one.take(), "null"]);
        }
        if let Some(Value::Array(options)) = members.get_mut("enum")
            && !options.contains(&Value::Null)
        {
            options.push(Value::Null);
        }
    }
}

// The formats of numbers are bounds (OpenAPI format registry).
fn number_formats(members: &mut Map<String, Value>) {
    let (least, most): (Number, Number) = match members.get("format").and_then(Value::as_str) {
        Some("int32") => (i32::MIN.into(), i32::MAX.into()),
        Some("int64") => (i64::MIN.into(), i64::MAX.into()),
        _ => return,
    };
    for (bound, exclusive, limit) in
        [("minimum", "exclusiveMinimum", least), ("maximum", "exclusiveMaximum", most)]
    {
        if !members.contains_key(bound) && !members.contains_key(exclusive) {
            members.insert(bound.to_owned(), Value::Number(limit));
        }
    }
}

// What goes only one way is not missed on the other (OpenAPI 3.0, Schema Object: readOnly, writeOnly).
fn one_way(members: &mut Map<String, Value>, direction: Direction) {
    let other = match direction {
        Direction::Request => "readOnly",
        Direction::Response => "writeOnly",
    };
    let Some(properties) = members.get("properties").and_then(Value::as_object) else { return };
    let others: Vec<String> = properties
        .iter()
        .filter(|(_, schema)| schema.get(other) == Some(&Value::Bool(true)))
        .map(|(name, _)| name.clone())
        .collect();
    if let Some(Value::Array(required)) = members.get_mut("required") {
        required.retain(|name| !others.iter().any(|other| name == other));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{Direction, convert};
    use crate::validate::openapi::Version;

    fn converted(schema: Value, version: Version, direction: Direction) -> Value {
        let mut document = json!({"components": {"schemas": {"a": schema}}});
        assert_eq!(convert(&mut document, version, direction), ["/components/schemas/a"]);
        document["components"]["schemas"]["a"].take()
    }

    #[test]
    fn schemas_of_3_0_say_the_same_in_2020_12() {
        for (schema, expected) in [
            (json!({"type": "string", "nullable": true}), json!({"type": ["string", "null"]})),
            (json!({"type": "string", "nullable": false}), json!({"type": "string"})),
            (json!({"nullable": true, "minLength": 1}), json!({"minLength": 1})),
            (
                json!({"type": "string", "nullable": true, "enum": ["a"]}),
                json!({"type": ["string", "null"], "enum": ["a", null]}),
            ),
            (
                json!({"type": "string", "nullable": true, "enum": ["a", null]}),
                json!({"type": ["string", "null"], "enum": ["a", null]}),
            ),
            (
                json!({"minimum": 1, "exclusiveMinimum": true, "maximum": 2, "exclusiveMaximum": false}),
                json!({"exclusiveMinimum": 1, "maximum": 2}),
            ),
            (json!({"exclusiveMaximum": true}), json!({})),
            (
                json!({"$ref": "#/components/schemas/b", "nullable": true, "description": "x"}),
                json!({"$ref": "#/components/schemas/b"}),
            ),
            (
                json!({"properties": {"nullable": {"type": "integer", "nullable": true}}}),
                json!({"properties": {"nullable": {"type": ["integer", "null"]}}}),
            ),
            (
                json!({"allOf": [{"items": {"type": "number", "nullable": true}}]}),
                json!({"allOf": [{"items": {"type": ["number", "null"]}}]}),
            ),
            (
                json!({"additionalProperties": {"not": {"type": "null", "nullable": true}}}),
                json!({"additionalProperties": {"not": {"type": "null"}}}),
            ),
        ] {
            assert_eq!(converted(schema, Version::V3_0, Direction::Request), expected);
        }
    }

    #[test]
    fn schemas_of_3_1_stay_as_they_are() {
        for schema in [
            json!({"$ref": "#/components/schemas/b", "description": "x"}),
            json!({"type": ["string", "null"], "exclusiveMinimum": 3}),
            json!({"enum": [{"schema": {"nullable": true}}]}),
            json!(true),
        ] {
            assert_eq!(converted(schema.clone(), Version::V3_1, Direction::Request), schema);
        }
    }

    #[test]
    fn formats_of_numbers_are_bounds() {
        for (schema, expected) in [
            (
                json!({"format": "int32"}),
                json!({"format": "int32", "minimum": i32::MIN, "maximum": i32::MAX}),
            ),
            (
                json!({"format": "int64", "minimum": 1}),
                json!({"format": "int64", "minimum": 1, "maximum": i64::MAX}),
            ),
            (
                json!({"format": "int32", "exclusiveMinimum": 0, "maximum": 9}),
                json!({"format": "int32", "exclusiveMinimum": 0, "maximum": 9}),
            ),
            (json!({"format": "double"}), json!({"format": "double"})),
        ] {
            assert_eq!(converted(schema, Version::V3_1, Direction::Request), expected);
        }
    }

    #[test]
    fn what_goes_one_way_is_not_missed_on_the_other() {
        let schema = json!({
            "required": ["id", "secret", "name"],
            "properties": {"id": {"readOnly": true}, "secret": {"writeOnly": true}, "name": {}},
        });
        for (direction, expected) in [
            (Direction::Request, json!(["secret", "name"])),
            (Direction::Response, json!(["id", "name"])),
        ] {
            let schema = converted(schema.clone(), Version::V3_1, direction);
            assert_eq!(schema["required"], expected);
        }
    }

    #[test]
    fn every_place_of_a_schema_is_found() {
        let mut document = json!({
            "paths": {"/a/{b}": {"post": {
                "parameters": [{"name": "schema", "in": "query", "schema": {}}],
                "requestBody": {"content": {"application/json": {
                    "schema": {}, "example": {"schema": {"nullable": true}},
                }}},
            }}},
            "x-ours": {"schema": {}},
            "components": {
                "schemas": {"schema": {}, "a~b": {}},
                "parameters": {"schema": {"name": "schema", "in": "query", "required": true}},
            },
        });
        let mut places = convert(&mut document, Version::V3_1, Direction::Request);
        places.sort();
        assert_eq!(
            places,
            [
                "/components/schemas/a~0b",
                "/components/schemas/schema",
                "/paths/~1a~1{b}/post/parameters/0/schema",
                "/paths/~1a~1{b}/post/requestBody/content/application~1json/schema",
            ]
        );
    }
}
