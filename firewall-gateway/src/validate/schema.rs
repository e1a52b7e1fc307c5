//! One schema, ready to judge values.

use std::{cell::RefCell, collections::HashMap, sync::Arc};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use jsonschema::{
    Draft, PatternCache, PatternOptions, Registry, ValidationError, Validator,
    error::ValidationErrorKind,
};
use serde_json::{Value, json};

use super::{
    fault::{Fault, Invalid, Place, Problem},
    pointer, reference, words,
};
use crate::limits::{
    VALIDATION_ALL_PROBLEMS_VALUES_MAX, VALIDATION_PATTERN_BYTES_MAX, VALIDATION_PROBLEMS_MAX,
};

/// The document that all schemas of an API are part of; a name that nothing can be fetched by.
const DOCUMENT: &str = "urn:seawall:document";

/// Makes the schemas of one document.
pub struct Schemas<'a> {
    document: &'a Value,
    registry: &'a Registry<'a>,
    patterns: PatternCache,
    /// Those that are made, by their places: many operations take the same.
    made: RefCell<HashMap<String, Arc<Validator>>>,
}

/// A schema of a document.
#[derive(Debug)]
pub struct Schema(Arc<Validator>);

impl<'a> Schemas<'a> {
    /// What schemas of a document refer to.
    ///
    /// # Errors
    /// What cannot be resolved within it.
    pub fn registry(document: &'a Value) -> Result<Registry<'a>, String> {
        let registry = Registry::new().draft(Draft::Draft202012).add(DOCUMENT, document);
        registry.and_then(|registry| registry.prepare()).map_err(|error| error.to_string())
    }

    /// Makes schemas of what stands in the registry.
    #[must_use]
    pub fn new(document: &'a Value, registry: &'a Registry<'a>) -> Self {
        Self { document, registry, patterns: PatternCache::new(), made: RefCell::default() }
    }

    /// The schema at this place of the document, a JSON pointer.
    ///
    /// # Errors
    /// What is wrong with it, and where.
    pub fn at(&self, given: &str) -> Result<Schema, String> {
        // A schema that only refers to another one is that one.
        let schema = self.document.pointer(given).and_then(Value::as_object);
        let other = schema.filter(|schema| schema.len() == 1).and_then(|schema| schema.get("$ref"));
        let place = other.and_then(|other| reference::place(other.as_str()?));
        let place = place.as_deref().unwrap_or(given);
        if let Some(made) = self.made.borrow().get(place) {
            return Ok(Schema(made.clone()));
        }
        let reference = format!("{DOCUMENT}{}", whole_fragment(place));
        // Linear in the text: what a client sends cannot make it search for long.
        let patterns = PatternOptions::regex().size_limit(VALIDATION_PATTERN_BYTES_MAX);
        let validator = jsonschema::options()
            .offline()
            .with_draft(Draft::Draft202012)
            .with_registry(self.registry)
            .with_pattern_options(patterns)
            .with_pattern_cache(self.patterns.clone())
            .should_validate_formats(true)
            .with_format("byte", |text: &str| STANDARD.decode(text).is_ok())
            .build(&json!({ "$ref": reference }))
            .map_err(|error| said(&error))?;
        let validator = Arc::new(validator);
        self.made.borrow_mut().insert(place.to_owned(), validator.clone());
        Ok(Schema(validator))
    }
}

/// Whether a schema is one, by the meta-schema of JSON Schema 2020-12.
///
/// # Errors
/// What is not, and where in it.
pub fn check(schema: &Value) -> Result<(), (String, String)> {
    jsonschema::draft202012::meta::validate(schema)
        .map_err(|error| (error.instance_path().as_str().to_owned(), said(&error)))
}

// What stands in a configuration may be shown, but not at any length.
fn said(error: &ValidationError<'_>) -> String {
    let mut text = error.to_string();
    let end = text.floor_char_boundary(MESSAGE_BYTES_MAX);
    text.truncate(end);
    text
}

const MESSAGE_BYTES_MAX: usize = 512;

// A pointer that is not cut: it has to be found again.
fn whole_fragment(place: &str) -> String {
    let mut text = pointer::ROOT.to_owned();
    for byte in place.bytes() {
        match byte {
            b'/' | b'-' | b'.' | b'_' | b'~' => text.push(char::from(byte)),
            byte if byte.is_ascii_alphanumeric() => text.push(char::from(byte)),
            byte => text.push_str(&format!("%{byte:02X}")),
        }
    }
    text
}

impl Schema {
    /// Judges a value that stands at this place.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn judge(&self, value: &Value, place: Place, name: Option<&str>) -> Result<(), Invalid> {
        if self.0.is_valid(value) {
            return Ok(());
        }
        let problem = |error: ValidationError<'_>| Problem {
            place,
            name: name.map(str::to_owned),
            pointer: pointer::fragment(error.instance_path().as_str(), below(error.kind())),
            expected: words::expected(error.kind()),
        };
        // All errors are made before the first is handed out, each with those of its branches.
        let mut left = VALIDATION_ALL_PROBLEMS_VALUES_MAX;
        let problems: Vec<Problem> = if is_within(value, &mut left) {
            self.0.iter_errors(value).take(VALIDATION_PROBLEMS_MAX).map(problem).collect()
        } else {
            self.0.validate(value).err().map(problem).into_iter().collect()
        };
        Err(Invalid { fault: Fault::Schema, problems })
    }
}

// Whether a value consists of no more than so many.
fn is_within(value: &Value, left: &mut u32) -> bool {
    let Some(fewer) = left.checked_sub(1) else { return false };
    *left = fewer;
    match value {
        Value::Array(entries) => entries.iter().all(|inner| is_within(inner, left)),
        Value::Object(members) => members.values().all(|inner| is_within(inner, left)),
        _ => true,
    }
}

// The member that is missing or too much, rather than what it is missing in.
fn below(kind: &ValidationErrorKind) -> Option<&str> {
    match kind {
        ValidationErrorKind::Required { property } => property.as_str(),
        ValidationErrorKind::AdditionalProperties { unexpected }
        | ValidationErrorKind::UnevaluatedProperties { unexpected } => {
            unexpected.first().map(String::as_str)
        }
        _ => None,
    }
}
