//! What was decided, told to others: as CloudEvents, to a file, a receiver over HTTP and a receiver of syslog.
//!
//! An event is made where every request ends (`observe`): copied into a small struct and put into a queue. The rest is
//! done by a thread for each sink, so that no request waits for a receiver, and no sink for another.

mod decision;

mod event;

mod queue;

mod sender;

mod file;

mod webhook;

mod syslog;

mod signature;

use std::{
    fs::File,
    io,
    sync::Arc,
    thread::{Builder, JoinHandle},
    time::Duration,
};

use http::uri::PathAndQuery;
use tokio::{runtime, task::LocalSet};

pub use self::{
    decision::Decision,
    event::{Ended, Event},
    signature::{Secret, SecretError},
};
use self::{
    decision::Decisions,
    event::Teller,
    file::EventFile,
    queue::{Bounds, Queue},
    syslog::Syslog,
    webhook::Webhook,
};
use crate::{
    access_log::Record,
    behaviour::offence::Offence,
    figures::{Meter, SinkFigures},
    limits::{EVENTS_LOCAL_BATCH_MAX, EVENTS_LOCAL_WAIT_MS, Limits},
    policy::EventsPolicy,
    upstream::{SharedUpstream, Upstream},
};

/// Takes events from requests; threads share it.
#[derive(Debug)]
pub struct Events {
    policy: EventsPolicy,
    decisions: Decisions,
    queue: Arc<Queue>,
    teller: Teller,
}

/// What a thread that sends needs to reach upstreams.
pub struct Reach<'a> {
    /// All upstreams of the policy.
    pub upstreams: &'a [Arc<SharedUpstream>],
    /// The gateway's waits.
    pub limits: &'a Arc<Limits>,
    /// Where connections are counted.
    pub meter: &'a Arc<Meter>,
}

/// The threads that send.
#[derive(Debug)]
pub struct Senders {
    queue: Arc<Queue>,
    threads: Vec<JoinHandle<()>>,
}

impl Events {
    /// Prepares what a policy says; nothing is sent before [`Events::start`].
    ///
    /// # Errors
    /// The part that cannot be used.
    pub fn new(policy: &EventsPolicy, upstreams: usize) -> Result<Self, EventsError> {
        let mut sinks = Vec::new();
        if policy.file.is_some() {
            sinks.push((FILE, EVENTS_LOCAL_BATCH_MAX));
        }
        if let Some(webhook) = &policy.webhook {
            if webhook.upstream >= upstreams {
                return Err(EventsError::Upstream);
            }
            if webhook.path.parse::<PathAndQuery>().is_err() {
                return Err(EventsError::Path(webhook.path.clone()));
            }
            Secret::parse(&webhook.secret)?;
            sinks.push((WEBHOOK, webhook.batch_max as usize));
        }
        if policy.syslog.is_some() {
            sinks.push((SYSLOG, EVENTS_LOCAL_BATCH_MAX));
        }
        let bounds = Bounds {
            events: policy.queue_max as usize,
            bytes: usize::try_from(policy.queue_bytes_max).unwrap_or(usize::MAX),
        };
        let run = getrandom::u64().map_err(|_| EventsError::Randomness)?;
        let teller = Teller { source: policy.source.clone(), worker: format!("{run:016x}") };
        let queue = Arc::new(Queue::new(bounds, &sinks));
        Ok(Self {
            decisions: Decisions::of(&policy.decisions),
            policy: policy.clone(),
            queue,
            teller,
        })
    }

