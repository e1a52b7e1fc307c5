//! What an HTTP/2 client sends beside requests: frames that cost us work and ask for nothing.
//!
//! The HTTP library bounds some of them, for the life of a connection and without counting. These
//! bounds are for a second, and each has its name.

use std::time::Duration;

use tokio::time::Instant;

use super::frames::{END_HEADERS, END_STREAM, Frames, Part, kind};
use crate::{
    limits::{
        HTTP2_BYTES_PER_WINDOW_UPDATE, HTTP2_CONTINUATIONS_PER_S_MAX, HTTP2_EMPTY_FRAMES_PER_S_MAX,
        HTTP2_PINGS_PER_S_MAX, HTTP2_PRIORITIES_PER_S_MAX, HTTP2_RESETS_PER_S_MAX,
        HTTP2_SETTINGS_PER_S_MAX, HTTP2_WINDOW_UPDATES_PER_S_MAX, HTTP2_WINDOW_UPDATES_SAVED_MAX,
    },
    rejection::Flood,
};

/// Follows the frames of one client.
pub struct Received {
    preface_left: usize,
    frames: Frames,
    in_head: bool,
    stream_last: u32,
    streams: u64,
    resets: u64,
    reset: Vec<u32>,
    second: Instant,
    counts: [u32; Flood::ALL.len()],
    window_updates_saved: u32,
    sent_bytes: u32,
}

impl Received {
    /// A connection that begins.
    #[must_use]
    pub fn new(now: Instant) -> Self {
        Self {
            preface_left: PREFACE_BYTES,
            frames: Frames::default(),
            in_head: false,
            stream_last: 0,
            streams: 0,
            resets: 0,
            reset: Vec::new(),
            second: now,
            counts: Default::default(),
            window_updates_saved: 0,
            sent_bytes: 0,
        }
    }

    /// Whether a header block has begun and is not complete: no other frame may come in between.
    #[must_use]
    pub fn in_head(&self) -> bool {
        self.in_head
    }

    /// Streams whose head is complete.
    #[must_use]
    pub fn streams(&self) -> u64 {
        self.streams
    }

    /// The streams that the client has reset since the last look.
    pub fn reset_now(&mut self) -> impl Iterator<Item = u32> + '_ {
        self.reset.drain(..)
    }

    /// Takes one stream that the client has reset, if there is one that was not taken.
    pub fn take_reset(&mut self) -> bool {
        let taken = self.resets > 0;
        self.resets = self.resets.saturating_sub(1);
        taken
    }

    /// Takes the next bytes from the client.
    ///
    /// # Errors
    /// There were too many frames of a kind within a second.
    pub fn feed(&mut self, mut bytes: &[u8], now: Instant) -> Result<(), Flood> {
        let preface = self.preface_left.min(bytes.len());
        self.preface_left -= preface;
        bytes = bytes.get(preface..).unwrap_or_default();
        while let Some(part) = self.frames.next(&mut bytes) {
            if part.begins {
                self.begun(&part, now)?;
            }
            if part.ends && matches!(part.head.kind, kind::HEADERS | kind::CONTINUATION) {
                self.in_head = part.head.flags & END_HEADERS == 0;
                // Trailers come on a stream that is known.
                if !self.in_head && part.head.stream > self.stream_last {
                    self.stream_last = part.head.stream;
                    self.streams += 1;
                }
            }
        }
        Ok(())
    }

    /// Bytes went to the client, which it may answer with WINDOW_UPDATE.
    pub fn sent(&mut self, bytes: usize) {
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        self.sent_bytes = self.sent_bytes.saturating_add(bytes);
        let updates = self.sent_bytes / HTTP2_BYTES_PER_WINDOW_UPDATE;
        self.sent_bytes %= HTTP2_BYTES_PER_WINDOW_UPDATE;
        let saved = self.window_updates_saved.saturating_add(updates);
        self.window_updates_saved = saved.min(HTTP2_WINDOW_UPDATES_SAVED_MAX);
    }

    fn begun(&mut self, part: &Part<'_>, now: Instant) -> Result<(), Flood> {
        let (flood, max) = match part.head.kind {
            kind::HEADERS => {
                self.in_head = true;
                return Ok(());
            }
            kind::DATA if part.head.length > 0 || part.head.flags & END_STREAM != 0 => {
                return Ok(());
            }
            kind::DATA => (Flood::Empty, HTTP2_EMPTY_FRAMES_PER_S_MAX),
            kind::CONTINUATION => {
                self.in_head = true;
                (Flood::Continuation, HTTP2_CONTINUATIONS_PER_S_MAX)
            }
            kind::RST_STREAM => {
                self.resets += 1;
                self.reset.push(part.head.stream);
                (Flood::Reset, HTTP2_RESETS_PER_S_MAX)
            }
            kind::SETTINGS => (Flood::Settings, HTTP2_SETTINGS_PER_S_MAX),
            kind::PING => (Flood::Ping, HTTP2_PINGS_PER_S_MAX),
            kind::WINDOW_UPDATE if self.window_updates_saved > 0 => {
                self.window_updates_saved -= 1;
                return Ok(());
            }
            kind::WINDOW_UPDATE => (Flood::WindowUpdate, HTTP2_WINDOW_UPDATES_PER_S_MAX),
            _ => (Flood::Priority, HTTP2_PRIORITIES_PER_S_MAX),
        };
        if now.saturating_duration_since(self.second) >= Duration::from_secs(1) {
            self.second = now;
            self.counts = Default::default();
        }
        // The number of a flood is below the number of all of them.
        let Some(count) = self.counts.get_mut(flood as usize) else { return Ok(()) };
        *count += 1;
        if *count > max { Err(flood) } else { Ok(()) }
    }
}

