//! Packets in hexadecimal, as tcpdump, tshark and people write them.

/// Why a text is no packet.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HexError {
    /// No digit.
    #[error("expected hexadecimal digits, found {found:?} at character {at}")]
    Digit {
        /// What stands there.
        found: char,
        /// Counted from 1.
        at: usize,
    },
    /// Half a byte.
    #[error(
        "expected two hexadecimal digits a byte, found {digits} digits: the one at character {at} has no second"
    )]
    Odd {
        /// How many there are.
        digits: usize,
        /// Counted from 1.
        at: usize,
    },
}

/// Two digits a byte, and nothing else.
#[must_use]
pub fn write(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Reads two digits a byte; white space and colons are passed over.
///
/// # Errors
///
/// Where something else stands there, or half a byte.
pub fn parse(text: &str) -> Result<Vec<u8>, HexError> {
    let mut bytes = Vec::with_capacity(text.len() / 2);
    let mut first = None;
    for (at, character) in (1..).zip(text.chars()) {
        if character.is_whitespace() || character == ':' {
            continue;
        }
        let digit = character.to_digit(16).ok_or(HexError::Digit { found: character, at })?;
        first = match first {
            None => Some((digit, at)),
            Some((high, _)) => {
                bytes.push((high << 4 | digit) as u8);
                None
            }
        };
    }
    match first {
        None => Ok(bytes),
        Some((_, at)) => Err(HexError::Odd { digits: bytes.len() * 2 + 1, at }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts() {
        let digit = |found, at| Err(HexError::Digit { found, at });
        for (text, expected) in [
            ("", Ok(vec![])),
            ("00fF", Ok(vec![0, 255])),
            (" 0:0 f\n\tf: ", Ok(vec![0, 255])),
            ("0x00", digit('x', 2)),
            ("00 g0", digit('g', 4)),
            ("00-11", digit('-', 3)),
            ("ä0", digit('ä', 1)),
            ("00 1", Err(HexError::Odd { digits: 3, at: 4 })),
            ("1", Err(HexError::Odd { digits: 1, at: 1 })),
        ] {
            assert_eq!(parse(text), expected, "{text:?}");
        }
    }
}
