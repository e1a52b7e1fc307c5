//! Spans on their way to the collector: a bounded queue, a thread of its own, and never a wait in a
//! request. What finds no room or no collector is dropped and counted.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    thread::JoinHandle,
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Uri, header};
use http_body_util::Full;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::{
    net::TcpStream,
    runtime,
    sync::mpsc,
    time::{Instant, timeout_at},
};

use super::{TraceContext, otlp};
use crate::{
    access_log::Record,
    figures::Figures,
    limits::{
        TRACE_BATCH_MAX, TRACE_BATCH_WAIT_MS, TRACE_END_TIMEOUT_MS, TRACE_EXPORT_TIMEOUT_MS,
        TRACE_QUEUE_MAX,
    },
    policy::TracePolicy,
};

/// Takes spans from requests.
#[derive(Clone, Debug)]
pub struct Tracer {
    /// How much is traced.
    pub policy: Arc<TracePolicy>,
    queue: mpsc::Sender<Vec<Value>>,
    counts: Arc<TraceCounts>,
}

/// What became of spans.
#[derive(Debug, Default)]
pub struct TraceCounts {
    /// The collector took them.
    pub exported: AtomicU64,
    /// The queue was full.
    pub dropped_queue: AtomicU64,
    /// The collector could not be reached, refused them or took too long.
    pub dropped_export: AtomicU64,
}

impl TraceCounts {
    /// Shows the counts among the figures.
    pub fn add_to(&self, figures: &mut Figures) {
        for (total, count) in [
            (&mut figures.spans_exported, &self.exported),
            (&mut figures.spans_dropped_queue, &self.dropped_queue),
            (&mut figures.spans_dropped_export, &self.dropped_export),
        ] {
            *total = total.saturating_add(count.load(Relaxed));
        }
    }
}

/// The thread that sends spans; it ends when nobody holds a [`Tracer`] any more.
#[derive(Debug)]
pub struct Exporter {
    thread: JoinHandle<()>,
}

impl Tracer {
    /// Starts the thread.
    ///
    /// # Errors
    /// The system has no thread to give.
    pub fn start(policy: &TracePolicy, counts: Arc<TraceCounts>) -> io::Result<(Tracer, Exporter)> {
        let policy = Arc::new(policy.clone());
        let (queue, received) = mpsc::channel(TRACE_QUEUE_MAX);
        let runtime = runtime::Builder::new_current_thread().enable_io().enable_time().build()?;
        let tracer = Tracer { policy: policy.clone(), queue, counts: counts.clone() };
        let thread = std::thread::Builder::new().name("traces".to_owned());
        let thread = thread.spawn(move || runtime.block_on(export(received, &policy, &counts)))?;
        Ok((tracer, Exporter { thread }))
    }

    /// Hands over the spans of a request that has ended.
    pub fn record(&self, trace: &TraceContext, record: &Record<'_>) {
        if !trace.is_sampled() {
            return;
        }
        let spans = otlp::spans(trace, record);
        let count = spans.len() as u64;
        if self.queue.try_send(spans).is_err() {
            self.counts.dropped_queue.fetch_add(count, Relaxed);
        }
    }
}

impl Exporter {
    /// Waits for the last spans to be sent or given up.
    pub fn finish(self) {
        // A thread that panicked has said so on stderr.
        let _ended = self.thread.join();
    }
}

async fn export(mut queue: mpsc::Receiver<Vec<Value>>, policy: &TracePolicy, counts: &TraceCounts) {
    let mut end = None;
    while let Some(first) = queue.recv().await {
        let mut spans = first;
        let until = Instant::now() + Duration::from_millis(TRACE_BATCH_WAIT_MS);
        while spans.len() < TRACE_BATCH_MAX {
            match timeout_at(until, queue.recv()).await {
                Ok(Some(more)) => spans.extend(more),
                Ok(None) | Err(_) => break,
            }
        }
        let now = Instant::now();
        let deadline = match queue.is_closed() {
            false => now + Duration::from_millis(TRACE_EXPORT_TIMEOUT_MS),
            // The worker ends, and the collector does not hold it up: all that is left has this time.
            true => *end.get_or_insert(now + Duration::from_millis(TRACE_END_TIMEOUT_MS)),
        };
        let count = spans.len() as u64;
        let sent = send(policy, otlp::batch(policy, spans));
        match timeout_at(deadline, sent).await {
            Ok(Ok(())) => counts.exported.fetch_add(count, Relaxed),
            Ok(Err(error)) => {
                tracing::debug!(%error, "spans were not taken by the collector");
                counts.dropped_export.fetch_add(count, Relaxed)
            }
            Err(_) => counts.dropped_export.fetch_add(count, Relaxed),
        };
    }
}

// A connection for each batch: one a second at most while there is little to tell.
async fn send(policy: &TracePolicy, batch: String) -> Result<(), ExportError> {
    let tcp = TcpStream::connect(policy.collector).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(tcp)).await?;
    let mut request = Request::new(Full::new(Bytes::from(batch)));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = Uri::try_from(policy.path.as_str()).map_err(|_| ExportError::Path)?;
    let headers = request.headers_mut();
    headers.insert(
        header::HOST,
        HeaderValue::from_str(&policy.collector.to_string()).map_err(|_| ExportError::Path)?,
    );
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    // The sender and the answer's body end here, and so the connection does.
    let status = async move { sender.send_request(request).await.map(|answer| answer.status()) };
    let (status, _ended) = tokio::join!(status, connection);
    match status? {
        status if status.is_success() => Ok(()),
        status => Err(ExportError::Status(status.as_u16())),
    }
}

#[derive(Debug, thiserror::Error)]
enum ExportError {
    #[error("{0}")]
    Connect(#[from] io::Error),
    #[error("{0}")]
    Http(#[from] hyper::Error),
    #[error("it answered {0}")]
    Status(u16),
    #[error("its path is none")]
    Path,
}
