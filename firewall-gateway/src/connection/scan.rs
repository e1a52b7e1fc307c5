//! Reads HTTP/1 heads as bytes, beside hyper, for what hyper repairs without telling.
//!
//! hyper drops `Content-Length` where `Transfer-Encoding` stands beside it, merges equal lengths,
//! accepts `gzip, chunked` and lines that end with a bare LF. Each is a way to make two servers
//! disagree about where a request ends.

use crate::rejection::Rejection;

/// Follows the framing of one connection.
#[derive(Default)]
pub struct Scan {
    state: State,
    line: Vec<u8>,
    line_cut: bool,
    previous: u8,
    lengths: u32,
    encodings: u32,
    length_bytes: u64,
    ambiguous: bool,
    heads: u64,
    first_bad: Option<u64>,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum State {
    #[default]
    Between,
    Head,
    Body(u64),
    ChunkSize,
    ChunkData(u64),
    ChunkEnd,
    Trailers,
    Lost,
}

impl Scan {
    /// Whether the request with this number, from 1, may be served.
    ///
    /// # Errors
    /// It, or one before it, was ambiguous.
    pub fn verdict(&self, number: u64) -> Result<(), Rejection> {
        match self.first_bad {
            Some(bad) if bad <= number => Err(Rejection::FramingAmbiguous),
            Some(_) | None => Ok(()),
        }
    }

    /// Heads that are complete.
    #[must_use]
    pub fn heads(&self) -> u64 {
        self.heads
    }

    /// Whether all that came is whole.
    #[must_use]
    pub fn is_between(&self) -> bool {
        self.state == State::Between
    }

    /// Whether a head has begun and is not complete.
    #[must_use]
    pub fn in_head(&self) -> bool {
        self.state == State::Head
    }

    /// Takes the next bytes from the client.
    pub fn feed(&mut self, mut bytes: &[u8]) {
        while let Some(first) = bytes.first() {
            match self.state {
                State::Lost => return,
                State::Body(left) => bytes = self.skip(bytes, left, State::Body, State::Between),
                State::ChunkData(left) => {
                    bytes = self.skip(bytes, left, State::ChunkData, State::ChunkEnd)
                }
                // Empty lines before a head are skipped, whatever the pieces they come in.
                State::Between if matches!(first, b'\r' | b'\n') => bytes = &bytes[1..],
                State::Between => self.state = State::Head,
                State::Head | State::ChunkSize | State::ChunkEnd | State::Trailers => {
                    let end = bytes.iter().position(|byte| *byte == b'\n');
                    let (part, rest) = bytes.split_at(end.map_or(bytes.len(), |end| end + 1));
                    self.keep(&part[..end.unwrap_or(part.len())]);
                    if end.is_some() {
                        self.line_ended();
                    }
                    bytes = rest;
                }
            }
        }
    }

    fn skip<'a>(
        &mut self,
        bytes: &'a [u8],
        left: u64,
        same: fn(u64) -> State,
        next: State,
    ) -> &'a [u8] {
        let here = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
        let left = left - here as u64;
        self.state = if left == 0 { next } else { same(left) };
        &bytes[here..]
    }

    fn keep(&mut self, part: &[u8]) {
        let room = LINE_BYTES_MAX.saturating_sub(self.line.len());
        self.line_cut |= part.len() > room;
        self.line.extend_from_slice(&part[..part.len().min(room)]);
        self.previous = part.last().copied().unwrap_or(self.previous);
    }

    fn line_ended(&mut self) {
        let ended_well = std::mem::take(&mut self.previous) == b'\r';
        let line_cut = std::mem::take(&mut self.line_cut);
        let mut line = std::mem::take(&mut self.line);
        if ended_well && !line_cut {
            line.pop();
        }
        match self.state {
            State::Head => {
                self.ambiguous |= !ended_well;
                if line.is_empty() {
                    self.head_ended();
                } else {
                    self.field(&line, line_cut);
                }
            }
            State::ChunkSize => match chunk_bytes(&line) {
                Some(0) => self.state = State::Trailers,
                Some(size) => self.state = State::ChunkData(size),
                None => self.lose(),
            },
            State::ChunkEnd if line.is_empty() => self.state = State::ChunkSize,
            State::ChunkEnd => self.lose(),
            // The library ends a line of trailers with CR LF alone, and so reads on where this one ends.
            State::Trailers if !ended_well => self.lose(),
            State::Trailers if line.is_empty() => self.state = State::Between,
            State::Between | State::Trailers | State::Lost => {}
            State::Body(_) | State::ChunkData(_) => {}
        }
        // The buffer is used again: one allocation a connection.
        line.clear();
        self.line = line;
    }

    fn field(&mut self, line: &[u8], line_cut: bool) {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else { return };
        let (name, value) = (line[..colon].trim_ascii(), line[colon + 1..].trim_ascii());
        if name.eq_ignore_ascii_case(b"content-length") {
            self.lengths += 1;
            let digits =
                std::str::from_utf8(value).ok().filter(|_| value.iter().all(u8::is_ascii_digit));
            match digits.and_then(|digits| digits.parse().ok()) {
                Some(length) if !line_cut => self.length_bytes = length,
                Some(_) | None => self.ambiguous = true,
            }
        }
        if name.eq_ignore_ascii_case(b"transfer-encoding") {
            self.encodings += 1;
            self.ambiguous |= line_cut || !value.eq_ignore_ascii_case(b"chunked");
        }
    }

    fn head_ended(&mut self) {
        self.heads += 1;
        let chunked = self.encodings > 0;
        let ambiguous = std::mem::take(&mut self.ambiguous) || self.lengths + self.encodings > 1;
        let length = std::mem::take(&mut self.length_bytes);
        (self.lengths, self.encodings) = (0, 0);
        self.state = match (ambiguous, chunked, length) {
            (true, _, _) => {
                self.first_bad.get_or_insert(self.heads);
                State::Lost
            }
            (false, true, _) => State::ChunkSize,
            (false, false, 0) => State::Between,
            (false, false, length) => State::Body(length),
        };
    }

    // Where a body ends is unknown from here on: no later request can be told from its rest.
    fn lose(&mut self) {
        self.first_bad.get_or_insert(self.heads + 1);
        self.state = State::Lost;
    }
}

