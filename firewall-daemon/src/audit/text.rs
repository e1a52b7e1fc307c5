//! Texts from outside: bounded, in printable ASCII, and as lines for people.

use std::fmt::Write as _;

use super::Entry;

/// What ends a text that was cut.
const CUT: &str = "...";

/// The text, or its beginning and a mark where it is longer than `bytes_max`.
pub fn bounded(text: &str, bytes_max: usize) -> String {
    if text.len() <= bytes_max {
        return text.to_owned();
    }
    let mut end = bytes_max.saturating_sub(CUT.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}{CUT}", &text[..end])
}

/// JSON with every letter beyond printable ASCII as `\u`: a log that is shown with `cat` cannot steer a
/// terminal, and no two letters look the same. Such letters stand in strings alone.
pub fn ascii(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for letter in json.chars() {
        if (' '..='~').contains(&letter) {
            out.push(letter);
        } else {
            for unit in letter.encode_utf16(&mut [0; 2]) {
                // Writing to a string cannot fail.
                let _ = write!(out, "\\u{unit:04x}");
            }
        }
    }
    out
}

/// A record as lines for people: one that says who did what, and indented ones for reason, before and after.
#[must_use]
pub fn render(entry: &Entry) -> String {
    let mut out = String::new();
    let when = entry.at.get(..19).unwrap_or(&entry.at);
    let _ = writeln!(
        out,
        "{:>6} {}Z {}: {} {}",
        entry.seq,
        when.escape_debug(),
        entry.who_text().escape_debug(),
        entry.verb.escape_debug(),
        entry.what.escape_debug()
    );
    for (name, text) in [("why", &entry.why), ("before", &entry.before), ("after", &entry.after)] {
        if !text.is_empty() {
            let _ = writeln!(out, "       {name:<6} {}", text.escape_debug());
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_cut_between_letters() {
        for (text, bytes_max, expected) in [
            ("abc", 3, "abc"),
            ("abcd", 3, "..."),
            ("abcdefgh", 7, "abcd..."),
            ("aääääää", 7, "aä..."),
            ("ääää", 7, "ää..."),
        ] {
            assert_eq!(bounded(text, bytes_max), expected, "{text}");
        }
    }

    #[test]
    fn what_is_not_printable_is_written_as_a_number() {
        for text in ["\u{7f}", "\u{9b}2J", "\u{202e}gnp", "ä", "\u{1f600}", "a\"\\\n"] {
            let json = ascii(&serde_json::to_string(text).expect("a text"));
            assert!(json.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{json}");
            let back: String = serde_json::from_str(&json).expect("JSON");
            assert_eq!(back, text);
        }
    }
}
