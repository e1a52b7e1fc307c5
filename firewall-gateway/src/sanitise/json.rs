//! Texts within a JSON text, replaced where they stand: every other byte stays what it is.
//!
//! The text is read by the grammar of RFC 8259 and nothing beside, within bounds, and a member that is there twice is
//! refused: behind one that two readers understand differently, it would not be known what was cleaned.

use std::{borrow::Cow, collections::HashSet};

use super::text::{self, Cleaner};
use crate::validate::{
    fault::{Fault, Invalid},
    json::Bounds,
    pointer::{self, Step},
};

/// Cleans a text: answers it where it has changed.
///
/// # Errors
/// The first fault, and where it is.
pub fn clean(
    text: &str,
    cleaner: &mut Cleaner<'_>,
    bounds: Bounds,
) -> Result<Option<String>, Invalid> {
    cleaner.begin();
    let mut walk = Walk {
        text,
        at: 0,
        bounds,
        left: bounds.values,
        way: Vec::new(),
        cleaner,
        cleaned: String::new(),
        copied: 0,
    };
    walk.spaces();
    walk.value(bounds.depth, false)?;
    walk.spaces();
    if walk.at < text.len() {
        let expected = "nothing behind the end of the text";
        return Err(Invalid::whole_body(Fault::TrailingBytes, expected));
    }
    if walk.copied == 0 {
        return Ok(None);
    }
    let rest = text.get(walk.copied..).unwrap_or_default();
    Ok(Some(walk.cleaned + rest))
}

struct Walk<'a, 'c, 'r> {
    text: &'a str,
    at: usize,
    bounds: Bounds,
    left: u32,
    way: Vec<Step<'a>>,
    cleaner: &'c mut Cleaner<'r>,
    cleaned: String,
    copied: usize,
}

/// A string and where it begins; it ends where the walk stands.
struct Found<'a> {
    from: usize,
    text: Cow<'a, str>,
}

impl<'a> Walk<'a, '_, '_> {
    // The walk goes no deeper than `depth`, and nor does the stack.
    fn value(&mut self, depth: u32, html: bool) -> Result<(), Invalid> {
        let Some(left) = self.left.checked_sub(1) else {
            return Err(self.fault(Fault::TooManyValues));
        };
        self.left = left;
        let html = html || self.cleaner.is_html(&self.way);
        match self.next() {
            Some(b'"') => self.string_value(html),
            Some(b'{') => self.members(self.deeper(depth)?, html),
            Some(b'[') => self.entries(self.deeper(depth)?, html),
            Some(b'-' | b'0'..=b'9') => self.number(),
            _ => self.word(),
        }
    }

    fn string_value(&mut self, html: bool) -> Result<(), Invalid> {
        let found = self.string()?;
        let cleaned = match html {
            true => self.cleaner.html(&found.text),
            false => self.cleaner.plain(&found.text),
        };
        match cleaned {
            Ok(None) => {}
            Ok(Some(cleaned)) => self.replace(found.from, &cleaned),
            Err(fault) => return Err(self.fault(fault)),
        }
        Ok(())
    }

    fn members(&mut self, depth: u32, html: bool) -> Result<(), Invalid> {
        self.at += 1;
        self.spaces();
        if self.takes(b'}') {
            return Ok(());
        }
        let mut names = HashSet::new();
        loop {
            self.spaces();
            if self.next() != Some(b'"') {
                return Err(self.syntax());
            }
            let Found { from, text } = self.string()?;
            self.way.push(Step::Member(text.clone()));
            let name = match self.cleaner.plain(&text) {
                Ok(None) => text,
                Ok(Some(cleaned)) => {
                    self.replace(from, &cleaned);
                    self.way.pop();
                    self.way.push(Step::Member(Cow::Owned(cleaned.clone())));
                    Cow::Owned(cleaned)
                }
                Err(fault) => return Err(self.fault(fault)),
            };
            if !names.insert(name) {
                return Err(self.fault(Fault::MemberRepeated));
            }
            self.spaces();
            if !self.takes(b':') {
                return Err(self.syntax());
            }
            self.spaces();
            self.value(depth, html)?;
            self.way.pop();
            if !self.goes_on(b'}')? {
                return Ok(());
            }
        }
    }

