//! Telling events to those who watch. A watcher that reads too slowly loses events and is told how many;
//! one that stops reading is left. Neither holds up anyone else.

use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::UnixStream,
    sync::{
        Semaphore,
        broadcast::{
            self,
            error::{RecvError, TryRecvError},
        },
        watch,
    },
    time::timeout,
};

use super::{Answer, Watched, server::written};
use crate::status::EventLine;

/// Watchers at once; one more is refused. Apart from the callers of other verbs.
pub const WATCHERS_MAX: usize = 8;
/// Events that wait for the slowest watcher: more than the ring buffer gives at one beat, about 6 MiB.
const QUEUE_EVENTS: usize = 8_192;
/// Lines are written together up to so many bytes.
const BATCH_BYTES: usize = 64 << 10;
/// A watcher that takes nothing for so long is left.
const WRITE_WAIT: Duration = Duration::from_secs(5);
/// At the end of the daemon, a last word has so long to be said.
const LAST_WORD_WAIT: Duration = Duration::from_millis(500);

/// Those who watch.
pub struct Watchers {
    /// Lines as they are sent, made once for all.
    lines: broadcast::Sender<Arc<[u8]>>,
    permits: Arc<Semaphore>,
    lost: AtomicU64,
    dropped: AtomicU64,
}

impl Default for Watchers {
    fn default() -> Self {
        Self {
            lines: broadcast::Sender::new(QUEUE_EVENTS),
            permits: Arc::new(Semaphore::new(WATCHERS_MAX)),
            lost: AtomicU64::new(0),
            dropped: AtomicU64::new(0),
        }
    }
}

impl Watchers {
    /// Tells an event to all who watch, without waiting for any.
    pub fn tell(&self, event: &EventLine) {
        if self.count() == 0 {
            return;
        }
        // An event is plain data, which is always written; nobody listens any more where it is not sent.
        if let Ok(line) = written(&Answer::Ok(Watched::Event(event))) {
            let _ = self.lines.send(line.into());
        }
    }

    /// How many watch.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.lines.receiver_count() as u64
    }

    /// Events that a watcher lost, each watcher's counted.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    /// Watchers that stopped reading and were left.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Serves a watcher until it leaves, stops reading, or `stop` says true.
    pub(super) async fn serve(
        &self,
        mut stream: UnixStream,
        begin: Vec<u8>,
        mut stop: watch::Receiver<bool>,
    ) -> io::Result<()> {
        let Ok(_permit) = self.permits.clone().try_acquire_owned() else {
            let refusal = Answer::<()>::Error(format!(
                "expected fewer than {WATCHERS_MAX} watchers, found as many: end one of them"
            ));
            return self.write(&mut stream, &written(&refusal)?).await;
        };
        // From here on: what is told before the first line is written is not missed.
        let mut lines = self.lines.subscribe();
        self.write(&mut stream, &begin).await?;
        loop {
            let mut left = [0];
            let batch = tokio::select! {
                line = lines.recv() => match line {
                    Ok(line) => Some(self.batch(line.to_vec(), &mut lines)?),
                    Err(RecvError::Lagged(events)) => Some(self.lost_line(events)?),
                    Err(RecvError::Closed) => None,
                },
                // It has nothing more to say: whatever comes, it is the end.
                read = stream.read(&mut left) => return read.map(|_| ()),
                _ = stop.wait_for(|stop| *stop) => None,
            };
            let Some(batch) = batch else { return last_word(&mut stream).await };
            if let Err(error) = self.write(&mut stream, &batch).await {
                self.lost.fetch_add(lines.len() as u64, Ordering::Relaxed);
                return Err(error);
            }
        }
    }

    /// The lines that are there already, behind the first.
    fn batch(
        &self,
        mut batch: Vec<u8>,
        lines: &mut broadcast::Receiver<Arc<[u8]>>,
    ) -> io::Result<Vec<u8>> {
        while batch.len() < BATCH_BYTES {
            match lines.try_recv() {
                Ok(line) => batch.extend_from_slice(&line),
                Err(TryRecvError::Lagged(events)) => batch.extend(self.lost_line(events)?),
                Err(TryRecvError::Empty | TryRecvError::Closed) => break,
            }
        }
        Ok(batch)
    }

    fn lost_line(&self, events: u64) -> io::Result<Vec<u8>> {
        self.lost.fetch_add(events, Ordering::Relaxed);
        written(&Answer::Ok(Watched::<EventLine>::Lost { events }))
    }

    async fn write(&self, stream: &mut UnixStream, bytes: &[u8]) -> io::Result<()> {
        match timeout(WRITE_WAIT, stream.write_all(bytes)).await {
            Ok(written) => written,
            Err(late) => {
                self.dropped.fetch_add(1, Ordering::Relaxed);
                tracing::warn!(
                    wait_s = WRITE_WAIT.as_secs(),
                    "control: a watcher that reads nothing is left"
                );
                Err(late.into())
            }
        }
    }

    /// Waits until all of them have had a last word, after `stop` has said true.
    pub(super) async fn ended(&self) {
        let all = self.permits.acquire_many(WATCHERS_MAX as u32);
        // One that reads nothing is not waited for.
        let _ = timeout(2 * LAST_WORD_WAIT, all).await;
    }
}

