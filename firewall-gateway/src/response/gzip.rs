//! A body that is compressed while it streams.

use std::{
    io::Write as _,
    task::{Context, Poll},
};

use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use http_body::Frame;

use super::{ResponseError, UpstreamBody};
use crate::limits::{GZIP_CHUNK_BYTES, GZIP_LEVEL};

/// The upstream's body through gzip. What it holds back is at most one chunk and gzip's window.
pub struct Gzip {
    body: UpstreamBody,
    encoder: GzEncoder<Vec<u8>>,
    unflushed: bool,
    ended: bool,
}

impl Gzip {
    /// Compresses `body`.
    #[must_use]
    pub fn new(body: UpstreamBody) -> Self {
        let encoder = GzEncoder::new(Vec::new(), Compression::new(GZIP_LEVEL));
        Self { body, encoder, unflushed: false, ended: false }
    }

    /// The next chunk.
    pub fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, ResponseError>>> {
        while !self.ended {
            // Writing to memory does not fail.
            let _written = match self.body.poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => {
                    let data = frame.into_data().unwrap_or_default();
                    self.unflushed |= !data.is_empty();
                    self.encoder.write_all(&data)
                }
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Some(Err(error))),
                Poll::Ready(None) => {
                    self.ended = true;
                    self.encoder.try_finish()
                }
                // The upstream thinks: what it has said so far goes to the client now.
                Poll::Pending if self.unflushed => {
                    self.unflushed = false;
                    let _flushed = self.encoder.flush();
                    return Poll::Ready(Some(Ok(self.chunk())));
                }
                Poll::Pending => return Poll::Pending,
            };
            if self.ended || self.encoder.get_ref().len() >= GZIP_CHUNK_BYTES {
                return Poll::Ready(Some(Ok(self.chunk())));
            }
        }
        Poll::Ready(None)
    }

    /// Whether all was handed out.
    #[must_use]
    pub fn is_end_stream(&self) -> bool {
        self.ended
    }

    fn chunk(&mut self) -> Frame<Bytes> {
        Frame::data(std::mem::take(self.encoder.get_mut()).into())
    }
}
