//! `/metrics` and `/healthz` on a loopback address.

use std::{convert::Infallible, io, net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Semaphore, watch},
    time::timeout,
};

use crate::{metrics::encode, status::SnapshotSource};

/// Scrapers at once; one more waits until one has gone.
const CONNECTIONS_MAX: usize = 32;
/// A scraper keeps a connection so long at the most, whatever it does on it.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(300);
/// From the first byte of a request to the end of its headers.
const HEADER_TIMEOUT: Duration = Duration::from_secs(5);
/// Headers of a scrape: Prometheus sends about ten.
const HEADERS_MAX: usize = 32;
/// hyper's least.
const BUFFER_BYTES_MAX: usize = 8_192;
/// After a failed accept: a loop that finds no free descriptor must not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const TEXT: &str = "text/plain; charset=utf-8";

/// The address cannot be had.
#[derive(Debug, thiserror::Error)]
#[error("metrics.listen: cannot listen on {address}: {source}; stop what uses the port or choose another")]
pub struct BindError {
    address: SocketAddr,
    source: io::Error,
}

/// Binds the address.
///
/// # Errors
///
/// Where it cannot be had.
pub async fn bind(address: SocketAddr) -> Result<TcpListener, BindError> {
    TcpListener::bind(address).await.map_err(|source| BindError { address, source })
}

/// Serves until `stop` says true.
pub async fn serve(
    listener: TcpListener,
    source: Arc<dyn SnapshotSource>,
    mut stop: watch::Receiver<bool>,
) {
    let permits = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let Ok(permit) = permits.clone().acquire_owned().await else { return };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stop.wait_for(|stop| *stop) => return,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                tracing::warn!(%error, "metrics: cannot accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let (source, mut stop) = (source.clone(), stop.clone());
        tokio::spawn(async move {
            let _permit = permit;
            tokio::select! {
                _ = timeout(CONNECTION_TIMEOUT, connection(stream, source)) => {}
                _ = stop.wait_for(|stop| *stop) => {}
            }
        });
    }
}

async fn connection(stream: TcpStream, source: Arc<dyn SnapshotSource>) {
    let service = service_fn(|request| {
        let source = source.clone();
        async move { Ok::<_, Infallible>(answer(&request, source.as_ref())) }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_headers(HEADERS_MAX)
        .max_buf_size(BUFFER_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), service)
        .await;
    if let Err(error) = served {
        tracing::debug!(%error, "metrics: a connection ended early");
    }
}

fn answer(request: &Request<Incoming>, source: &dyn SnapshotSource) -> Response<Full<Bytes>> {
    respond(request.method(), request.uri().path(), source)
}

fn respond(method: &Method, path: &str, source: &dyn SnapshotSource) -> Response<Full<Bytes>> {
    if !matches!(path, "/metrics" | "/healthz") {
        return text(StatusCode::NOT_FOUND, "expected /metrics or /healthz\n".to_owned());
    }
    if !matches!(*method, Method::GET | Method::HEAD) {
        let mut refused = text(StatusCode::METHOD_NOT_ALLOWED, "expected GET\n".to_owned());
        refused.headers_mut().insert(header::ALLOW, header::HeaderValue::from_static("GET, HEAD"));
        return refused;
    }
    let snapshot = source.snapshot();
    if path == "/healthz" {
        return match snapshot.fault {
            None => text(StatusCode::OK, "ok\n".to_owned()),
            Some(fault) => text(StatusCode::SERVICE_UNAVAILABLE, format!("{fault}\n")),
        };
    }
    match encode(&snapshot) {
        Ok(metrics) => {
            let mut found = text(StatusCode::OK, metrics);
            let kind = header::HeaderValue::from_static(OPENMETRICS);
            found.headers_mut().insert(header::CONTENT_TYPE, kind);
            found
        }
        Err(error) => text(StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")),
    }
}

fn text(status: StatusCode, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static(TEXT));
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::Snapshot;

    struct Fixed(Option<&'static str>);

    impl SnapshotSource for Fixed {
        fn snapshot(&self) -> Snapshot {
            Snapshot { fault: self.0.map(str::to_owned), ..Snapshot::default() }
        }
    }

    #[test]
    fn answers() {
        // (method, path, fault, status)
        for (method, path, fault, status) in [
            (Method::GET, "/metrics", None, 200),
            (Method::HEAD, "/metrics", None, 200),
            (Method::GET, "/metrics", Some("no worker"), 200),
            (Method::GET, "/healthz", None, 200),
            (Method::GET, "/healthz", Some("no worker"), 503),
            (Method::POST, "/healthz", None, 405),
            (Method::GET, "/", None, 404),
            (Method::POST, "/metrics/", None, 404),
        ] {
            let response = respond(&method, path, &Fixed(fault));
            assert_eq!(response.status().as_u16(), status, "{method} {path}");
        }
        let found = respond(&Method::GET, "/metrics", &Fixed(None));
        assert_eq!(found.headers()[header::CONTENT_TYPE], OPENMETRICS);
    }
}
