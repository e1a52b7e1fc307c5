//! Clients that never rest: connections over which one request follows the other, whatever happens to the
//! server meanwhile. A connection that the server has ended in the protocol's way is opened again; a request
//! that may have reached the server and got no whole answer has failed.

mod session;

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, anyhow};
use tokio::{runtime, task::JoinSet};

use crate::namespace::Namespace;
use session::{Lost, Session, Target};

/// Failures that are kept word for word.
const FAILURES_KEPT: usize = 10;

/// HTTP/1.1 or HTTP/2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.1 with keep-alive.
    Http1,
    /// HTTP/2.
    Http2,
}

/// What is asked for, and how.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Where the server listens.
    pub address: SocketAddr,
    /// Its name.
    pub host: String,
    /// The path.
    pub path: String,
    /// What the body of every answer has to begin with.
    pub begins: String,
    /// Who is trusted to have signed its certificate.
    pub authority: PathBuf,
    /// The protocol.
    pub protocol: Protocol,
    /// Connections at once.
    pub connections: usize,
}

/// What the clients saw.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// Requests with a whole and right answer.
    pub answered: u64,
    /// The others.
    pub failed: u64,
    /// The first of those, in words.
    pub failures: Vec<String>,
    /// Requests that the server said it had not taken, and that were asked again: HTTP/2 alone has them.
    pub repeated: u64,
    /// Connections that were opened.
    pub connections: u64,
    /// The longest from the wish for an answer to its end, opening a connection included.
    pub longest: Duration,
}

/// Clients at work.
#[derive(Debug)]
pub struct Steady {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Result<Outcome>>,
}

impl Steady {
    /// Starts them in a namespace.
    pub fn start(namespace: &Path, plan: Plan) -> Result<Self> {
        let target = Arc::new(Target::new(plan)?);
        let stop = Arc::new(AtomicBool::new(false));
        let (namespace, stopped) = (namespace.to_path_buf(), stop.clone());
        let thread = thread::Builder::new().name("steady".to_owned()).spawn(move || {
            Namespace::enter(&namespace)?;
            let runtime = runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(async move {
                let mut clients = JoinSet::new();
                for _ in 0..target.plan.connections {
                    clients.spawn(client(target.clone(), stopped.clone()));
                }
                let mut sum = Outcome::default();
                while let Some(one) = clients.join_next().await {
                    sum.add(one.context("a client panicked")?);
                }
                Ok(sum)
            })
        })?;
        Ok(Self { stop, thread })
    }

    /// Stops them, and says what they saw.
    pub fn finish(self) -> Result<Outcome> {
        self.stop.store(true, Relaxed);
        self.thread.join().map_err(|_| anyhow!("the clients panicked"))?
    }
}

impl Outcome {
    fn add(&mut self, other: Self) {
        self.answered += other.answered;
        self.failed += other.failed;
        self.repeated += other.repeated;
        self.connections += other.connections;
        self.longest = self.longest.max(other.longest);
        let room = FAILURES_KEPT.saturating_sub(self.failures.len());
        self.failures.extend(other.failures.into_iter().take(room));
    }

    fn fail(&mut self, why: String) {
        self.failed += 1;
        if self.failures.len() < FAILURES_KEPT {
            self.failures.push(why);
        }
    }
}

async fn client(target: Arc<Target>, stop: Arc<AtomicBool>) -> Outcome {
    let mut outcome = Outcome::default();
    let mut session: Option<Session> = None;
    let mut since = Instant::now();
    while !stop.load(Relaxed) {
        let mut open = match session.take() {
            Some(open) => open,
            None => match Session::open(&target).await {
                Ok(open) => {
                    outcome.connections += 1;
                    open
                }
                Err(error) => {
                    outcome.fail(format!("no connection: {error:#}"));
                    tokio::time::sleep(Duration::from_millis(10)).await;
                    continue;
                }
            },
        };
        match open.ask(&target).await {
            Ok(()) => {
                outcome.answered += 1;
                outcome.longest = outcome.longest.max(since.elapsed());
                since = Instant::now();
                session = Some(open);
            }
            // The server said goodbye before anything of the request went out.
            Err(Lost::Unsent) => {}
            Err(Lost::NotTaken) => outcome.repeated += 1,
            Err(Lost::Failed(why)) => outcome.fail(why),
        }
    }
    outcome
}
