//! A body that is compressed while it streams.

use std::{
    io::Write as _,
    task::{Context, Poll},
};

use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use http::HeaderMap;
use http_body::Frame;

use super::{ResponseError, UpstreamBody};
use crate::limits::{GZIP_CHUNK_BYTES, GZIP_LEVEL};

/// The upstream's body through gzip. What it holds back is at most one chunk and gzip's window.
pub struct Gzip {
    body: UpstreamBody,
    encoder: GzEncoder<Vec<u8>>,
    unflushed: bool,
    ended: bool,
    trailers: Option<HeaderMap>,
}

impl Gzip {
    /// Compresses `body`.
    #[must_use]
    pub fn new(body: UpstreamBody) -> Self {
        let encoder = GzEncoder::new(Vec::new(), Compression::new(GZIP_LEVEL));
        Self { body, encoder, unflushed: false, ended: false, trailers: None }
    }

    /// The next chunk.
    pub fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, ResponseError>>> {
        while !self.ended {
            // Writing to memory does not fail.
            let _written = match self.body.poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                    Ok(data) => {
                        self.unflushed |= !data.is_empty();
                        self.encoder.write_all(&data)
                    }
                    Err(frame) => {
                        self.trailers = frame.into_trailers().ok();
                        Ok(())
                    }
                },
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
        Poll::Ready(self.trailers.take().map(|trailers| Ok(Frame::trailers(trailers))))
    }

    /// Whether all was handed out.
    #[must_use]
    pub fn is_end_stream(&self) -> bool {
        self.ended && self.trailers.is_none()
    }

    fn chunk(&mut self) -> Frame<Bytes> {
        Frame::data(std::mem::take(self.encoder.get_mut()).into())
    }
}