    fn entries(&mut self, depth: u32, html: bool) -> Result<(), Invalid> {
        self.at += 1;
        self.spaces();
        if self.takes(b']') {
            return Ok(());
        }
        for entry in 0.. {
            self.way.push(Step::Entry(entry));
            self.spaces();
            self.value(depth, html)?;
            self.way.pop();
            if !self.goes_on(b']')? {
                break;
            }
        }
        Ok(())
    }

    /// Whether another value follows, or the object or list ends with this byte.
    fn goes_on(&mut self, end: u8) -> Result<bool, Invalid> {
        self.spaces();
        match self.takes(b',') {
            true => Ok(true),
            false if self.takes(end) => Ok(false),
            false => Err(self.syntax()),
        }
    }

    fn string(&mut self) -> Result<Found<'a>, Invalid> {
        let (from, bytes) = (self.at, self.text.as_bytes());
        let (mut end, mut escaped) = (from + 1, false);
        loop {
            match bytes.get(end) {
                Some(b'"') => break,
                Some(b'\\') => {
                    escaped = true;
                    end += 2;
                }
                Some(0x20..) => end += 1,
                Some(_) | None => {
                    self.at = end.min(bytes.len());
                    return Err(self.syntax());
                }
            }
        }
        self.at = end + 1;
        if !escaped {
            let text = self.text.get(from + 1..end).unwrap_or_default();
            return Ok(Found { from, text: Cow::Borrowed(text) });
        }
        let quoted = self.text.get(from..self.at).unwrap_or_default();
        // Half a surrogate is no character, and readers make different ones of it.
        match serde_json::from_str(quoted) {
            Ok(text) => Ok(Found { from, text: Cow::Owned(text) }),
            Err(_) => {
                self.at = from;
                Err(self.syntax())
            }
        }
    }

    // Digits are only walked over: a number goes on as it was written, however large.
    fn number(&mut self) -> Result<(), Invalid> {
        self.takes(b'-');
        if !self.takes(b'0') {
            self.digits()?;
        }
        if self.takes(b'.') {
            self.digits()?;
        }
        if self.takes(b'e') || self.takes(b'E') {
            let _signed = self.takes(b'+') || self.takes(b'-');
            self.digits()?;
        }
        Ok(())
    }

    fn digits(&mut self) -> Result<(), Invalid> {
        let begin = self.at;
        while matches!(self.next(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        if self.at == begin { Err(self.syntax()) } else { Ok(()) }
    }

    fn word(&mut self) -> Result<(), Invalid> {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let word = ["true", "false", "null"].into_iter().find(|word| rest.starts_with(word));
        match word {
            Some(word) => {
                self.at += word.len();
                Ok(())
            }
            None => Err(self.syntax()),
        }
    }

    fn replace(&mut self, from: usize, cleaned: &str) {
        self.cleaned.push_str(self.text.get(self.copied..from).unwrap_or_default());
        self.cleaned.push_str(&serde_json::Value::from(cleaned).to_string());
        self.copied = self.at;
    }

    fn next(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn takes(&mut self, byte: u8) -> bool {
        let is_next = self.next() == Some(byte);
        self.at += usize::from(is_next);
        is_next
    }

    fn spaces(&mut self) {
        while matches!(self.next(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn deeper(&self, depth: u32) -> Result<u32, Invalid> {
        depth.checked_sub(1).ok_or_else(|| self.fault(Fault::TooDeep))
    }

    fn syntax(&self) -> Invalid {
        let expected = format!("JSON; the byte at offset {} is none", self.at);
        Invalid::body(Fault::Syntax, self.place(), expected)
    }

    fn fault(&self, fault: Fault) -> Invalid {
        let expected = self.bounds.expected(fault).unwrap_or_else(|| text::expected(fault));
        Invalid::body(fault, self.place(), expected)
    }

    fn place(&self) -> String {
        pointer::behind(&self.way)
    }
}
