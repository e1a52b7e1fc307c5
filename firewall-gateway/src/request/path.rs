//! Whether a path means the same to everybody who reads it.
//!
//! Routes and rules go by the path. Where a server behind us would take `/public/..;/admin`,
//! `/%2e%2e/admin`, `//admin` or `/a%252fb` for another path than the one that was judged, the
//! judgement is worth nothing. Which of these a server understands is not known here, so none passes.

/// Whether `path` (without its query) can be read in one way only.
#[must_use]
pub fn is_plain(path: &str) -> bool {
    let Some(rest) = path.strip_prefix('/') else { return false };
    // A slash at the end is a path of its own; two in a row are one to some.
    let mut segments = rest.split('/').peekable();
    while let Some(segment) = segments.next() {
        let last = segments.peek().is_none();
        if (segment.is_empty() && !last) || !is_plain_segment(segment) {
            return false;
        }
    }
    true
}

fn is_plain_segment(segment: &str) -> bool {
    let mut decoded = Vec::with_capacity(segment.len());
    let mut bytes = segment.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'%' => {
                let digits = [bytes.next(), bytes.next()].map(|digit| digit.and_then(hex));
                let [Some(high), Some(low)] = digits else { return false };
                decoded.push(high << 4 | low);
            }
            // A Windows server's separator, and what Java servers cut parameters off at.
            b'\\' | b';' => return false,
            plain => decoded.push(plain),
        }
    }
    let separates = |byte: &u8| matches!(byte, b'/' | b'\\' | b';' | 0..=0x1f | 0x7f);
    // What decodes to a byte of this list was written in code for a reason; a percent sign that is
    // followed by two digits would be decoded once more by a careless reader.
    let again = |three: &[u8]| matches!(three, [b'%', a, b] if a.is_ascii_hexdigit() && b.is_ascii_hexdigit());
    let coded = decoded.len() < segment.len();
    if matches!(decoded.as_slice(), b"." | b"..") || decoded.iter().any(separates) {
        return false;
    }
    !(coded && decoded.windows(3).any(again))
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use super::is_plain;
    use crate::generated::Generator;

    #[test]
    fn paths_with_two_readings_are_told_from_those_with_one() {
        for path in [
            "/",
            "/a",
            "/a/",
            "/a/b.c",
            "/a/.b",
            "/a/...",
            "/a/..b",
            "/a%20b",
            "/caf%C3%A9",
            "/a%3Ab",
            "/a:b@c,d=e!f$g&h'(i)*+",
            "/100%25",
            "/~user",
            "/%41",
            "/a%2Bb",
            "/%25x",
        ] {
            assert!(is_plain(path), "{path}");
        }
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
            "/%",
            "/%4",
            "/%zz",
            "/a%2",
            "/%252e",
            "/a%252fb",
            "/a%255cb",
            "/%25%32%65",
            "/%2541",
        ] {
            assert!(!is_plain(path), "{path}");
        }
    }

    /// What passes is the same path after any number of rounds of what servers do to paths.
    #[test]
    fn a_plain_path_stays_what_it_is() {
        let seeds =
            ["/a/b", "/%2e%2e/a", "/a;b/c", "/a%252fb", "/a//b/", "/a\\b/%41%25", "/./../.a"];
        let seeds = seeds.map(|seed| seed.as_bytes().to_vec());
        let mut generator = Generator::new(4);
        let mut plain = 0;
        for _ in 0..100_000 {
            let bytes = generator.mutated(&seeds);
            let Ok(path) = String::from_utf8(bytes) else { continue };
            if !is_plain(&path) {
                continue;
            }
            plain += 1;
            let once = decode(path.as_bytes());
            let slashes = |path: &[u8]| path.iter().filter(|byte| **byte == b'/').count();
            assert_eq!(slashes(&once), slashes(path.as_bytes()), "{path}");
            assert_eq!(decode(&once), once, "{path}");
            let mut segments = once.split(|byte| *byte == b'/');
            assert!(segments.all(|segment| !matches!(segment, b"." | b"..")), "{path}");
            assert!(!once.iter().any(|byte| matches!(byte, b'\\' | b';' | 0)), "{path}");
        }
        assert!(plain > 1_000, "{plain}");
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