    /// Starts the threads that send.
    ///
    /// # Errors
    /// The system has no thread to give, or the file was not handed over.
    pub fn start(&self, file: Option<File>, reach: &Reach<'_>) -> io::Result<Senders> {
        let mut senders = Senders { queue: self.queue.clone(), threads: Vec::new() };
        let local_wait = Duration::from_millis(EVENTS_LOCAL_WAIT_MS);
        if self.policy.file.is_some() {
            let file = file.ok_or_else(|| io::Error::other("the file of events is not there"))?;
            let teller = self.teller.clone();
            senders.begin(local_wait, move |_, _| Some(EventFile::new(file, teller)))?;
        }
        if let Some(policy) = self.policy.webhook.clone() {
            let upstream = reach.upstreams.get(policy.upstream).cloned();
            let (limits, meter) = (reach.limits.clone(), reach.meter.clone());
            let teller = self.teller.clone();
            let wait = Duration::from_millis(policy.batch_wait_ms);
            senders.begin(wait, move |queue, place| {
                let upstream = Upstream::new(&upstream?, limits, meter);
                Webhook::new(&policy, upstream, teller, queue, place)
            })?;
        }
        if let Some(policy) = self.policy.syslog.clone() {
            let teller = self.teller.clone();
            senders.begin(local_wait, move |queue, place| {
                Some(Syslog::new(&policy, teller, queue, place))
            })?;
        }
        Ok(senders)
    }

    /// A request has ended.
    pub fn ended(&self, record: &Record<'_>, shadowed: Option<&Arc<str>>) {
        let decision = match (record.context.rejection, &record.context.verdict, shadowed) {
            (Some(rejection), ..) => Decision::of_rejection(rejection),
            (None, Some(_), _) => Decision::Judged,
            (None, None, Some(_)) => Decision::Shadowed,
            (None, None, None) => Decision::Served,
        };
        if self.decisions.contain(decision) {
            let ended = Ended::of(record, shadowed.cloned());
            self.queue.push(Event::of_request(decision, ended));
        }
    }

    /// A client has the score of a ban, or the consumer that it is; `outcome` says what that leads to.
    pub fn offended(&self, offence: &Offence, consumer: Option<&str>, outcome: &'static str) {
        if self.decisions.contain(Decision::Offended) {
            self.queue.push(Event::of_client(offence.clone(), consumer, outcome));
        }
    }

    /// Tells an event, whatever the policy says of its kind.
    pub fn tell(&self, event: Event) {
        self.queue.push(event);
    }

    /// What became of events, by sink.
    #[must_use]
    pub fn figures(&self) -> Vec<SinkFigures> {
        self.queue.figures()
    }
}

impl Senders {
    fn begin<S: sender::Sink>(
        &mut self,
        wait: Duration,
        sink: impl FnOnce(Arc<Queue>, usize) -> Option<S> + Send + 'static,
    ) -> io::Result<()> {
        let (queue, place) = (self.queue.clone(), self.threads.len());
        let runtime = runtime::Builder::new_current_thread().enable_io().enable_time().build()?;
        let thread = Builder::new().name("gateway-events".to_owned());
        self.threads.push(thread.spawn(move || {
            let run = async {
                match sink(queue.clone(), place) {
                    Some(sink) => sender::run(&queue, place, wait, sink).await,
                    // `Events::new` has looked at it.
                    None => queue.abandon(place),
                }
            };
            LocalSet::new().block_on(&runtime, run);
        })?);
        Ok(())
    }

    /// Takes in nothing more, and waits until what there is has been sent or given up.
    pub fn finish(mut self) {
        self.queue.close();
        for thread in self.threads.drain(..) {
            // A thread that panicked has said so on stderr.
            let _ended = thread.join();
        }
    }
}

impl Drop for Senders {
    fn drop(&mut self) {
        self.queue.close();
    }
}

/// Names of sinks.
const FILE: &str = "file";
const WEBHOOK: &str = "webhook";
const SYSLOG: &str = "syslog";

/// Events that cannot be told.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub enum EventsError {
    #[error("gateway.events.webhook.upstream: expected one of gateway.upstreams, found none")]
    Upstream,
    #[error("gateway.events.webhook.path: expected a path that begins with /, found {0:?}")]
    Path(String),
    #[error("gateway.events.webhook.secret: {0}")]
    Secret(#[from] SecretError),
    #[error("gateway.events: the kernel has no randomness to give")]
    Randomness,
}
