//! Which texts of a body are HTML: JSON pointers (RFC 6901) with `*` for any member or entry.

use crate::validate::pointer::Step;

/// Pointers, of which each names a value and everything within it.
#[derive(Debug, Default)]
pub struct Marks(Vec<Vec<Segment>>);

#[derive(Debug)]
enum Segment {
    Any,
    Name { name: String, entry: Option<usize> },
}

/// A pointer that is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected a JSON pointer such as /comments/*/text, found {found:?}")]
pub struct MarkError {
    /// What is written.
    pub found: String,
}

impl Marks {
    /// Reads pointers.
    ///
    /// # Errors
    /// One that is none.
    pub fn new(pointers: &[String]) -> Result<Self, MarkError> {
        let read = |pointer: &String| {
            Self::read(pointer).ok_or_else(|| MarkError { found: pointer.clone() })
        };
        pointers.iter().map(read).collect::<Result<_, _>>().map(Self)
    }

    fn read(pointer: &str) -> Option<Vec<Segment>> {
        let mut segments = pointer.split('/');
        if segments.next() != Some("") {
            return None;
        }
        let segment = |text: &str| {
            if text == "*" {
                return Some(Segment::Any);
            }
            let escapes = text.matches('~').count();
            if escapes != text.matches("~0").count() + text.matches("~1").count() {
                return None;
            }
            let name = text.replace("~1", "/").replace("~0", "~");
            let entry = name.parse().ok().filter(|entry: &usize| entry.to_string() == name);
            Some(Segment::Name { name, entry })
        };
        segments.map(segment).collect()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether a value that these steps lead to is named; what is within one that is, is too.
    #[must_use]
    pub fn name(&self, way: &[Step<'_>]) -> bool {
        self.0.iter().any(|pointer| {
            pointer.len() == way.len()
                && pointer.iter().zip(way).all(|(segment, step)| match (segment, step) {
                    (Segment::Any, _) => true,
                    (Segment::Name { name, .. }, Step::Member(member)) => name == member,
                    (Segment::Name { entry, .. }, Step::Entry(place)) => *entry == Some(*place),
                })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{Marks, Step};

    #[test]
    fn a_pointer_names_members_and_entries() {
        let member = |name: &'static str| Step::Member(name.into());
        for (pointer, way, expected) in [
            ("", vec![], true),
            ("", vec![member("a")], false),
            ("/a", vec![member("a")], true),
            ("/a", vec![member("A")], false),
            ("/a", vec![member("a"), member("b")], false),
            ("/*", vec![member("a")], true),
            ("/*", vec![Step::Entry(7)], true),
            ("/0", vec![Step::Entry(0)], true),
            ("/0", vec![member("0")], true),
            ("/00", vec![Step::Entry(0)], false),
            ("/c/*/t", vec![member("c"), Step::Entry(3), member("t")], true),
            ("/c/*/t", vec![member("c"), Step::Entry(3), member("u")], false),
            ("/a~1b~0c", vec![member("a/b~c")], true),
            ("/~01", vec![member("~1")], true),
            ("/", vec![member("")], true),
        ] {
            let marks = Marks::new(&[pointer.to_owned()]).unwrap();
            assert_eq!(marks.name(&way), expected, "{pointer} {way:?}");
        }
        for pointer in ["a", "#/a", "$.a", "/a~", "/a~2", " /a"] {
            assert!(Marks::new(&[pointer.to_owned()]).is_err(), "{pointer}");
        }
    }
}
