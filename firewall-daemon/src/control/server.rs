//! Answering on the control socket.

use std::{io, sync::Arc, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{UnixListener, UnixStream},
    sync::{Semaphore, watch},
    time::timeout,
};

use super::{Answer, REQUEST_BYTES_MAX, Request};
use crate::status::SnapshotSource;

/// Callers at once; one more waits.
const CONNECTIONS_MAX: usize = 16;
/// From the connection to the end of the request, and from the answer's first byte to its last.
const WAIT: Duration = Duration::from_secs(2);
/// After a failed accept: a loop that finds no free descriptor must not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves until `stop` says true.
pub async fn serve(
    listener: UnixListener,
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
        match accepted {
            Ok((stream, _)) => {
                let source = source.clone();
                tokio::spawn(async move {
                    let _permit = permit;
                    if let Err(error) = connection(stream, source.as_ref()).await {
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

async fn connection(mut stream: UnixStream, source: &dyn SnapshotSource) -> io::Result<()> {
    let answer = match permitted(&stream)? {
        true => match timeout(WAIT, line(&mut stream)).await {
            Ok(line) => answer(&line?, source),
            Err(_) => Answer::Error(format!("expected a request within {} s", WAIT.as_secs())),
        },
        false => Answer::Error("expected root or the daemon's own user".to_owned()),
    };
    let mut bytes = serde_json::to_vec(&answer)?;
    bytes.push(b'\n');
    timeout(WAIT, stream.write_all(&bytes)).await.unwrap_or_else(|late| Err(late.into()))
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

fn answer(line: &[u8], source: &dyn SnapshotSource) -> Answer {
    if line.len() > REQUEST_BYTES_MAX {
        return Answer::Error(format!("expected at most {REQUEST_BYTES_MAX} bytes in a request"));
    }
    match serde_json::from_slice(line) {
        Ok(Request::Status {}) => Answer::Ok(Box::new(source.snapshot())),
        Err(error) => Answer::Error(format!(
            "expected a request such as {{\"verb\":\"status\"}}, found something else: {error}"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::status::Snapshot;

    struct Fixed;

    impl SnapshotSource for Fixed {
        fn snapshot(&self) -> Snapshot {
            Snapshot { generation: 3, ..Snapshot::default() }
        }
    }

    #[test]
    fn requests() {
        let long = vec![b' '; REQUEST_BYTES_MAX + 1];
        // (request, part of the answer)
        for (request, expected) in [
            (&b"{\"verb\":\"status\"}"[..], "\"generation\":3"),
            (b"", "expected a request such as"),
            (b"status", "expected a request such as"),
            (b"{\"verb\":\"detach\"}", "unknown variant `detach`"),
            (b"{\"verb\":\"status\",\"x\":1}", "unknown field `x`"),
            (b"\xff\xfe\x00", "expected a request such as"),
            (&long, "expected at most 65536 bytes"),
        ] {
            let answer = serde_json::to_string(&answer(request, &Fixed)).expect("json");
            assert!(answer.contains(expected), "{answer}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_caller_who_says_nothing_is_told_and_left() {
        let (mut caller, daemon) = UnixStream::pair().expect("a pair");
        connection(daemon, &Fixed).await.expect("an answer");
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
            connection(daemon, &Fixed).await.expect("an answer");
            let mut answer = String::new();
            caller.read_to_string(&mut answer).await.expect("text");
            assert!(answer.starts_with("{\"ok\":{"), "{answer}");
        }
    }
}
