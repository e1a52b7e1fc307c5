//! Answering on the control socket.

use std::{io, sync::Arc, time::Duration};

use serde::Serialize;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{UnixListener, UnixStream},
    sync::{Semaphore, watch},
    task::spawn_blocking,
    time::timeout,
};

use super::{Answer, Handler, REQUEST_BYTES_MAX, Request};

/// Callers at once; one more waits.
const CONNECTIONS_MAX: usize = 16;
/// From the connection to the end of the request, and from the answer's first byte to its last.
const WAIT: Duration = Duration::from_secs(2);
/// After a failed accept: a loop that finds no free descriptor must not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves until `stop` says true.
pub async fn serve(
    listener: UnixListener,
    handler: Arc<dyn Handler>,
    mut stop: watch::Receiver<bool>,
) {
    let permits = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let Ok(permit) = permits.clone().acquire_owned().await else { return };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            _ = stop.wait_for(|stop| *stop) => return,
        };
        match accepted {
            Ok((stream, _)) => {
                let handler = handler.clone();
                tokio::spawn(async move {
                    let _permit = permit;
                    if let Err(error) = connection(stream, handler).await {
                        tracing::debug!(%error, "control: a caller left early");
                    }
                });
            }
            Err(error) => {
                tracing::warn!(%error, "control: cannot accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn connection(mut stream: UnixStream, handler: Arc<dyn Handler>) -> io::Result<()> {
    let answer = match permitted(&stream)? {
        true => match timeout(WAIT, line(&mut stream)).await {
            Ok(line) => answer(line?, handler).await?,
            Err(_) => error(format!("expected a request within {} s", WAIT.as_secs()))?,
        },
        false => error("expected root or the daemon's own user".to_owned())?,
    };
    timeout(WAIT, stream.write_all(&answer)).await.unwrap_or_else(|late| Err(late.into()))
}

/// The file's mode keeps others out already; this holds where someone widened it.
fn permitted(stream: &UnixStream) -> io::Result<bool> {
    let caller = stream.peer_cred()?.uid();
    Ok(caller == 0 || caller == nix::unistd::geteuid().as_raw())
}

/// All up to a line feed, or up to one byte more than a request may have.
async fn line(stream: &mut UnixStream) -> io::Result<Vec<u8>> {
    let mut line = Vec::new();
    let mut limited = stream.take(REQUEST_BYTES_MAX as u64 + 1);
    loop {
        let read = limited.read_buf(&mut line).await?;
        if let Some(end) = line.iter().position(|byte| *byte == b'\n') {
            line.truncate(end);
            return Ok(line);
        }
        if read == 0 {
            return Ok(line);
        }
    }
}

/// The line that answers a line.
async fn answer(line: Vec<u8>, handler: Arc<dyn Handler>) -> io::Result<Vec<u8>> {
    if line.len() > REQUEST_BYTES_MAX {
        return error(format!("expected at most {REQUEST_BYTES_MAX} bytes in a request"));
    }
    match serde_json::from_slice(&line) {
        // Apart from the servers: tables are read and the program is run.
        Ok(request) => spawn_blocking(move || act(request, handler.as_ref())).await?,
        Err(found) => error(format!(
            "expected a request such as {{\"verb\":\"status\"}}, found something else: {found}"
        )),
    }
}

fn act(request: Request, handler: &dyn Handler) -> io::Result<Vec<u8>> {
    match request {
        Request::Status {} => written(&Answer::Ok(handler.status())),
        Request::Explain { subject } => match handler.explain(&subject) {
            Ok(explanation) => written(&Answer::Ok(explanation)),
            Err(refusal) => error(refusal.to_string()),
        },
    }
}

fn error(text: String) -> io::Result<Vec<u8>> {
    written(&Answer::<()>::Error(text))
}

fn written<T: Serialize>(answer: &Answer<T>) -> io::Result<Vec<u8>> {
    let mut bytes = serde_json::to_vec(answer)?;
    bytes.push(b'\n');
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        explain::{ExplainError, Explanation, Question, Subject},
        status::Snapshot,
    };

    struct Fixed;

    impl Handler for Fixed {
        fn status(&self) -> Snapshot {
            Snapshot { generation: 3, ..Snapshot::default() }
        }

        fn explain(&self, subject: &Subject) -> Result<Explanation, ExplainError> {
            Question::new(subject).map(|_| Explanation::default())
        }
    }

    #[tokio::test]
    async fn requests() {
        let long = " ".repeat(REQUEST_BYTES_MAX + 1);
        let explain = |subject: &str| format!("{{\"verb\":\"explain\",\"subject\":{subject}}}");
        let packet = |hex: &str| explain(&format!("{{\"packet\":{{\"hex\":\"{hex}\"}}}}"));
        let address = |source: &str, protocol: &str, port: &str| {
            let fields =
                format!("\"source\":\"{source}\",\"protocol\":\"{protocol}\",\"port\":{port}");
            explain(&format!("{{\"address\":{{{fields}}}}}"))
        };
        // (request, part of the answer)
        for (request, expected) in [
            ("{\"verb\":\"status\"}".to_owned(), "\"generation\":3"),
            (String::new(), "expected a request such as"),
            ("status".to_owned(), "expected a request such as"),
            ("{\"verb\":\"detach\"}".to_owned(), "unknown variant `detach`"),
            ("{\"verb\":\"status\",\"x\":1}".to_owned(), "unknown field `x`"),
            ("\u{0}".to_owned(), "expected a request such as"),
            (long, "expected at most 65536 bytes"),
            (packet(&"00".repeat(14)), "{\"ok\":{"),
            (packet(&"00".repeat(3_520)), "{\"ok\":{"),
            (packet(&"00".repeat(13)), "expected a frame of 14 to 3520 bytes"),
            (packet(&"00".repeat(3_521)), "the Ethernet header on, found 3521"),
            (packet("0g"), "found 'g' at character 2"),
            (packet("000"), "the one at character 3 has no second"),
            (packet("\\ud800"), "expected a request such as"),
            (address("2001:db8::7", "udp", "443"), "{\"ok\":{"),
            (address("::ffff:203.0.113.7", "icmp", "null"), "{\"ok\":{"),
            (address("203.0.113.0/24", "tcp", "443"), "invalid IP address syntax"),
            (address("203.0.113.7", "sctp", "443"), "unknown variant `sctp`"),
            (address("203.0.113.7", "tcp", "65536"), "invalid value: integer `65536`"),
            (address("203.0.113.7", "tcp", "-1"), "invalid value: integer `-1`"),
            (
                address("203.0.113.7", "icmp", "0"),
                "expected none with icmp, which has none, found 0",
            ),
            (explain("{}"), "expected a request such as"),
            (explain("{\"packet\":{\"hex\":\"00\",\"x\":1}}"), "unknown field `x`"),
            (explain("{\"packet\":{\"hex\":\"00\"},\"address\":{}}"), "expected a request such"),
        ] {
            let answer = answer(request.clone().into_bytes(), Arc::new(Fixed)).await.expect("json");
            let answer = String::from_utf8(answer).expect("text");
            assert!(answer.contains(expected), "{request}: {answer}");
        }
        let answer = answer(b"\xff\xfe\x00".to_vec(), Arc::new(Fixed)).await.expect("json");
        assert!(answer.starts_with(b"{\"error\":\"expected a request such as"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_caller_who_says_nothing_is_told_and_left() {
        let (mut caller, daemon) = UnixStream::pair().expect("a pair");
        connection(daemon, Arc::new(Fixed)).await.expect("an answer");
        let mut answer = String::new();
        caller.read_to_string(&mut answer).await.expect("text");
        assert_eq!(answer, "{\"error\":\"expected a request within 2 s\"}\n");
    }

    #[tokio::test(start_paused = true)]
    async fn a_line_may_come_in_pieces_and_need_not_end() {
        for end in ["\n", ""] {
            let (mut caller, daemon) = UnixStream::pair().expect("a pair");
            caller.write_all(b"{\"verb\":").await.expect("written");
            caller.write_all(format!("\"status\"}}{end}").as_bytes()).await.expect("written");
            caller.shutdown().await.expect("shut");
            connection(daemon, Arc::new(Fixed)).await.expect("an answer");
            let mut answer = String::new();
            caller.read_to_string(&mut answer).await.expect("text");
            assert!(answer.starts_with("{\"ok\":{"), "{answer}");
        }
    }
}
