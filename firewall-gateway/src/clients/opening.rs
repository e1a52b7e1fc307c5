//! A TCP connection in its first moments: bytes that were read too far come again, and the
//! ClientHello is kept for a look after the handshake.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf},
    net::TcpStream,
};

use super::{
    ja4::{self, Look},
    proxy_header::{self, Parsed},
};
use crate::limits::{CLIENT_HELLO_BYTES_MAX, PROXY_HEADER_BYTES_MAX};

/// A stream that TLS is spoken over.
pub struct Opening {
    stream: TcpStream,
    /// Until the look: most of a connection's life goes by after it.
    beginning: Option<Box<Beginning>>,
}

struct Beginning {
    again: Vec<u8>,
    again_from: usize,
    hello: Option<Vec<u8>>,
}

impl Opening {
    /// A connection that was just accepted.
    #[must_use]
    pub fn new(stream: TcpStream) -> Self {
        let beginning = Beginning { again: Vec::new(), again_from: 0, hello: Some(Vec::new()) };
        Self { stream, beginning: Some(Box::new(beginning)) }
    }

    /// Takes the PROXY header off the beginning.
    ///
    /// # Errors
    /// There is none, or the connection ended in it.
    pub async fn proxy_header(&mut self) -> io::Result<Option<std::net::SocketAddr>> {
        let mut bytes = Vec::with_capacity(PROXY_HEADER_BYTES_MAX);
        loop {
            match proxy_header::parse(&bytes) {
                Parsed::Header { bytes: length, source } => {
                    if let Some(beginning) = &mut self.beginning {
                        beginning.again = bytes.split_off(length.min(bytes.len()));
                    }
                    return Ok(source);
                }
                Parsed::Invalid => return Err(io::ErrorKind::InvalidData.into()),
                Parsed::Incomplete => {}
            }
            // An incomplete header is shorter than the bound, so there is room.
            let room = PROXY_HEADER_BYTES_MAX.saturating_sub(bytes.len()) as u64;
            if (&mut self.stream).take(room).read_buf(&mut bytes).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }

    /// What the ClientHello looks like; after the handshake, and once.
    pub fn look(&mut self) -> Option<Look> {
        let beginning = self.beginning.as_mut()?;
        let hello = beginning.hello.take()?;
        if beginning.again.is_empty() {
            self.beginning = None;
        }
        ja4::of(&hello)
    }
}

impl AsyncRead for Opening {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        let Some(beginning) = &mut this.beginning else {
            return Pin::new(&mut this.stream).poll_read(cx, buffer);
        };
        let before = buffer.filled().len();
        if beginning.again.is_empty() {
            ready!(Pin::new(&mut this.stream).poll_read(cx, buffer))?;
        } else {
            let rest = beginning.again.get(beginning.again_from..).unwrap_or_default();
            let part = rest.get(..rest.len().min(buffer.remaining())).unwrap_or_default();
            buffer.put_slice(part);
            beginning.again_from += part.len();
            if beginning.again_from >= beginning.again.len() {
                beginning.again = Vec::new();
            }
        }
        if let Some(hello) = &mut beginning.hello {
            let read = buffer.filled().get(before..).unwrap_or_default();
            let room = CLIENT_HELLO_BYTES_MAX.saturating_sub(hello.len());
            hello.extend(read.iter().take(room));
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Opening {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
