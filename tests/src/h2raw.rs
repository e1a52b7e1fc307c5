//! A client that writes HTTP/2 frames as they stand, right or wrong.

use std::io::{ErrorKind, Read, Write};

/// RFC 9113.
pub const DATA: u8 = 0;
/// RFC 9113.
pub const HEADERS: u8 = 1;
/// RFC 9113.
pub const PRIORITY: u8 = 2;
/// RFC 9113.
pub const RST_STREAM: u8 = 3;
/// RFC 9113.
pub const SETTINGS: u8 = 4;
/// RFC 9113.
pub const PUSH_PROMISE: u8 = 5;
/// RFC 9113.
pub const PING: u8 = 6;
/// RFC 9113.
pub const GOAWAY: u8 = 7;
/// RFC 9113.
pub const WINDOW_UPDATE: u8 = 8;
/// RFC 9113.
pub const CONTINUATION: u8 = 9;
/// RFC 9113.
pub const END_STREAM: u8 = 1;
/// RFC 9113.
pub const ACK: u8 = 1;
/// RFC 9113.
pub const END_HEADERS: u8 = 4;
/// RFC 9113.
pub const PADDED: u8 = 8;

/// A connection whose preface and SETTINGS are sent.
pub struct RawHttp2<S> {
    stream: S,
}

/// A frame as it came.
#[derive(Debug)]
pub struct Frame {
    /// What it is.
    pub kind: u8,
    /// The stream; 0 is the connection.
    pub stream: u32,
    /// What it carries.
    pub payload: Vec<u8>,
}

impl Frame {
    /// The code of RST_STREAM or GOAWAY.
    pub fn code(&self) -> Option<u32> {
        let at = if self.kind == GOAWAY { 4 } else { 0 };
        self.payload.get(at..)?.first_chunk().map(|bytes| u32::from_be_bytes(*bytes))
    }
}

impl<S: Read + Write> RawHttp2<S> {
    /// Over a stream that is TLS already, with these settings: identifier and value.
    pub fn begin(mut stream: S, settings: &[(u16, u32)]) -> std::io::Result<Self> {
        let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
        let setting =
            |(id, value): &(u16, u32)| [&id.to_be_bytes()[..], &value.to_be_bytes()].concat();
        let settings: Vec<u8> = settings.iter().flat_map(setting).collect();
        bytes.extend(frame(SETTINGS, 0, 0, &settings));
        stream.write_all(&bytes)?;
        Ok(Self { stream })
    }

    /// Over a stream that nothing was sent over yet, or anything.
    pub fn over(stream: S) -> Self {
        Self { stream }
    }

    /// The other side, a server with these settings: the client's preface is read, but not its SETTINGS.
    pub fn accept(mut stream: S, settings: &[(u16, u32)]) -> std::io::Result<Self> {
        stream.read_exact(&mut [0; 24])?;
        let setting =
            |(id, value): &(u16, u32)| [&id.to_be_bytes()[..], &value.to_be_bytes()].concat();
        let settings: Vec<u8> = settings.iter().flat_map(setting).collect();
        stream.write_all(&frame(SETTINGS, 0, 0, &settings))?;
        Ok(Self { stream })
    }

    /// Sends; whether the other side still takes it.
    pub fn send(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).and_then(|()| self.stream.flush()).is_ok()
    }

    /// The next frame; none at the end of the connection.
    pub fn frame(&mut self) -> Option<Frame> {
        let mut head = [0u8; 9];
        self.read(&mut head)?;
        let mut payload = vec![0u8; u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize];
        self.read(&mut payload)?;
        let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
        Some(Frame { kind: head[3], stream, payload })
    }

    /// Skips to the next frame of one of these kinds.
    pub fn until(&mut self, kinds: &[u8]) -> Option<Frame> {
        loop {
            let frame = self.frame()?;
            if kinds.contains(&frame.kind) {
                return Some(frame);
            }
        }
    }

    /// Reads to the end; the last GOAWAY.
    pub fn end(&mut self) -> Option<Frame> {
        let mut last = None;
        while let Some(frame) = self.frame() {
            if frame.kind == GOAWAY {
                last = Some(frame);
            }
        }
        last
    }

    fn read(&mut self, buffer: &mut [u8]) -> Option<()> {
        match self.stream.read_exact(buffer) {
            Ok(()) => Some(()),
            Err(error) => {
                let waited = matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut);
                assert!(!waited, "nothing came, and no end");
                None
            }
        }
    }
}

/// A frame.
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let [_, high, middle, low] = (payload.len() as u32).to_be_bytes();
    [&[high, middle, low, kind, flags][..], &stream.to_be_bytes(), payload].concat()
}

/// Literal fields without indexing and without Huffman codes: names and values as they stand.
pub fn block(fields: &[(&[u8], &[u8])]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        for text in [name, value] {
            length(text.len(), &mut block);
            block.extend_from_slice(text);
        }
    }
    block
}

// RFC 7541, 5.1, with a prefix of seven bits.
fn length(mut length: usize, into: &mut Vec<u8>) {
    if length < 127 {
        return into.push(length as u8);
    }
    into.push(127);
    length -= 127;
    while length >= 128 {
        into.push((length % 128) as u8 | 128);
        length /= 128;
    }
    into.push(length as u8);
}

/// The fields of a GET of this path, and more behind them.
pub fn get<'a>(path: &'a str, more: &[(&'a str, &'a str)]) -> Vec<u8> {
    request("GET", path, more)
}

/// The same with another method.
pub fn request<'a>(method: &'a str, path: &'a str, more: &[(&'a str, &'a str)]) -> Vec<u8> {
    let mut fields = vec![
        (":method", method),
        (":scheme", "https"),
        (":authority", "a.example"),
        (":path", path),
    ];
    fields.extend(more);
    text_block(&fields)
}

/// The same for text.
pub fn text_block(fields: &[(&str, &str)]) -> Vec<u8> {
    let bytes: Vec<_> =
        fields.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect();
    block(&bytes)
}
