//! One connection: TLS, then HTTP within limits.

use std::{convert::Infallible, pin::pin, sync::Arc, time::Duration};

use hyper::{
    server::conn::{http1, http2},
    service::service_fn,
};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::{net::TcpStream, sync::watch, time::timeout};
use tokio_rustls::TlsAcceptor;

use crate::{
    limits::{
        CONNECTION_TIMEOUT_MS, HEADER_BYTES_MAX, HEADER_TIMEOUT_MS, HEADERS_MAX,
        HTTP2_ERROR_RESETS_MAX, HTTP2_PENDING_RESETS_MAX, HTTP2_STREAMS_MAX,
        TLS_HANDSHAKE_TIMEOUT_MS,
    },
    routes::{self, Api},
};

/// Serves a connection to its end, or to the drain.
pub async fn serve(
    stream: TcpStream,
    acceptor: TlsAcceptor,
    api: Arc<Api>,
    mut drain: watch::Receiver<bool>,
) {
    let handshake =
        timeout(Duration::from_millis(TLS_HANDSHAKE_TIMEOUT_MS), acceptor.accept(stream));
    let stream = match handshake.await {
        Ok(Ok(stream)) => stream,
        Ok(Err(error)) => return tracing::debug!(%error, "a TLS handshake failed"),
        Err(_) => return tracing::debug!("a TLS handshake took too long"),
    };
    let is_http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
    let service = service_fn(move |request| {
        let answer = routes::answer(request, api.clone());
        async move { Ok::<_, Infallible>(answer.await) }
    });
    let io = TokioIo::new(stream);
    let lifetime = Duration::from_millis(CONNECTION_TIMEOUT_MS);
    let ended = if is_http2 {
        let mut connection = pin!(http2_builder().serve_connection(io, service));
        tokio::select! {
            ended = timeout(lifetime, connection.as_mut()) => ended,
            () = drained(&mut drain) => {
                connection.as_mut().graceful_shutdown();
                timeout(lifetime, connection).await
            }
        }
    } else {
        let mut connection = pin!(http1_builder().serve_connection(io, service));
        tokio::select! {
            ended = timeout(lifetime, connection.as_mut()) => ended,
            () = drained(&mut drain) => {
                connection.as_mut().graceful_shutdown();
                timeout(lifetime, connection).await
            }
        }
    };
    match ended {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "a connection ended"),
        Err(_) => tracing::debug!("a connection lasted too long"),
    }
}

async fn drained(drain: &mut watch::Receiver<bool>) {
    // An error means that the server is gone, which is a drain too.
    drop(drain.wait_for(|on| *on).await);
}

fn http1_builder() -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .max_headers(HEADERS_MAX)
        .max_header_size(HEADER_BYTES_MAX)
        .max_buf_size(HEADER_BYTES_MAX * 2)
        .header_read_timeout(Duration::from_millis(HEADER_TIMEOUT_MS));
    builder
}

fn http2_builder() -> http2::Builder<TokioExecutor> {
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder
        .timer(TokioTimer::new())
        .max_concurrent_streams(HTTP2_STREAMS_MAX)
        .max_header_list_size(u32::try_from(HEADER_BYTES_MAX).unwrap_or(u32::MAX))
        .max_pending_accept_reset_streams(HTTP2_PENDING_RESETS_MAX)
        .max_local_error_reset_streams(HTTP2_ERROR_RESETS_MAX)
        .keep_alive_interval(Duration::from_millis(HEADER_TIMEOUT_MS))
        .keep_alive_timeout(Duration::from_millis(TLS_HANDSHAKE_TIMEOUT_MS));
    builder
}
