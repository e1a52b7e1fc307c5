//! The formats that lists are published in. Strict: a line that cannot be read refuses the whole copy, with its
//! number. A feed that is half garbage is not half good; the old copy is.

use ipnetwork::IpNetwork;
use serde::Deserialize;

use crate::policy::{
    list::LINE_BYTES_MAX,
    prefix::{self, PrefixError},
};

/// How a feed is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FeedFormat {
    /// As list files: the first field of a line counts, `#` and `;` begin comments.
    Plain,
    /// `ADDRESS<tab>N`; an entry of a smaller number is left out.
    Tab {
        /// The smallest number that counts.
        count_min: u64,
    },
    /// One address or prefix a line and nothing else; `#` begins a comment.
    Netset,
    /// Fields separated by commas.
    Csv {
        /// The field that holds the address or prefix; the first is 1.
        column: usize,
        /// The first line names the fields.
        header: bool,
    },
    /// A JSON object a line, with `cidr`; the last says how many there were.
    SpamhausJson,
}

/// Why a copy cannot be read.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum FormatError {
    /// Nothing in it.
    #[error("expected at least one address or prefix, found none; is it the right URL and format?")]
    Empty,
    /// A line that is none of the format.
    #[error("line {line}: {what}")]
    Entry {
        /// From 1.
        line: usize,
        /// What was expected and found.
        what: String,
    },
    /// It ends before its end.
    #[error("{what}; the copy is cut off: try again later")]
    Incomplete {
        /// What was expected and found.
        what: String,
    },
    /// More than was agreed.
    #[error(
        "line {line}: expected at most {max} prefixes, found more; is it the right URL? Else raise prefixes_max"
    )]
    TooMany {
        /// From 1.
        line: usize,
        /// How many there may be.
        max: usize,
    },
}

impl FormatError {
    /// Its name in metrics.
    #[must_use]
    pub const fn label(&self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::Entry { .. } => "entry",
            Self::Incomplete { .. } => "incomplete",
            Self::TooMany { .. } => "too_many",
        }
    }
}

/// Reads a copy: its prefixes in order, each once.
///
/// # Errors
///
/// The first line that is wrong, or what is wrong with the whole.
pub fn parse(
    format: FeedFormat,
    bytes: &[u8],
    prefixes_max: usize,
) -> Result<Vec<IpNetwork>, FormatError> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let mut prefixes = Vec::new();
    let (mut records, mut end) = (0_u64, None);
    for (line, text) in (1..).zip(bytes.split(|byte| *byte == b'\n')) {
        let wrong = |what: String| FormatError::Entry { line, what };
        if text.len() > LINE_BYTES_MAX {
            return Err(wrong(format!(
                "expected at most {LINE_BYTES_MAX} bytes in a line, found more"
            )));
        }
        let text = str::from_utf8(text)
            .map_err(|_| wrong("expected UTF-8, found other bytes".to_owned()))?;
        let text = text.strip_suffix('\r').unwrap_or(text);
        let found = match format {
            FeedFormat::Plain => plain(text).map(str::to_owned),
            FeedFormat::Netset => netset(text).map(str::to_owned),
            FeedFormat::Tab { count_min } => {
                tab(text, count_min).map_err(wrong)?.map(str::to_owned)
            }
            FeedFormat::Csv { header: true, .. } if line == 1 => None,
            FeedFormat::Csv { column, .. } => csv(text, column).map_err(wrong)?,
            FeedFormat::SpamhausJson => match spamhaus(text).map_err(wrong)? {
                None => None,
                Some(_) if end.is_some() => {
                    return Err(wrong(
                        "expected nothing behind the metadata, found more".to_owned(),
                    ));
                }
                Some(Spamhaus::Prefix(text)) => Some(text),
                Some(Spamhaus::End { records }) => {
                    end = Some(records);
                    None
                }
            },
        };
        let Some(found) = found else { continue };
        records += 1;
        let prefix =
            prefix::parse(&found).map_err(|error: PrefixError| wrong(error.to_string()))?;
        if prefixes.len() == prefixes_max {
            return Err(FormatError::TooMany { line, max: prefixes_max });
        }
        prefixes.push(prefix);
    }
    if format == FeedFormat::SpamhausJson && end != Some(records) {
        let said = end.map_or_else(
            || "a last line with metadata".to_owned(),
            |said| format!("{said} records"),
        );
        return Err(FormatError::Incomplete {
            what: format!("expected {said}, found {records} records"),
        });
    }
    if prefixes.is_empty() {
        return Err(FormatError::Empty);
    }
    prefixes.sort_unstable();
    prefixes.dedup();
    Ok(prefixes)
}

