//! Follows the boundaries of HTTP/2 frames in a stream of bytes, whatever the pieces they come in.

/// Between frames, in a head, or in a payload.
#[derive(Default)]
pub struct Frames {
    head: [u8; HEAD_BYTES],
    head_filled: usize,
    payload_left: usize,
}

/// The head of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Bytes of the payload.
    pub length: usize,
    /// What it is.
    pub kind: u8,
    /// What these mean depends on the kind.
    pub flags: u8,
    /// The stream; 0 is the connection.
    pub stream: u32,
}

/// A frame, or a part of one.
#[derive(Debug, PartialEq, Eq)]
pub struct Part<'a> {
    /// Of the frame that it is a part of.
    pub head: Head,
    /// It is the first.
    pub begins: bool,
    /// It is the last.
    pub ends: bool,
    /// Payload.
    pub payload: &'a [u8],
}

impl Frames {
    /// Takes the next part off `bytes`; none where more bytes are needed.
    pub fn next<'a>(&mut self, bytes: &mut &'a [u8]) -> Option<Part<'a>> {
        let begins = self.payload_left == 0;
        if begins {
            let room = self.head.get_mut(self.head_filled..)?;
            let (now, later) = bytes.split_at_checked(room.len()).unwrap_or((bytes, &[]));
            room.get_mut(..now.len())?.copy_from_slice(now);
            self.head_filled += now.len();
            *bytes = later;
            if self.head_filled < HEAD_BYTES {
                return None;
            }
            self.head_filled = 0;
            self.payload_left = self.head().length;
        } else if bytes.is_empty() {
            return None;
        }
        let (payload, later) = bytes.split_at_checked(self.payload_left).unwrap_or((bytes, &[]));
        *bytes = later;
        self.payload_left -= payload.len();
        Some(Part { head: self.head(), begins, ends: self.payload_left == 0, payload })
    }

    /// Whether the last frame is complete.
    #[must_use]
    pub fn is_between(&self) -> bool {
        self.head_filled == 0 && self.payload_left == 0
    }

    fn head(&self) -> Head {
        let [high, middle, low, kind, flags, stream @ ..] = self.head;
        Head {
            length: usize::from(u16::from_be_bytes([middle, low])) + (usize::from(high) << 16),
            kind,
            flags,
            // The highest bit is reserved.
            stream: u32::from_be_bytes(stream) & 0x7fff_ffff,
        }
    }
}

/// Kinds of frames (RFC 9113, 6).
pub mod kind {
    pub const DATA: u8 = 0;
    pub const HEADERS: u8 = 1;
    pub const RST_STREAM: u8 = 3;
    pub const SETTINGS: u8 = 4;
    pub const PING: u8 = 6;
    pub const GOAWAY: u8 = 7;
    pub const WINDOW_UPDATE: u8 = 8;
    pub const CONTINUATION: u8 = 9;
}

/// Of HEADERS and DATA.
pub const END_STREAM: u8 = 0x1;
/// Of HEADERS and CONTINUATION.
pub const END_HEADERS: u8 = 0x4;

const HEAD_BYTES: usize = 9;

#[cfg(test)]
mod tests {
    use super::{Frames, Head};
    use crate::generated::{Generator, cases};

    fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
    }

    /// The frames in `bytes` when they come in pieces of this size.
    fn read(bytes: &[u8], piece: usize) -> (Vec<(Head, Vec<u8>)>, bool) {
        let mut frames = Frames::default();
        let mut found: Vec<(Head, Vec<u8>)> = Vec::new();
        for mut bytes in bytes.chunks(piece.max(1)) {
            while let Some(part) = frames.next(&mut bytes) {
                if part.begins {
                    found.push((part.head, Vec::new()));
                }
                let (head, payload) = found.last_mut().unwrap();
                payload.extend_from_slice(part.payload);
                assert_eq!(*head, part.head);
                assert_eq!(part.ends, payload.len() == head.length);
            }
            assert!(bytes.is_empty(), "what is there is taken");
        }
        (found, frames.is_between())
    }

    #[test]
    fn frames_are_the_same_in_pieces_of_any_size() {
        let head = |length, kind, flags, stream| Head { length, kind, flags, stream };
        let bytes = [
            frame(4, 0, 0, &[]),
            frame(1, 5, 1, b"abc"),
            frame(0, 1, 0x8000_0003, &[7; 300]),
            frame(0xff, 0xff, 0x7fff_ffff, &[]),
        ]
        .concat();
        for piece in 1..=bytes.len() {
            let (found, between) = read(&bytes, piece);
            let heads: Vec<Head> = found.iter().map(|(head, _)| *head).collect();
            let expected = [
                head(0, 4, 0, 0),
                head(3, 1, 5, 1),
                head(300, 0, 1, 3),
                head(0, 255, 255, 0x7fff_ffff),
            ];
            assert_eq!(heads, expected, "pieces of {piece}");
            assert_eq!((found[1].1.as_slice(), between), (&b"abc"[..], true));
        }
        assert!(!read(&bytes[..4], 4).1 && !read(&bytes[..20], 20).1);
    }

    #[test]
    fn generated_bytes_are_all_read_whatever_they_are() {
        let seeds = [frame(1, 4, 1, &[0x82; 40]), frame(0, 0, 3, &[0; 9]), frame(6, 0, 0, &[1; 8])];
        let mut generator = Generator::new(2);
        for bytes in cases(2, 20_000, &seeds) {
            let whole = read(&bytes, bytes.len());
            assert_eq!(whole, read(&bytes, 1), "{bytes:?}");
            assert_eq!(whole, read(&bytes, 1 + generator.below(20)), "{bytes:?}");
        }
    }
}
