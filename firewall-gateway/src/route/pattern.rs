//! Path patterns: `/users/{id}/keys`, `/static/*`.

use std::borrow::Cow;

use crate::request::path::decoded;

/// What a path must look like: literal segments, `{name}` for exactly one segment that is not
/// empty, and `*` as the last segment for anything below, or nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern {
    pub(super) segments: Vec<Segment>,
    pub(super) open: bool,
}

/// A part between two slashes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Segment {
    /// This text.
    Literal(String),
    /// A text that has this name.
    Parameter(String),
}

/// Segments of a pattern at most.
pub const SEGMENTS_MAX: usize = 32;

impl Pattern {
    /// Reads a pattern.
    ///
    /// # Errors
    /// What was expected, and what was found.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        let wrong = |expected: &'static str| PatternError { expected, found: text.to_owned() };
        let Some(rest) = text.strip_prefix('/') else {
            return Err(wrong("a path that begins with /"));
        };
        let (rest, open) = match rest.strip_suffix('*') {
            Some("") => return Ok(Self { segments: Vec::new(), open: true }),
            Some(rest) => match rest.strip_suffix('/') {
                Some(rest) => (rest, true),
                None => return Err(wrong("* as a segment of its own, as in /static/*")),
            },
            None => (rest, false),
        };
        let mut segments = Vec::new();
        for segment in rest.split('/') {
            let segment = match segment.strip_prefix('{').and_then(|name| name.strip_suffix('}')) {
                Some(name) if is_name(name) => Segment::Parameter(name.to_owned()),
                Some(_) => return Err(wrong("{name} with letters, digits and _")),
                None if segment.bytes().all(is_plain) => Segment::Literal(segment.to_owned()),
                None => {
                    return Err(wrong(
                        "segments of letters, digits, -, ., _, ~ and other plain characters, {name}, or * at the end",
                    ));
                }
            };
            if matches!(segment, Segment::Parameter(_)) && segments.contains(&segment) {
                return Err(wrong("each {name} once"));
            }
            segments.push(segment);
        }
        let empty =
            |segment: &Segment| matches!(segment, Segment::Literal(text) if text.is_empty());
        let inside = if open { segments.len() } else { segments.len().saturating_sub(1) };
        if segments.iter().take(inside).any(empty) {
            return Err(wrong("no empty segment: such requests are refused"));
        }
        if segments.len() > SEGMENTS_MAX {
            return Err(wrong("at most 32 segments"));
        }
        if segments
            .iter()
            .any(|one| matches!(one, Segment::Literal(text) if text == "." || text == ".."))
        {
            return Err(wrong("no . or .. as a segment: such requests are refused"));
        }
        Ok(Self { segments, open })
    }

    /// Whether a path in its canonical form, without its query, fits. What is escaped there and what
    /// is not are the same: no server that reads it makes a difference.
    #[must_use]
    pub fn matches(&self, path: &str) -> bool {
        let Some(rest) = path.strip_prefix('/') else { return false };
        let mut found = rest.split('/');
        for segment in &self.segments {
            let Some(found) = found.next() else { return false };
            let fits = match segment {
                Segment::Literal(text) => *text == decoded(found),
                Segment::Parameter(_) => !found.is_empty(),
            };
            if !fits {
                return false;
            }
        }
        self.open || found.next().is_none()
    }

    /// The place of a parameter among the segments.
    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<usize> {
        let same = |one: &Segment| matches!(one, Segment::Parameter(known) if known == name);
        self.segments.iter().position(same)
    }

    /// What stands at a place of a path in its canonical form, without its escapes.
    #[must_use]
    pub fn parameter_of(path: &str, place: usize) -> Option<Cow<'_, str>> {
        path.strip_prefix('/')?.split('/').nth(place).map(decoded)
    }

    /// Whether every path that fits `other` fits this one.
    #[must_use]
    pub fn covers(&self, other: &Pattern) -> bool {
        let Some(begin) = other.segments.get(..self.segments.len()) else { return false };
        let covered = |(ours, theirs): (&Segment, &Segment)| match (ours, theirs) {
            (Segment::Literal(ours), Segment::Literal(theirs)) => ours == theirs,
            (Segment::Literal(_), Segment::Parameter(_)) => false,
            (Segment::Parameter(_), Segment::Literal(theirs)) => !theirs.is_empty(),
            (Segment::Parameter(_), Segment::Parameter(_)) => true,
        };
        let whole = begin.len() == other.segments.len() && !other.open;
        self.segments.iter().zip(begin).all(covered) && (self.open || whole)
    }

    /// The first segment, where only one text fits there.
    #[must_use]
    pub fn first_literal(&self) -> Option<&str> {
        match self.segments.first() {
            Some(Segment::Literal(text)) => Some(text),
            Some(Segment::Parameter(_)) | None => None,
        }
    }
}

