//! An HTTP/1 connection: requests one after the other, and quiet times in between that cost little.

use std::{convert::Infallible, future::poll_fn, pin::Pin, rc::Rc, time::Duration};

use http::{Request, Response};
use hyper::{body::Incoming, server::conn::http1, service::Service};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt},
    sync::watch,
    time::timeout,
};

use super::{Client, Ending, Watch, activity::Expiry, wire::Wire};
use crate::{
    limits::{self, Limits},
    rejection::Rejection,
    response::ResponseBody,
};

/// Serves it to its end.
pub async fn serve<IO, S>(
    mut wire: Wire<IO>,
    mut service: S,
    client: &Rc<Client>,
    mut drain: watch::Receiver<bool>,
) -> Ending
where
    IO: AsyncRead + AsyncWrite + Unpin,
    S: Service<Request<Incoming>, Response = Response<ResponseBody>, Error = Infallible> + Unpin,
    S::Future: Unpin,
{
    let mut watch = Watch::new(client);
    let mut draining = false;
    loop {
        // Boxed, so that its memory is free while the connection is parked.
        let io = TokioIo::new(wire);
        let mut connection = Box::new(builder(&client.limits).serve_connection(io, service));
        let ending = loop {
            let expiry = tokio::select! {
                // The watch comes last: it sees what the connection has just done.
                biased;
                ended = poll_fn(|cx| connection.poll_without_shutdown(cx)) => {
                    break Some((ended.err(), None));
                }
                _ = drain.wait_for(|on| *on), if !draining => {
                    draining = true;
                    client.activity.draining();
                    continue;
                }
                expiry = poll_fn(|cx| watch.poll(cx)) => expiry,
            };
            match expiry {
                Expiry::Quiet => Pin::new(&mut *connection).graceful_shutdown(),
                Expiry::Cut(rejection) => break Some((None, rejection)),
                Expiry::Park => break None,
            }
        };
        let http1::Parts { io, read_buf, service: same, .. } = (*connection).into_parts();
        (wire, service) = (io.into_inner(), same);
        let ending = match ending {
            Some(ending) => match client.tunnel.take() {
                Some(tunnel) => {
                    Box::pin(tunnel.carry(wire.into_inner(), read_buf)).await;
                    return ending;
                }
                None => ending,
            },
            None => {
                wire.unread(&read_buf);
                drop(read_buf);
                match park(&mut wire, client, &mut drain, &mut draining, &mut watch).await {
                    Parked::Woken => continue,
                    Parked::Ended(rejection) => (None, rejection),
                }
            }
        };
        // hyper leaves a connection open whose last request asked for an upgrade.
        let linger = Duration::from_millis(limits::LINGER_TIMEOUT_MS);
        let cut = matches!(ending, (None, Some(_)));
        if !cut && timeout(linger, wire.shutdown()).await.is_err() {
            tracing::debug!(peer = %client.peer, "a client did not close its side in time");
        }
        return ending;
    }
}

enum Parked {
    Woken,
    Ended(Option<Rejection>),
}

/// Waits for the next byte with nothing but the TLS session at hand: hyper's buffers are most of what a
/// quiet connection would hold.
async fn park<IO: AsyncRead + AsyncWrite + Unpin>(
    wire: &mut Wire<IO>,
    client: &Client,
    drain: &mut watch::Receiver<bool>,
    draining: &mut bool,
    watch: &mut Watch<'_>,
) -> Parked {
    loop {
        tokio::select! {
            biased;
            read = poll_fn(|cx| wire.poll_wake(cx)) => return match read {
                Ok(true) => Parked::Woken,
                Ok(false) | Err(_) => Parked::Ended(None),
            },
            _ = drain.wait_for(|on| *on), if !*draining => {
                *draining = true;
                client.activity.draining();
            }
            expiry = poll_fn(|cx| watch.poll(cx)) => return match expiry {
                Expiry::Cut(rejection) => Parked::Ended(rejection),
                Expiry::Quiet | Expiry::Park => Parked::Ended(None),
            },
        }
    }
}

fn builder(limits: &Limits) -> http1::Builder {
    let hard_stop = limits::HEADER_HARD_STOP_FACTOR;
    let header_bytes = (limits.header_bytes_max * hard_stop) as usize;
    let mut builder = http1::Builder::new();
    let headers_max = limits.headers_max * hard_stop;
    let inline = limits::HTTP1_HEADERS_INLINE;
    if headers_max < inline || limits.headers_max > inline {
        builder.max_headers(headers_max as usize);
    }
    builder
        .timer(TokioTimer::new())
        .max_header_size(header_bytes)
        .max_buf_size(header_bytes.max(limits::HTTP1_BUFFER_BYTES_MIN))
        // hyper's clock starts while the connection is idle, and anew for each head; ours (activity.rs)
        // tells waiting for a request from waiting for the rest of one.
        .header_read_timeout(None)
        // A client that closes has left: its request ends and frees the upstream's connection.
        .half_close(false)
        .keep_alive(true)
        .pipeline_flush(false);
    builder
}