// Extensions after the size have no meaning to anybody and are not looked at.
fn chunk_bytes(line: &[u8]) -> Option<u64> {
    let size = line.split(|byte| *byte == b';').next()?.trim_ascii();
    let hex = !size.is_empty() && size.iter().all(u8::is_ascii_hexdigit);
    u64::from_str_radix(std::str::from_utf8(size).ok().filter(|_| hex)?, 16).ok()
}

/// Longer than any `Content-Length` or `Transfer-Encoding` line that means something.
const LINE_BYTES_MAX: usize = 256;

#[cfg(test)]
mod tests {
    use super::Scan;
    use crate::generated::{Generator, cases};

    fn check(wire: &str, heads: u64, first_bad: Option<u64>) {
        // Whatever the pieces the bytes come in.
        for piece in [1, 2, 3, 7, wire.len()] {
            let mut scan = Scan::default();
            for part in wire.as_bytes().chunks(piece) {
                scan.feed(part);
            }
            assert_eq!((scan.heads, scan.first_bad), (heads, first_bad), "{wire:?} by {piece}");
        }
    }

    #[test]
    fn finds_the_first_ambiguous_request() {
        let long = format!("GET / HTTP/1.1\r\nX: {}\r\n\r\n", "a".repeat(700));
        let long_then = format!("{long}GET / HTTP/1.1\r\n\r\n");
        for (wire, heads, first_bad) in [
            ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", 1, None),
            ("\r\nGET / HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\n\r\n", 2, None),
            ("POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nabcGET / HTTP/1.1\r\n\r\n", 2, None),
            (
                "POST / HTTP/1.1\r\nTransfer-Encoding: Chunked\r\n\r\n3;x=y\r\na\nb\r\n0\r\nA: b\r\n\r\nGET / HTTP/1.1\r\n\r\n",
                2,
                None,
            ),
            (
                "POST / HTTP/1.1\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
                1,
                Some(1),
            ),
            (
                "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n",
                1,
                Some(1),
            ),
            ("POST / HTTP/1.1\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\n", 1, Some(1)),
            ("POST / HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 1, Some(1)),
            (
                "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
                1,
                Some(1),
            ),
            ("POST / HTTP/1.1\r\nContent-Length: +3\r\n\r\n", 1, Some(1)),
            ("GET / HTTP/1.1\nHost: a\r\n\r\n", 1, Some(1)),
            ("GET / HTTP/1.1\r\nHost: a\r\n\n", 1, Some(1)),
            ("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 1, Some(2)),
            ("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n", 1, Some(2)),
            (
                "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nA: b\n\nGET / HTTP/1.1\r\n\r\n",
                1,
                Some(2),
            ),
            (&long, 1, None),
            (&long_then, 2, None),
        ] {
            check(wire, heads, first_bad);
        }
    }

    /// However the bytes come, they are read the same.
    #[test]
    fn generated_heads_are_read_alike_in_pieces_of_any_size() {
        let seeds = [
            "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
            "POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nabcGET / HTTP/1.1\r\n\r\n",
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n0\r\nA: b\r\n\r\n",
        ];
        let seeds = seeds.map(|seed| seed.as_bytes().to_vec());
        let mut generator = Generator::new(10);
        for bytes in cases(10, 50_000, &seeds) {
            let read = |piece: usize| {
                let mut scan = Scan::default();
                bytes.chunks(piece).for_each(|part| scan.feed(part));
                (scan.heads, scan.first_bad, scan.is_between())
            };
            let whole = read(bytes.len().max(1));
            assert_eq!(whole, read(1), "{bytes:?}");
            assert_eq!(whole, read(1 + generator.below(20)), "{bytes:?}");
        }
    }
}
