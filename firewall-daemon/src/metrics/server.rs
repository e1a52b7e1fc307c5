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
const OLDER: &str = "text/plain; version=0.0.4; charset=utf-8";
const TEXT: &str = "text/plain; charset=utf-8";

/// The address cannot be had.
#[derive(Debug, thiserror::Error)]
#[error(
    "metrics.listen: cannot listen on {address}: {source}; stop what uses the port or choose another"
)]
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
    let accept = request.headers().get(header::ACCEPT).and_then(|value| value.to_str().ok());
    let plain = accept.is_some_and(wants_plain);
    respond(request.method(), request.uri().path(), plain, source)
}

/// Whether a caller asks for the older text format and not for OpenMetrics, as `promtool check metrics` needs.
fn wants_plain(accept: &str) -> bool {
    accept.contains("text/plain") && !accept.contains("openmetrics")
}

/// OpenMetrics in the text format 0.0.4, in which a counter is named like its samples.
fn older(metrics: &str) -> String {
    let mut out = String::with_capacity(metrics.len());
    let counters: Vec<&str> = metrics
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.strip_suffix(" counter"))
        .collect();
    for line in metrics.lines().filter(|line| *line != "# EOF" && !line.starts_with("# UNIT ")) {
        let comment = line.strip_prefix("# ").and_then(|rest| rest.split_once(' '));
        match comment.and_then(|(kind, rest)| Some((kind, rest.split_once(' ')?))) {
            Some((kind, (name, rest))) if counters.contains(&name) => {
                out.push_str(&format!("# {kind} {name}_total {rest}\n"));
            }
            _ => {
                out.push_str(line);
                out.push('\n');
            }
        }
    }
    out
}

fn respond(
    method: &Method,
    path: &str,
    plain: bool,
    source: &dyn SnapshotSource,
) -> Response<Full<Bytes>> {
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
        Ok(metrics) if plain => {
            let mut found = text(StatusCode::OK, older(&metrics));
            let kind = header::HeaderValue::from_static(OLDER);
            found.headers_mut().insert(header::CONTENT_TYPE, kind);
            found
        }
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
            let response = respond(&method, path, false, &Fixed(fault));
            assert_eq!(response.status().as_u16(), status, "{method} {path}");
        }
        let found = respond(&Method::GET, "/metrics", false, &Fixed(None));
        assert_eq!(found.headers()[header::CONTENT_TYPE], OPENMETRICS);
        let found = respond(&Method::GET, "/metrics", true, &Fixed(None));
        assert_eq!(found.headers()[header::CONTENT_TYPE], OLDER);
    }

    #[test]
    fn the_older_format_names_a_counter_like_its_samples() {
        let newer = "# HELP a b.\n# TYPE a counter\n# UNIT a seconds\na_total 1\n# TYPE g gauge\ng 2\n# EOF\n";
        let expected =
            "# HELP a_total b.\n# TYPE a_total counter\na_total 1\n# TYPE g gauge\ng 2\n";
        assert_eq!(older(newer), expected);
        // (what a caller accepts, whether it is the older format)
        for (accept, expected) in [
            ("text/plain", true),
            ("*/*", false),
            ("application/openmetrics-text;version=1.0.0,text/plain;q=0.5", false),
        ] {
            assert_eq!(wants_plain(accept), expected, "{accept}");
        }
    }
}
