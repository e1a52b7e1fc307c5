//! References within a document. Those to other documents are refused: nobody fetches what a document names.

use serde_json::Value;

use crate::request::path::decoded;

/// The place that a reference names, a JSON pointer; nothing where it is not one of this document.
#[must_use]
pub fn place(reference: &str) -> Option<String> {
    let fragment = reference.strip_prefix('#')?;
    (fragment.is_empty() || fragment.starts_with('/')).then(|| decoded(fragment).into_owned())
}

/// What an object refers to.
#[must_use]
pub fn target<'a>(document: &'a Value, object: &Value) -> Option<&'a Value> {
    document.pointer(&place(object.get("$ref")?.as_str()?)?)
}

/// Looks at all references of a document.
///
/// # Errors
/// One that leads out of it, or nowhere, and its place.
pub fn check(document: &Value) -> Result<(), (String, String)> {
    within(document, document, String::new())
}

fn within(document: &Value, value: &Value, at: String) -> Result<(), (String, String)> {
    match value {
        Value::Object(members) => {
            for (name, inner) in members {
                match (name.as_str(), inner) {
                    ("$ref", Value::String(reference)) => {
                        let known = match reference.strip_prefix('#') {
                            Some(fragment)
                                if !fragment.is_empty() && !fragment.starts_with('/') =>
                            {
                                // A name that schemas give themselves; those who make them find it.
                                true
                            }
                            _ => place(reference).is_some_and(|at| document.pointer(&at).is_some()),
                        };
                        if !known {
                            let message = format!(
                                "expected a reference to a place in this document, such as \
                                 #/components/schemas/NAME, found {reference:?}"
                            );
                            return Err((at, message));
                        }
                    }
                    ("example" | "examples" | "default" | "enum" | "const", _) => {}
                    (name, _) if name.starts_with("x-") => {}
                    (name, inner) => {
                        let at = format!("{at}/{}", super::pointer::escaped(name));
                        within(document, inner, at)?;
                    }
                }
            }
            Ok(())
        }
        Value::Array(entries) => {
            for (number, inner) in entries.iter().enumerate() {
                within(document, inner, format!("{at}/{number}"))?;
            }
            Ok(())
        }
        _ => Ok(()),
    }
}
