//! Characters that nobody sees and that change what is seen: of a name in a log, of a text that a person approves,
//! of a word that a filter looks for.

use std::ops::RangeInclusive;

/// Whether a character is a control character or one that works like one.
#[must_use]
pub fn is_hidden(character: char) -> bool {
    // Most texts end here.
    if matches!(character, ' '..='~') {
        return false;
    }
    HIDDEN.iter().any(|range| range.contains(&character))
}

// Tab, line feed and carriage return are what texts are set with. U+200C and U+200D, with which Persian, the scripts of
// India and many emoji are written, pass, as do variation selectors.
const HIDDEN: [RangeInclusive<char>; 16] = [
    // C0, DEL and C1.
    '\0'..='\u{8}',
    '\u{b}'..='\u{c}',
    '\u{e}'..='\u{1f}',
    '\u{7f}'..='\u{9f}',
    // The mark of Arabic letters.
    '\u{61c}'..='\u{61c}',
    // A vowel separator without a width.
    '\u{180e}'..='\u{180e}',
    // A space without a width.
    '\u{200b}'..='\u{200b}',
    // Marks of direction.
    '\u{200e}'..='\u{200f}',
    // Separators of lines and paragraphs, at which some end a line of a log.
    '\u{2028}'..='\u{2029}',
    // Embeddings and overrides of direction (Trojan Source, CVE-2021-42574).
    '\u{202a}'..='\u{202e}',
    // A joiner without a width, and operators that are not seen.
    '\u{2060}'..='\u{2064}',
    // Isolates of direction, and shaping that is deprecated.
    '\u{2066}'..='\u{206f}',
    // A byte order mark.
    '\u{feff}'..='\u{feff}',
    // Annotations between lines.
    '\u{fff9}'..='\u{fffb}',
    // Tags: ASCII that nobody sees.
    '\u{e0001}'..='\u{e0001}',
    '\u{e0020}'..='\u{e007f}',
];

#[cfg(test)]
mod tests {
    use super::is_hidden;

    #[test]
    fn what_is_seen_passes() {
        for (character, expected) in [
            ('\t', false),
            ('\n', false),
            ('\r', false),
            (' ', false),
            ('~', false),
            ('\0', true),
            ('\u{8}', true),
            ('\u{b}', true),
            ('\u{c}', true),
            ('\u{e}', true),
            ('\u{1b}', true),
            ('\u{1f}', true),
            ('\u{7f}', true),
            ('\u{80}', true),
            ('\u{9f}', true),
            ('\u{a0}', false),
            ('\u{ad}', false),
            ('\u{e9}', false),
            ('\u{301}', false),
            ('\u{61c}', true),
            ('\u{180e}', true),
            ('\u{200a}', false),
            ('\u{200b}', true),
            ('\u{200c}', false),
            ('\u{200d}', false),
            ('\u{200e}', true),
            ('\u{200f}', true),
            ('\u{2027}', false),
            ('\u{2028}', true),
            ('\u{2029}', true),
            ('\u{202a}', true),
            ('\u{202e}', true),
            ('\u{202f}', false),
            ('\u{2060}', true),
            ('\u{2065}', false),
            ('\u{2066}', true),
            ('\u{2069}', true),
            ('\u{fe0f}', false),
            ('\u{feff}', true),
            ('\u{fffb}', true),
            ('\u{1f600}', false),
            ('\u{e0001}', true),
            ('\u{e0041}', true),
            ('\u{e0100}', false),
        ] {
            assert_eq!(is_hidden(character), expected, "{:04x}", u32::from(character));
        }
    }
}
