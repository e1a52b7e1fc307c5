//! What a schema expected, in words that hold nothing of what was sent.

use jsonschema::error::{TypeKind, ValidationErrorKind};
use serde_json::Value;

use crate::limits::VALIDATION_WORDS_BYTES_MAX;

/// What was expected where a keyword of a schema does not hold.
#[must_use]
pub fn expected(kind: &ValidationErrorKind) -> String {
    use ValidationErrorKind as Kind;
    let words = match kind {
        Kind::AdditionalItems { limit } => format!("at most {limit} entries"),
        Kind::AdditionalProperties { .. } | Kind::UnevaluatedProperties { .. } => {
            "no member that the schema does not name".to_owned()
        }
        Kind::UnevaluatedItems { .. } => "no entry that the schema does not name".to_owned(),
        Kind::AnyOf { .. } => "a value that fits at least one of several schemas".to_owned(),
        Kind::OneOfMultipleValid { .. } | Kind::OneOfNotValid { .. } => {
            "a value that fits exactly one of several schemas".to_owned()
        }
        Kind::Not { .. } | Kind::FalseSchema => "no such value".to_owned(),
        Kind::BacktrackLimitExceeded { .. }
        | Kind::RegexEngineFailure { .. }
        | Kind::Referencing(_) => "a value that can be judged".to_owned(),
        Kind::Constant { expected_value } => format!("the value {expected_value}"),
        Kind::Enum { options } => one_of(options),
        Kind::Contains => "an entry that the schema asks for".to_owned(),
        Kind::ContentEncoding { content_encoding } => format!("text encoded as {content_encoding}"),
        Kind::ContentMediaType { content_media_type } => format!("text of {content_media_type}"),
        Kind::FromUtf8 { .. } => "encoded UTF-8".to_owned(),
        Kind::Custom { message, .. } => message.clone(),
        Kind::ExclusiveMaximum { limit } => format!("less than {limit}"),
        Kind::ExclusiveMinimum { limit } => format!("more than {limit}"),
        Kind::Maximum { limit } => format!("at most {limit}"),
        Kind::Minimum { limit } => format!("at least {limit}"),
        Kind::MultipleOf { multiple_of } => format!("a multiple of {multiple_of}"),
        Kind::Format { format } => format!("text of the format {format}"),
        Kind::MaxItems { limit } => format!("at most {limit} entries"),
        Kind::MinItems { limit } => format!("at least {limit} entries"),
        Kind::MaxLength { limit } => format!("at most {limit} characters"),
        Kind::MinLength { limit } => format!("at least {limit} characters"),
        Kind::MaxProperties { limit } => format!("at most {limit} members"),
        Kind::MinProperties { limit } => format!("at least {limit} members"),
        Kind::Pattern { pattern } => format!("text that matches {pattern}"),
        Kind::PropertyNames { .. } => "members with names that the schema takes".to_owned(),
        Kind::Required { .. } => "this member".to_owned(),
        Kind::Type { kind: TypeKind::Single(one) } => format!("a value of type {one}"),
        Kind::Type { kind: TypeKind::Multiple(several) } => {
            let names: Vec<&str> = several.iter().map(|one| one.as_str()).collect();
            format!("a value of type {}", names.join(" or "))
        }
        Kind::UniqueItems => "no two equal entries".to_owned(),
    };
    cut(words)
}

fn one_of(options: &Value) -> String {
    let options = options.as_array().map(Vec::as_slice).unwrap_or_default();
    let words: Vec<String> = options.iter().map(Value::to_string).collect();
    format!("one of {}", words.join(", "))
}

// Words of the schema's author may be as long as they like.
fn cut(mut words: String) -> String {
    if words.len() > VALIDATION_WORDS_BYTES_MAX {
        let end = words.floor_char_boundary(VALIDATION_WORDS_BYTES_MAX);
        words.truncate(end);
        words.push_str("...");
    }
    words
}