/// `PRI * HTTP/2.0 ...`; another is the library's to refuse.
const PREFACE_BYTES: usize = 24;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::Instant;

    use super::{PREFACE_BYTES, Received};
    use crate::{
        limits::{
            HTTP2_BYTES_PER_WINDOW_UPDATE, HTTP2_CONTINUATIONS_PER_S_MAX,
            HTTP2_EMPTY_FRAMES_PER_S_MAX, HTTP2_PINGS_PER_S_MAX, HTTP2_PRIORITIES_PER_S_MAX,
            HTTP2_RESETS_PER_S_MAX, HTTP2_SETTINGS_PER_S_MAX, HTTP2_WINDOW_UPDATES_PER_S_MAX,
        },
        rejection::Flood,
    };

    fn frame(kind: u8, flags: u8, length: u8) -> Vec<u8> {
        let mut frame = vec![0, 0, length, kind, flags, 0, 0, 0, 1];
        frame.resize(9 + usize::from(length), 0);
        frame
    }

    fn begun(now: Instant) -> Received {
        let mut received = Received::new(now);
        received.feed(&[b'P'; PREFACE_BYTES], now).unwrap();
        received
    }

    #[test]
    fn one_frame_more_than_a_second_allows_is_a_flood() {
        for (kind, flags, length, max, flood) in [
            (4, 0, 0, HTTP2_SETTINGS_PER_S_MAX, Flood::Settings),
            (4, 1, 0, HTTP2_SETTINGS_PER_S_MAX, Flood::Settings),
            (6, 0, 8, HTTP2_PINGS_PER_S_MAX, Flood::Ping),
            (6, 1, 8, HTTP2_PINGS_PER_S_MAX, Flood::Ping),
            (3, 0, 4, HTTP2_RESETS_PER_S_MAX, Flood::Reset),
            (2, 0, 5, HTTP2_PRIORITIES_PER_S_MAX, Flood::Priority),
            (16, 0, 5, HTTP2_PRIORITIES_PER_S_MAX, Flood::Priority),
            (200, 0, 0, HTTP2_PRIORITIES_PER_S_MAX, Flood::Priority),
            (0, 0, 0, HTTP2_EMPTY_FRAMES_PER_S_MAX, Flood::Empty),
            (9, 0, 0, HTTP2_CONTINUATIONS_PER_S_MAX, Flood::Continuation),
            (8, 0, 4, HTTP2_WINDOW_UPDATES_PER_S_MAX, Flood::WindowUpdate),
        ] {
            let start = Instant::now();
            let mut received = begun(start);
            let (one, next) = (frame(kind, flags, length), start + Duration::from_secs(1));
            // A second that is used up is followed by a new one.
            for now in [start, next] {
                for number in 1..=max {
                    assert_eq!(received.feed(&one, now), Ok(()), "{flood:?} {number}");
                }
            }
            let last = next + Duration::from_millis(999);
            assert_eq!(received.feed(&one, last), Err(flood));
        }
    }

    #[test]
    fn frames_that_carry_something_are_no_flood() {
        let now = Instant::now();
        let mut received = begun(now);
        for one in [frame(0, 0, 1), frame(0, 1, 0), frame(1, 4, 3)] {
            for _ in 0..10_000 {
                assert_eq!(received.feed(&one, now), Ok(()), "{one:?}");
            }
        }
        // Whoever reads an answer of so many bytes may say so in as many frames.
        let updates = 10_000;
        received.sent((updates * HTTP2_BYTES_PER_WINDOW_UPDATE) as usize);
        for _ in 0..updates + HTTP2_WINDOW_UPDATES_PER_S_MAX {
            assert_eq!(received.feed(&frame(8, 0, 4), now), Ok(()));
        }
        assert_eq!(received.feed(&frame(8, 0, 4), now), Err(Flood::WindowUpdate));
    }

    #[test]
    fn a_header_block_is_open_until_its_last_byte() {
        let now = Instant::now();
        let mut received = begun(now);
        for (kind, flags, after) in [(1, 0, true), (9, 0, true), (9, 4, false), (1, 4, false)] {
            let one = frame(kind, flags, 3);
            received.feed(&one[..11], now).unwrap();
            assert!(received.in_head(), "in the middle of {kind} {flags}");
            received.feed(&one[11..], now).unwrap();
            assert_eq!(received.in_head(), after, "behind {kind} {flags}");
        }
    }
}