async fn last_word(stream: &mut UnixStream) -> io::Result<()> {
    let line = written(&Answer::Ok(Watched::<EventLine>::Stopped {}))?;
    timeout(LAST_WORD_WAIT, stream.write_all(&line)).await.unwrap_or_else(|late| Err(late.into()))
}

#[cfg(test)]
mod tests {
    use tokio::{io::AsyncBufReadExt as _, task::JoinHandle};

    use super::*;

    struct Place {
        watchers: Arc<Watchers>,
        stop: watch::Sender<bool>,
    }

    impl Place {
        fn new() -> Self {
            Self { watchers: Arc::default(), stop: watch::Sender::new(false) }
        }

        fn watch(&self) -> (UnixStream, JoinHandle<io::Result<()>>) {
            let (caller, daemon) = UnixStream::pair().expect("a pair");
            let (watchers, stop) = (self.watchers.clone(), self.stop.subscribe());
            let serve = async move { watchers.serve(daemon, b"begin\n".to_vec(), stop).await };
            (caller, tokio::spawn(serve))
        }

        fn tell(&self, numbers: std::ops::Range<u64>) {
            for number in numbers {
                self.watchers.tell(&EventLine { time_ns: number, ..EventLine::default() });
            }
        }
    }

    /// The lines that a watcher reads until the end, in short: numbers of events, and what else there is.
    async fn read(caller: UnixStream) -> Vec<String> {
        let mut lines = tokio::io::BufReader::new(caller).lines();
        let mut read = Vec::new();
        while let Some(line) = lines.next_line().await.expect("text") {
            let number = line.strip_prefix("{\"ok\":{\"event\":{\"time_ns\":");
            let number = number.and_then(|rest| rest.split(',').next());
            read.push(number.unwrap_or(&line).to_owned());
        }
        read
    }

    async fn begun(caller: &mut UnixStream) {
        let mut begin = [0; 6];
        caller.read_exact(&mut begin).await.expect("the first line");
        assert_eq!(&begin, b"begin\n");
    }

    #[tokio::test]
    async fn all_that_is_told_comes_in_order_and_then_a_last_word() {
        let place = Place::new();
        place.tell(0..5);
        let (mut caller, served) = place.watch();
        begun(&mut caller).await;
        assert_eq!(place.watchers.count(), 1);
        place.tell(5..8);
        tokio::task::yield_now().await;
        place.stop.send_replace(true);
        place.watchers.ended().await;
        assert_eq!(read(caller).await, ["5", "6", "7", "{\"ok\":{\"stopped\":{}}}"]);
        served.await.expect("no panic").expect("a last word");
        assert_eq!((place.watchers.lost(), place.watchers.dropped()), (0, 0));
    }

    #[tokio::test]
    async fn a_slow_watcher_is_told_what_it_lost() {
        const MORE: u64 = 100;
        let place = Place::new();
        let (mut caller, served) = place.watch();
        begun(&mut caller).await;
        // All at once, as after a long beat: the oldest find no room.
        place.tell(0..QUEUE_EVENTS as u64 + MORE);
        let (reader, ()) = tokio::join!(tokio::spawn(read(caller)), async {
            while !place.watchers.lines.is_empty() {
                tokio::task::yield_now().await;
            }
            place.stop.send_replace(true);
        });
        let lines = reader.expect("no panic");
        let lost = format!("{{\"ok\":{{\"lost\":{{\"events\":{MORE}}}}}}}");
        assert_eq!((&lines[0], &lines[1]), (&lost, &MORE.to_string()));
        assert_eq!(lines.len(), 1 + QUEUE_EVENTS + 1);
        assert_eq!(lines[QUEUE_EVENTS], (QUEUE_EVENTS as u64 + MORE - 1).to_string());
        assert_eq!((place.watchers.lost(), place.watchers.dropped()), (MORE, 0));
        served.await.expect("no panic").expect("a last word");
    }

    #[tokio::test]
    async fn one_that_reads_nothing_is_left_and_one_that_leaves_is_forgotten() {
        let place = Place::new();
        let (mut idle, idle_served) = place.watch();
        let (mut leaving, leaving_served) = place.watch();
        begun(&mut idle).await;
        begun(&mut leaving).await;
        drop(leaving);
        leaving_served.await.expect("no panic").expect("it left");
        assert_eq!((place.watchers.count(), place.watchers.dropped()), (1, 0));
        // More than a socket holds.
        place.tell(0..QUEUE_EVENTS as u64);
        let error = idle_served.await.expect("no panic").expect_err("it is left");
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert_eq!((place.watchers.count(), place.watchers.dropped()), (0, 1));
        assert!(place.watchers.lost() > 0, "what it did not get is lost");
    }

    #[tokio::test]
    async fn one_too_many_is_refused_until_another_leaves() {
        let place = Place::new();
        let mut watching = Vec::new();
        for _ in 0..WATCHERS_MAX {
            let (mut caller, served) = place.watch();
            begun(&mut caller).await;
            watching.push((caller, served));
        }
        let (caller, _) = place.watch();
        let refusal =
            "{\"error\":\"expected fewer than 8 watchers, found as many: end one of them\"}";
        assert_eq!(read(caller).await, [refusal]);
        let (caller, served) = watching.pop().expect("one of them");
        drop(caller);
        served.await.expect("no panic").expect("it left");
        let (mut caller, _) = place.watch();
        begun(&mut caller).await;
    }
}
