//! JSON pointers as fragments of a URI (RFC 6901, 6): everything that is not plain is escaped, so that
//! what a client named its members can do no harm where the pointer is shown.

use std::{borrow::Cow, fmt::Write as _};

use crate::limits::VALIDATION_POINTER_BYTES_MAX;

/// The whole.
pub const ROOT: &str = "#";

/// A step from a value to one within it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step<'a> {
    /// To a member of an object, or a field of a form.
    Member(Cow<'a, str>),
    /// To an entry of a list.
    Entry(usize),
}

/// A pointer of this form to where these steps lead.
#[must_use]
pub fn behind(steps: &[Step<'_>]) -> String {
    let mut way = String::new();
    for step in steps {
        way.push('/');
        match step {
            Step::Member(name) => way.push_str(&escaped(name)),
            Step::Entry(place) => {
                // Writing to a text cannot fail.
                let _infallible = write!(way, "{place}");
            }
        }
    }
    fragment(&way, None)
}

/// A pointer of this form, of a pointer (RFC 6901, 3) and a member below it; one that is too long points to what it
/// is within.
#[must_use]
pub fn fragment(pointer: &str, below: Option<&str>) -> String {
    let mut text = ROOT.to_owned();
    let mut segments = pointer.split('/');
    segments.next();
    for segment in segments {
        if !push(&mut text, segment) {
            return text;
        }
    }
    if let Some(below) = below {
        push(&mut text, &escaped(below));
    }
    text
}

/// A name as a segment (RFC 6901, 4).
#[must_use]
pub fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

fn push(text: &mut String, segment: &str) -> bool {
    let whole = text.len();
    text.push('/');
    for byte in segment.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            text.push(char::from(byte));
        } else {
            // Writing to a text cannot fail.
            let _infallible = write!(text, "%{byte:02X}");
        }
        if text.len() > VALIDATION_POINTER_BYTES_MAX {
            text.truncate(whole);
            return false;
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::{Step, behind, escaped, fragment};
    use crate::limits::VALIDATION_POINTER_BYTES_MAX;

    #[test]
    fn pointers_are_plain_and_bounded() {
        for (pointer, below, expected) in [
            ("", None, "#"),
            ("/", None, "#/"),
            ("/a/0/b", None, "#/a/0/b"),
            ("/a", Some("b/c~d"), "#/a/b~1c~0d"),
            ("/<script>\"\n", None, "#/%3Cscript%3E%22%0A"),
            ("/caf\u{e9}", None, "#/caf%C3%A9"),
        ] {
            assert_eq!(fragment(pointer, below), expected);
        }
        let long = "x".repeat(VALIDATION_POINTER_BYTES_MAX);
        assert_eq!(fragment(&format!("/a/{long}/b"), Some("c")), "#/a");
        assert_eq!(fragment("/a", Some(&long)), "#/a");
        assert_eq!(escaped("~/"), "~0~1");
        assert_eq!(behind(&[]), "#");
        assert_eq!(behind(&[Step::Member("a/b".into()), Step::Entry(7)]), "#/a~1b/7");
    }
}