fn is_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 32
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

// RFC 3986, 3.3: pchar without `%`, and without `;`, which servers read as the start of parameters.
fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~!$&'()+,=:@".contains(&byte)
}

/// Text that is no pattern.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected {expected}, found {found:?}")]
pub struct PatternError {
    expected: &'static str,
    found: String,
}

#[cfg(test)]
mod tests {
    use super::Pattern;

    #[test]
    fn what_fits() {
        for (pattern, fitting, others) in [
            ("/", &["/"][..], &["/a", ""][..]),
            ("/*", &["/", "/a", "/a/b/", "//"], &["", "a"]),
            ("/a", &["/a"], &["/", "/a/", "/A", "/ab", "/a/b"]),
            ("/a/", &["/a/"], &["/a", "/a//"]),
            ("/a/*", &["/a", "/a/", "/a/b/c"], &["/", "/ab", "/b/a"]),
            ("/u/{id}", &["/u/7", "/u/x.y"], &["/u/", "/u", "/u/7/", "/u/7/8"]),
            ("/u/{id}/k/{key}", &["/u/7/k/8"], &["/u/7/k", "/u//k/8"]),
            ("/u/{id}/*", &["/u/7", "/u/7/", "/u/7/8/9"], &["/u", "/u/"]),
            ("/a+b", &["/a+b", "/a%2Bb"], &["/a%20b", "/a-b"]),
        ] {
            let parsed = Pattern::parse(pattern).unwrap();
            for path in fitting {
                assert!(parsed.matches(path), "{pattern} {path}");
            }
            for path in others {
                assert!(!parsed.matches(path), "{pattern} {path}");
            }
        }
    }

    #[test]
    fn one_pattern_covers_another() {
        for (one, other, expected) in [
            ("/*", "/", true),
            ("/*", "/*", true),
            ("/", "/*", false),
            ("/a", "/a", true),
            ("/a", "/b", false),
            ("/a", "/a/*", false),
            ("/a/*", "/a", true),
            ("/a/*", "/a/", true),
            ("/a/*", "/a/{id}", true),
            ("/a/*", "/a/b/*", true),
            ("/a/b/*", "/a/*", false),
            ("/{a}", "/a", true),
            ("/{a}", "/{b}", true),
            ("/{a}", "/", false),
            ("/a", "/{a}", false),
            ("/{a}/*", "/a/b", true),
            ("/{a}/b", "/a/{b}", false),
        ] {
            let [first, second] = [one, other].map(|text| Pattern::parse(text).unwrap());
            assert_eq!(first.covers(&second), expected, "{one} {other}");
        }
    }

    #[test]
    fn what_is_no_pattern() {
        for (text, expected) in [
            ("", "begins with /"),
            ("a", "begins with /"),
            ("/a*", "of its own"),
            ("/*/a", "plain characters"),
            ("/{}", "letters, digits and _"),
            ("/{a b}", "letters, digits and _"),
            ("/{a", "plain characters"),
            ("/%41", "plain characters"),
            ("/a;b", "plain characters"),
            ("/a/../b", "no . or .."),
            ("/{a}/{a}", "each {name} once"),
            ("//a", "no empty segment"),
            ("/a//*", "no empty segment"),
            ("//", "no empty segment"),
        ] {
            let error = Pattern::parse(text).unwrap_err().to_string();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }
}
