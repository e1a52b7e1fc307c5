//! A client that writes HTTP/2 frames as they stand, right or wrong.

use std::io::{ErrorKind, Read, Write};

use firewall_gateway::figures::Figures;

use crate::world::{Client, World, over};

pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const PRIORITY: u8 = 2;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PING: u8 = 6;
pub const GOAWAY: u8 = 7;
pub const WINDOW_UPDATE: u8 = 8;
pub const CONTINUATION: u8 = 9;
pub const END_STREAM: u8 = 1;
pub const ACK: u8 = 1;
pub const END_HEADERS: u8 = 4;

/// A connection whose preface and SETTINGS are sent.
pub struct RawHttp2 {
    tls: Client,
}

#[derive(Debug)]
pub struct Frame {
    pub kind: u8,
    pub stream: u32,
    pub payload: Vec<u8>,
}

impl Frame {
    /// The code of RST_STREAM or GOAWAY.
    pub fn code(&self) -> u32 {
        let at = if self.kind == GOAWAY { 4 } else { 0 };
        u32::from_be_bytes(self.payload[at..at + 4].try_into().unwrap())
    }
}

impl RawHttp2 {
    pub fn connect(world: &World) -> Self {
        Self::with(world, &[])
    }

    /// With these settings: identifier and value.
    pub fn with(world: &World, settings: &[(u16, u32)]) -> Self {
        let tcp = std::net::TcpStream::connect(world.address).unwrap();
        let mut tls = over(tcp, world.tls(b"h2"));
        let settings: Vec<u8> = settings
            .iter()
            .flat_map(|(id, value)| [&id.to_be_bytes()[..], &value.to_be_bytes()].concat())
            .collect();
        let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
        bytes.extend(frame(SETTINGS, 0, 0, &settings));
        tls.write_all(&bytes).unwrap();
        Self { tls }
    }

    /// Sends; whether the other side still takes it.
    pub fn send(&mut self, bytes: &[u8]) -> bool {
        self.tls.write_all(bytes).and_then(|()| self.tls.flush()).is_ok()
    }

    /// The next frame; none at the end of the connection.
    pub fn next(&mut self) -> Option<Frame> {
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
            let frame = self.next()?;
            if kinds.contains(&frame.kind) {
                return Some(frame);
            }
        }
    }

    /// Reads to the end; the last GOAWAY.
    pub fn end(&mut self) -> Option<Frame> {
        let mut last = None;
        while let Some(frame) = self.next() {
            if frame.kind == GOAWAY {
                last = Some(frame);
            }
        }
        last
    }

    fn read(&mut self, buffer: &mut [u8]) -> Option<()> {
        match self.tls.read_exact(buffer) {
            Ok(()) => Some(()),
            Err(error) => {
                let waited = matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut);
                assert!(!waited, "nothing came, and no end");
                None
            }
        }
    }
}

pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
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

pub fn text_block(fields: &[(&str, &str)]) -> Vec<u8> {
    let bytes: Vec<_> =
        fields.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect();
    block(&bytes)
}

/// How many requests were counted, whatever became of them.
pub fn requests(figures: &Figures) -> u64 {
    figures.requests.iter().map(|row| row.count).sum()
}
