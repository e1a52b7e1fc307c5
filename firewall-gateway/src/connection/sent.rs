//! What the HTTP/2 library says to a client by itself, so that it is counted like what we say.
//!
//! It answers header lists that are too large, resets streams whose messages are malformed and ends
//! connections that go too far, all before a request of ours begins.

use std::collections::{BTreeSet, VecDeque};

use super::frames::{END_STREAM, Frames, Part, kind};
use crate::rejection::Flood;

/// Follows the frames to one client.
#[derive(Default)]
pub struct Sent {
    frames: Frames,
    payload: Vec<u8>,
    oversized: VecDeque<u32>,
    /// Streams whose answer has begun and not ended: a header block on one of them is its trailers.
    begun: BTreeSet<u32>,
    tally: Tally,
    ending: Option<Ending>,
}

/// Streams that ended without a request of ours, since the last look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// The header list was over the library's bound: it answered 431.
    pub oversized: u32,
    /// The message was not as it has to be; those whose body broke are among them.
    pub malformed: u32,
    /// There were more streams than we allow.
    pub refused: u32,
}

/// Why the library ends the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It does not follow the protocol.
    Malformed,
    /// It costs too much.
    Flood(Flood),
}

impl Sent {
    /// Takes the next bytes for the client.
    pub fn feed(&mut self, mut bytes: &[u8]) {
        while let Some(part) = self.frames.next(&mut bytes) {
            self.part(&part);
        }
    }

    /// The client has ended a stream: nothing more follows on it.
    pub fn ended(&mut self, stream: u32) {
        self.begun.remove(&stream);
    }

    /// Whether a frame of our own may be put behind.
    #[must_use]
    pub fn is_between(&self) -> bool {
        self.frames.is_between()
    }

    /// What has come together since the last time.
    pub fn take_tally(&mut self) -> Tally {
        std::mem::take(&mut self.tally)
    }

    /// Why the connection is being ended, if it is.
    #[must_use]
    pub fn ending(&self) -> Option<Ending> {
        self.ending
    }

    fn part(&mut self, part: &Part<'_>) {
        let head = part.head;
        let known = self.begun.contains(&head.stream);
        if part.begins && matches!(head.kind, kind::HEADERS | kind::DATA) {
            match (head.flags & END_STREAM != 0, known) {
                (true, true) => drop(self.begun.remove(&head.stream)),
                (false, false) => self.begin(head.stream),
                (true, false) | (false, true) => {}
            }
        }
        match head.kind {
            // An answer of ours has a request id, never from a table; one that short is the library's 431.
            kind::HEADERS if part.begins && !known && head.length < OWN_ANSWER_BYTES_MIN => {
                self.tally.oversized += 1;
                if self.oversized.len() == OVERSIZED_MAX {
                    self.oversized.pop_front();
                }
                self.oversized.push_back(head.stream);
            }
            kind::RST_STREAM | kind::GOAWAY => {
                if part.begins {
                    self.payload.clear();
                }
                let room = SHOWN_BYTES_MAX.saturating_sub(self.payload.len());
                self.payload.extend(part.payload.iter().take(room));
                if part.ends && head.kind == kind::RST_STREAM {
                    self.reset(head.stream);
                } else if part.ends {
                    self.goaway();
                }
            }
            _ => {}
        }
    }

    // What was written when the client had reset its stream stays here: there is an end to it.
    fn begin(&mut self, stream: u32) {
        if self.begun.len() == BEGUN_MAX {
            self.begun.pop_first();
        }
        self.begun.insert(stream);
    }

    fn reset(&mut self, stream: u32) {
        self.begun.remove(&stream);
        match code(&self.payload) {
            // The library resets what it answered with 431, if there is more to come.
            Some(PROTOCOL_ERROR) if self.oversized.contains(&stream) => {}
            Some(PROTOCOL_ERROR | FLOW_CONTROL_ERROR | FRAME_SIZE_ERROR) => {
                self.tally.malformed += 1;
            }
            Some(REFUSED_STREAM) => self.tally.refused += 1,
            Some(_) | None => {}
        }
    }

