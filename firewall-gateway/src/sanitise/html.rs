//! HTML that people wrote, without what acts: elements and attributes that text is set with stay, and nothing else does.
//!
//! A parser of HTML that repairs what it reads can be made to work for long: formatting elements that are not closed are
//! opened again behind each block, so that 64 KiB take seconds. What may look like markup is counted before, and the
//! parser is given its text in small pieces, until the time of the processor that it may take is used up.

use std::{
    collections::HashSet,
    io::{Error, Read},
    sync::LazyLock,
    time::Duration,
};

use ammonia::Builder;
use rustix::time::{ClockId, clock_gettime};

use crate::limits::{SANITISE_HTML_MARKS_MAX, SANITISE_HTML_US_MAX};

/// What the HTML of one body may still take.
#[derive(Debug)]
pub struct Budget {
    marks: usize,
    until: Duration,
}

impl Budget {
    /// For a body that is looked at from here on.
    #[must_use]
    pub fn new() -> Self {
        Self {
            marks: SANITISE_HTML_MARKS_MAX,
            until: processor_time() + Duration::from_micros(SANITISE_HTML_US_MAX),
        }
    }

    /// Takes what a text holds of markup; nothing where that is more than is left.
    #[must_use]
    pub fn take(&mut self, text: &str) -> Option<()> {
        let marks = text.bytes().filter(|byte| matches!(byte, b'<' | b'&')).count();
        self.marks = self.marks.checked_sub(marks)?;
        Some(())
    }

    /// The text without what acts; nothing where that takes too long.
    #[must_use]
    pub fn clean(&self, text: &str) -> Option<String> {
        let reader = Pieces { rest: text.as_bytes(), until: self.until };
        CLEANER.clean_from_reader(reader).ok().map(|cleaned| cleaned.to_string())
    }
}

/// Whether a text can hold markup at all.
#[must_use]
pub fn is_markup(text: &str) -> bool {
    text.contains(['<', '&'])
}

static CLEANER: LazyLock<Builder<'static>> = LazyLock::new(|| {
    let mut cleaner = Builder::default();
    // What the default lets a link lead to has programs of the client's behind it.
    cleaner.url_schemes(HashSet::from(["http", "https", "mailto", "tel"]));
    // A text that has nothing to hide goes on as it came: no `rel` is added to its links.
    cleaner.link_rel(None);
    cleaner
});

/// A text in pieces so small that the clock is asked often enough.
struct Pieces<'a> {
    rest: &'a [u8],
    until: Duration,
}

impl Read for Pieces<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Error> {
        if processor_time() > self.until {
            return Err(Error::other("the time for it is used up"));
        }
        let most = self.rest.len().min(PIECE_BYTES).min(buffer.len());
        // A tag begins a piece: behind hundreds of open elements each is work.
        let tag = self.rest.iter().take(most).skip(1).position(|byte| *byte == b'<');
        let (piece, rest) = self.rest.split_at(tag.map_or(most, |before| before + 1));
        buffer.iter_mut().zip(piece).for_each(|(to, from)| *to = *from);
        self.rest = rest;
        Ok(piece.len())
    }
}

const PIECE_BYTES: usize = 64;

/// Of this thread: others that run meanwhile are not what is measured.
fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
    Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or_default())
}

#[cfg(test)]
mod tests;
