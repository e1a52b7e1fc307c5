//! The one form of a path: what routes and rules go by, and what the upstream is sent.
//!
//! Where a server behind us would take `/public/..;/admin`, `/%2e%2e/admin`, `//admin` or
//! `/a%252fb` for another path than the one that was judged, the judgement is worth nothing. Which of
//! these a server understands is not known here, so none passes. What is left are spellings of the
//! same path, and of these one is chosen.

use std::{borrow::Cow, fmt::Write as _};

/// The form of `path` (without its query) in which nothing is escaped that need not be, and the
/// digits of an escape are capitals (RFC 3986, 6.2.2); nothing where it can be read in two ways.
#[must_use]
pub fn canonical(path: &str) -> Option<Cow<'_, str>> {
    let rest = path.strip_prefix('/')?;
    // A slash at the end is a path of its own; two in a row are one to some.
    let mut segments = rest.split('/').peekable();
    while let Some(segment) = segments.next() {
        let last = segments.peek().is_none();
        if (segment.is_empty() && !last) || !is_plain_segment(segment) {
            return None;
        }
    }
    if !path.contains('%') {
        return Some(Cow::Borrowed(path));
    }
    let mut text = String::with_capacity(path.len());
    let mut bytes = path.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            text.push(char::from(byte));
            continue;
        }
        let decoded = escaped(&mut bytes)?;
        if is_unreserved(decoded) {
            text.push(char::from(decoded));
        } else {
            // Writing to a text cannot fail.
            let _infallible = write!(text, "%{decoded:02X}");
        }
    }
    Some(Cow::Owned(text))
}

/// A segment of a canonical path without its escapes: what a server compares with.
#[must_use]
pub fn decoded(segment: &str) -> Cow<'_, str> {
    if !segment.contains('%') {
        return Cow::Borrowed(segment);
    }
    let mut text = Vec::with_capacity(segment.len());
    let mut bytes = segment.bytes();
    while let Some(byte) = bytes.next() {
        let byte = if byte == b'%' { escaped(&mut bytes).unwrap_or(byte) } else { byte };
        text.push(byte);
    }
    Cow::Owned(String::from_utf8_lossy(&text).into_owned())
}

fn is_plain_segment(segment: &str) -> bool {
    // What stands outside ASCII without being escaped is UTF-8 to some, and Latin-1 to others.
    let refused = |byte: u8| matches!(byte, b'\\' | b';' | 0..=0x20 | 0x7f..);
    if segment.bytes().any(refused) {
        return false;
    }
    if !segment.contains('%') {
        return !matches!(segment, "." | "..");
    }
    let mut decoded = Vec::with_capacity(segment.len());
    let mut bytes = segment.bytes();
    while let Some(byte) = bytes.next() {
        let byte = if byte == b'%' { escaped(&mut bytes) } else { Some(byte) };
        match byte {
            Some(byte) => decoded.push(byte),
            None => return false,
        }
    }
    // `\` is a Windows server's separator, `;` what Java servers cut parameters off at. What decodes
    // to one of these was written in code for a reason; a percent sign that is followed by two digits
    // would be decoded once more by a careless reader; and lenient decoders find a dot or a slash in
    // what is not UTF-8.
    let separates = |byte: &u8| matches!(byte, b'/' | b'\\' | b';' | 0..=0x1f | 0x7f);
    let again = |three: &[u8]| matches!(three, [b'%', a, b] if a.is_ascii_hexdigit() && b.is_ascii_hexdigit());
    !matches!(decoded.as_slice(), b"." | b"..")
        && !decoded.iter().any(separates)
        && !decoded.windows(3).any(again)
        && std::str::from_utf8(&decoded).is_ok()
}

fn escaped(digits: &mut impl Iterator<Item = u8>) -> Option<u8> {
    let mut digit = || {
        let value = char::from(digits.next()?).to_digit(16)?;
        u8::try_from(value).ok()
    };
    let (high, low) = (digit()?, digit()?);
    Some(high << 4 | low)
}

// RFC 3986, 2.3.
fn is_unreserved(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~')
}

#[cfg(test)]
mod tests {
    use super::{canonical, decoded};
    use crate::generated::cases;

