//! Names and values as queries and forms have them (application/x-www-form-urlencoded), read strictly: an escape
//! that is none, or bytes that are no UTF-8, mean different things to different readers.

use std::borrow::Cow;

/// One name with its value, which is still escaped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pair<'a> {
    /// The name.
    pub name: Cow<'a, str>,
    /// The value as it stands.
    pub raw: &'a str,
}

/// Why a text holds no pairs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PairsError {
    /// An escape that is none, or bytes that are no UTF-8.
    Malformed,
    /// More of them than may be.
    TooMany,
}

/// Reads pairs; of empty ones nothing is left.
///
/// # Errors
/// The first fault.
pub fn read(text: &str, pairs_max: u32) -> Result<Vec<Pair<'_>>, PairsError> {
    let mut pairs = Vec::new();
    for pair in text.split('&').filter(|pair| !pair.is_empty()) {
        if pairs.len() >= pairs_max as usize {
            return Err(PairsError::TooMany);
        }
        let (name, raw) = pair.split_once('=').unwrap_or((pair, ""));
        let name = value(name).ok_or(PairsError::Malformed)?;
        // Looked at here, so that a value that nobody asks for is none of two meanings either.
        value(raw).ok_or(PairsError::Malformed)?;
        pairs.push(Pair { name, raw });
    }
    Ok(pairs)
}

/// A value without its escapes, with spaces for plus signs.
#[must_use]
pub fn value(raw: &str) -> Option<Cow<'_, str>> {
    if !raw.contains(['%', '+']) {
        return Some(Cow::Borrowed(raw));
    }
    let mut bytes = Vec::with_capacity(raw.len());
    let mut rest = raw.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let mut digit = || char::from(rest.next()?).to_digit(16);
                let (high, low) = (digit()?, digit()?);
                u8::try_from(high << 4 | low).ok()?
            }
            plain => plain,
        });
    }
    String::from_utf8(bytes).ok().map(Cow::Owned)
}

#[cfg(test)]
mod tests {
    use super::{PairsError, read, value};

    #[test]
    fn pairs_have_one_meaning() {
        for (text, expected) in [
            ("", Ok(vec![])),
            ("a=1&b=x+y%20z", Ok(vec![("a", "1"), ("b", "x y z")])),
            ("&a=1&&", Ok(vec![("a", "1")])),
            ("a", Ok(vec![("a", "")])),
            ("a=b=c", Ok(vec![("a", "b=c")])),
            ("%61%3d=%c3%a9", Ok(vec![("a=", "\u{e9}")])),
            ("a=%", Err(PairsError::Malformed)),
            ("a=%4", Err(PairsError::Malformed)),
            ("a=%zz", Err(PairsError::Malformed)),
            ("%ff=1", Err(PairsError::Malformed)),
            ("a=%c3", Err(PairsError::Malformed)),
            ("a&b&c&d", Err(PairsError::TooMany)),
        ] {
            let found = read(text, 3).map(|pairs| {
                let pairs = pairs.iter().map(|pair| (pair.name.clone(), value(pair.raw).unwrap()));
                pairs.collect::<Vec<_>>()
            });
            let expected = expected.map(|pairs| {
                pairs.into_iter().map(|(name, value)| (name.into(), value.into())).collect()
            });
            assert_eq!(found, expected, "{text}");
        }
    }
}