    fn goaway(&mut self) {
        let payload = self.payload.as_slice();
        let ending = match payload.get(4..).and_then(code) {
            None | Some(NO_ERROR) => return,
            Some(ENHANCE_YOUR_CALM) => Ending::Flood(match payload.get(8..).unwrap_or_default() {
                b"too_many_resets" => Flood::Reset,
                b"too_many_internal_resets" => Flood::ErrorReset,
                b"too_many_data_frames" => Flood::Empty,
                b"too_many_continuations" => Flood::Continuation,
                b"header_list_way_too_large" => Flood::HeaderList,
                _ => Flood::Other,
            }),
            Some(_) => Ending::Malformed,
        };
        self.ending.get_or_insert(ending);
    }
}

fn code(payload: &[u8]) -> Option<u32> {
    payload.first_chunk().map(|bytes| u32::from_be_bytes(*bytes))
}

const OWN_ANSWER_BYTES_MIN: usize = 16;
/// More than there may be at once (`http2_streams_max`).
const BEGUN_MAX: usize = 16_384;
/// Streams with a 431 whose reset may still follow; the reset is sent right behind the answer.
const OVERSIZED_MAX: usize = 128;
/// Of a GOAWAY: last stream, code, and the longest words that are looked for.
const SHOWN_BYTES_MAX: usize = 40;

// Codes (RFC 9113, 7).
const NO_ERROR: u32 = 0;
const PROTOCOL_ERROR: u32 = 1;
const FLOW_CONTROL_ERROR: u32 = 3;
const FRAME_SIZE_ERROR: u32 = 6;
const REFUSED_STREAM: u32 = 7;
const ENHANCE_YOUR_CALM: u32 = 11;

#[cfg(test)]
mod tests {
    use super::{Ending, Sent, Tally};
    use crate::rejection::Flood;

    fn frame(kind: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
        let length = u8::try_from(payload.len()).unwrap();
        [&[0, 0, length, kind, 4, 0, 0, 0, stream], payload].concat()
    }

    fn check(frames: &[Vec<u8>], tally: (u32, u32, u32), ending: Option<Ending>) {
        let (oversized, malformed, refused) = tally;
        let bytes = frames.concat();
        for piece in 1..=bytes.len() {
            let mut sent = Sent::default();
            bytes.chunks(piece).for_each(|piece| sent.feed(piece));
            assert_eq!(sent.take_tally(), Tally { oversized, malformed, refused }, "{frames:?}");
            assert_eq!(sent.take_tally(), Tally::default(), "it was taken");
            assert_eq!(sent.ending(), ending, "{frames:?}");
        }
    }

    #[test]
    fn what_the_library_does_by_itself_is_told_from_our_answers() {
        let (answer, short) = (frame(1, 1, &[0x88; 60]), frame(1, 3, &[0x48, 0x82, 0x69, 0x31]));
        let reset = |stream, code| frame(3, stream, &[0, 0, 0, code]);
        let goaway =
            |code, words: &[u8]| frame(7, 0, &[&[0, 0, 0, 9, 0, 0, 0, code], words].concat());
        let flood = |flood| Some(Ending::Flood(flood));
        check(&[frame(4, 0, &[0; 12]), answer.clone(), frame(0, 1, b"hello")], (0, 0, 0), None);
        check(std::slice::from_ref(&short), (1, 0, 0), None);
        // Trailers are as short, behind an answer that has not ended.
        let trailers = frame(1, 1, &[0xbe]);
        check(&[answer.clone(), frame(0, 1, b"hello"), trailers.clone()], (0, 0, 0), None);
        check(&[answer.clone(), trailers], (0, 0, 0), None);
        check(&[short, reset(3, 1), reset(5, 1)], (1, 1, 0), None);
        check(&[reset(1, 0), reset(3, 8), reset(5, 2), reset(7, 5)], (0, 0, 0), None);
        check(&[reset(1, 3), reset(3, 6), reset(5, 7)], (0, 2, 1), None);
        check(&[goaway(0, b"")], (0, 0, 0), None);
        check(&[goaway(1, b""), goaway(11, b"x")], (0, 0, 0), Some(Ending::Malformed));
        for (words, kind) in [
            (&b"too_many_resets"[..], Flood::Reset),
            (b"too_many_internal_resets", Flood::ErrorReset),
            (b"too_many_data_frames", Flood::Empty),
            (b"too_many_continuations", Flood::Continuation),
            (b"header_list_way_too_large", Flood::HeaderList),
            (b"anything else, however long it may turn out to be", Flood::Other),
        ] {
            check(&[answer.clone(), goaway(11, words)], (0, 0, 0), flood(kind));
        }
    }
}