    #[test]
    fn spellings_of_one_path() {
        for (path, expected) in [
            ("/", "/"),
            ("/a", "/a"),
            ("/a/", "/a/"),
            ("/a/b.c", "/a/b.c"),
            ("/a/.b", "/a/.b"),
            ("/a/...", "/a/..."),
            ("/a/..b", "/a/..b"),
            ("/a/%2e%2eb", "/a/..b"),
            ("/a%20b", "/a%20b"),
            ("/caf%c3%a9", "/caf%C3%A9"),
            ("/a%3ab", "/a%3Ab"),
            ("/a:b@c,d=e!f$g&h'(i)*+", "/a:b@c,d=e!f$g&h'(i)*+"),
            ("/100%25", "/100%25"),
            ("/%7euser", "/~user"),
            ("/~user", "/~user"),
            ("/%41%2D%5f", "/A-_"),
            ("/a%2bb", "/a%2Bb"),
            ("/%25x", "/%25x"),
            ("/%25%34x", "/%254x"),
        ] {
            assert_eq!(canonical(path).as_deref(), Some(expected), "{path}");
            assert_eq!(canonical(expected).as_deref(), Some(expected), "{path}");
        }
    }

    #[test]
    fn paths_with_two_readings() {
        for path in [
            "",
            "a",
            "//",
            "//a",
            "/a//b",
            "/a//",
            "/.",
            "/..",
            "/./a",
            "/a/..",
            "/a/../b",
            "/a/./b",
            "/%2e",
            "/%2E%2e/a",
            "/a/.%2e/b",
            "/a%2fb",
            "/a%2Fb",
            "/a%5cb",
            "/a\\b",
            "/a;b",
            "/a;/b",
            "/a/..;/b",
            "/a%3bb",
            "/a%00",
            "/a%0d%0ab",
            "/a%7f",
            "/a b",
            "/a\tb",
            "/caf\u{e9}",
            "/%",
            "/%4",
            "/%zz",
            "/a%2",
            "/%u002e",
            "/%252e",
            "/a%252fb",
            "/a%255cb",
            "/%25%32%65",
            "/%2541",
            "/%c0%ae",
            "/a%c0%afb",
            "/%ff",
        ] {
            assert_eq!(canonical(path), None, "{path}");
        }
    }

    #[test]
    fn segments_as_servers_read_them() {
        for (segment, expected) in
            [("a", "a"), ("a%2Bb", "a+b"), ("caf%C3%A9", "caf\u{e9}"), ("100%25", "100%")]
        {
            assert_eq!(decoded(segment), expected);
        }
    }

    /// What passes is the same path after any number of rounds of what servers do to paths.
    #[test]
    fn generated_paths_that_pass_stay_what_they_are() {
        let seeds =
            ["/a/b", "/%2e%2e/a", "/a;b/c", "/a%252fb", "/a//b/", "/a\\b/%41%25", "/./../.a"];
        let seeds = seeds.map(|seed| seed.as_bytes().to_vec());
        let mut passed = 0;
        for bytes in cases(4, 100_000, &seeds) {
            let Ok(path) = String::from_utf8(bytes) else { continue };
            let Some(form) = canonical(&path) else { continue };
            passed += 1;
            assert_eq!(canonical(&form).as_deref(), Some(&*form), "{path}");
            let once = decode(path.as_bytes());
            assert_eq!(once, decode(form.as_bytes()), "{path}");
            let slashes = |path: &[u8]| path.iter().filter(|byte| **byte == b'/').count();
            assert_eq!(slashes(&once), slashes(path.as_bytes()), "{path}");
            assert_eq!(decode(&once), once, "{path}");
            let mut segments = once.split(|byte| *byte == b'/');
            assert!(segments.all(|segment| !matches!(segment, b"." | b"..")), "{path}");
            assert!(!once.iter().any(|byte| matches!(byte, b'\\' | b';' | 0)), "{path}");
        }
        assert!(passed > 1_000, "{passed}");
    }

    fn decode(bytes: &[u8]) -> Vec<u8> {
        let mut decoded = Vec::new();
        let mut at = 0;
        while let Some(byte) = bytes.get(at) {
            let digits = bytes.get(at + 1..at + 3).and_then(|two| std::str::from_utf8(two).ok());
            let digits = digits.filter(|two| two.bytes().all(|digit| digit.is_ascii_hexdigit()));
            match digits.filter(|_| *byte == b'%') {
                Some(digits) => {
                    decoded.push(u8::from_str_radix(digits, 16).unwrap());
                    at += 3;
                }
                None => {
                    decoded.push(*byte);
                    at += 1;
                }
            }
        }
        decoded
    }
}