fn plain(line: &str) -> Option<&str> {
    let content = line.split('#').next()?.trim_start();
    let field = content.split([' ', '\t', ',', ';']).next()?;
    (!field.is_empty()).then_some(field)
}

fn netset(line: &str) -> Option<&str> {
    let content = line.split('#').next()?.trim();
    (!content.is_empty()).then_some(content)
}

fn tab(line: &str, count_min: u64) -> Result<Option<&str>, String> {
    let Some(content) = netset(line) else { return Ok(None) };
    let wrong =
        || format!("expected ADDRESS, a tab and a whole number, found {:?}", bounded(content));
    let (address, count) = content.split_once('\t').ok_or_else(wrong)?;
    let count: u64 = count.trim().parse().map_err(|_| wrong())?;
    if count >= count_min {
        return Ok(Some(address));
    }
    // What is left out is read all the same: it says whether this is the right format.
    prefix::parse(address).map(|_| None).map_err(|error| error.to_string())
}

/// A field of a line as RFC 4180 writes it; a line within quotes ends with the line.
fn csv(line: &str, column: usize) -> Result<Option<String>, String> {
    if netset(line).is_none() {
        return Ok(None);
    }
    let mut fields = vec![String::new()];
    let mut quoted = false;
    let mut letters = line.chars().peekable();
    while let Some(letter) = letters.next() {
        let field = fields.last_mut().ok_or("expected a field")?;
        match letter {
            '"' if quoted && letters.peek() == Some(&'"') => {
                letters.next();
                field.push('"');
            }
            '"' if quoted || field.trim().is_empty() => quoted = !quoted,
            ',' if !quoted => fields.push(String::new()),
            other => field.push(other),
        }
    }
    if quoted {
        return Err(format!(
            "expected a quote at the end of a field, found none in {:?}",
            bounded(line)
        ));
    }
    let found = fields.len();
    let field = fields.into_iter().nth(column.saturating_sub(1));
    field
        .map(|field| Some(field.trim().to_owned()))
        .ok_or_else(|| format!("expected at least {column} fields, found {found}"))
}

enum Spamhaus {
    Prefix(String),
    End { records: u64 },
}

fn spamhaus(line: &str) -> Result<Option<Spamhaus>, String> {
    #[derive(Deserialize)]
    struct Line {
        cidr: Option<String>,
        r#type: Option<String>,
        records: Option<u64>,
    }
    if line.trim().is_empty() {
        return Ok(None);
    }
    let expected = "expected a JSON object with cidr, or with type metadata and records";
    let read: Line =
        serde_json::from_str(line).map_err(|_| format!("{expected}, found {:?}", bounded(line)))?;
    match (read.cidr, read.r#type.as_deref(), read.records) {
        (Some(cidr), None, _) => Ok(Some(Spamhaus::Prefix(cidr))),
        (None, Some("metadata"), Some(records)) => Ok(Some(Spamhaus::End { records })),
        _ => Err(format!("{expected}, found {:?}", bounded(line))),
    }
}

/// A message needs no more of what is none.
fn bounded(text: &str) -> String {
    const SHOWN_CHARACTERS_MAX: usize = 64;
    text.chars().take(SHOWN_CHARACTERS_MAX).collect()
}

#[cfg(test)]
mod tests;
