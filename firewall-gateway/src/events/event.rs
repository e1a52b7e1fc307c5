//! One event: small while it waits, CloudEvents 1.0 in JSON when it goes. Nothing secret, nothing unbounded.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::SystemTime,
};

use http::Method;
use serde::Serialize;

use super::{decision::Decision, queue::Numbered};
use crate::{
    access_log::{self, Record},
    behaviour::offence::{Budget, Offence, SignalCount},
    date,
    limits::LOG_PATH_BYTES_MAX,
    rejection::Rejection,
    verdict::Judged,
};

/// What is told.
#[derive(Clone, Debug)]
pub struct Event {
    decision: Decision,
    at: SystemTime,
    about: About,
}

#[derive(Clone, Debug)]
enum About {
    Request(Box<Ended>),
    Client(Box<Offender>),
}

/// A request that has ended: copies, as what is borrowed would hold the whole head in memory.
#[derive(Clone, Debug)]
#[allow(missing_docs, reason = "the access log calls them the same")]
pub struct Ended {
    pub request_id: Box<str>,
    pub trace_id: Option<String>,
    pub peer: SocketAddr,
    pub client: IpAddr,
    pub method: Option<Method>,
    /// At most [`LOG_PATH_BYTES_MAX`] of it.
    pub path: Box<str>,
    /// Likewise, and not masked yet.
    pub query: Option<Box<str>>,
    pub route: Option<Arc<str>>,
    pub backend: Option<SocketAddr>,
    pub status: u16,
    pub protocol: &'static str,
    pub tls: &'static str,
    pub ja4: Option<Box<str>>,
    pub bytes_in: u64,
    pub bytes_out: u64,
    pub duration_us: u64,
    pub rejection: Option<Rejection>,
    /// As in a line, escaped.
    pub denied: Option<String>,
    pub consumer: Option<Arc<str>>,
    pub credential: Option<Arc<str>>,
    pub score: Option<u32>,
    pub consumer_score: Option<u32>,
    /// As in a line, escaped.
    pub user_agent: Option<String>,
    /// The limit in shadow mode, or `behaviour`, that would have refused it.
    pub shadowed: Option<Arc<str>>,
    pub verdict: Option<Judged>,
}

/// A client whose score is that of a ban, or the consumer that it is.
#[derive(Clone, Debug)]
struct Offender {
    offence: Offence,
    /// As in a line, escaped.
    consumer: Option<String>,
    outcome: &'static str,
}

impl Ended {
    /// What an event tells of a request.
    #[must_use]
    pub fn of(record: &Record<'_>, shadowed: Option<Arc<str>>) -> Self {
        let context = record.context;
        let identity = context.identity.as_ref();
        Self {
            request_id: context.id.as_str().into(),
            trace_id: context.trace.as_ref().map(|trace| trace.trace_id()),
            peer: context.peer,
            client: context.origin.client,
            method: context.method.clone(),
            path: beginning(context.uri.path()).into(),
            query: context.uri.query().map(|query| beginning(query).into()),
            route: context.route.clone(),
            backend: context.backend,
            status: record.status,
            protocol: context.protocol.label(),
            tls: context.tls_version,
            ja4: context.ja4.as_deref().map(Box::from),
            bytes_in: record.bytes_in,
            bytes_out: record.bytes_out,
            duration_us: record.duration_us,
            rejection: context.rejection,
            denied: access_log::why(context),
            consumer: identity.map(|identity| identity.consumer.clone()),
            credential: identity.map(|identity| identity.credential.clone()),
            score: context.score,
            consumer_score: context.consumer_score,
            user_agent: context.details.user_agent().map(str::to_owned),
            shadowed,
            verdict: context.verdict.clone(),
        }
    }

    fn bytes(&self) -> usize {
        let text = |text: &Option<String>| text.as_ref().map_or(0, String::len);
        size_of::<Self>()
            + self.request_id.len()
            + self.path.len()
            + self.query.as_ref().map_or(0, |query| query.len())
            + self.ja4.as_ref().map_or(0, |ja4| ja4.len())
            + text(&self.trace_id)
            + text(&self.denied)
            + text(&self.user_agent)
    }
}

// The rest of a longer one is not shown; a letter that is cut through is left out.
fn beginning(text: &str) -> &str {
    text.get(..text.floor_char_boundary(LOG_PATH_BYTES_MAX)).unwrap_or(text)
}

impl Event {
    /// A request has ended, as was decided.
    #[must_use]
    pub fn of_request(decision: Decision, ended: Ended) -> Self {
        Self { decision, at: SystemTime::now(), about: About::Request(Box::new(ended)) }
    }

    /// A client has the score of a ban, or the consumer that it is, or goes on over a budget; `outcome` says what that leads to.
    #[must_use]
    pub fn of_client(offence: Offence, consumer: Option<&str>, outcome: &'static str) -> Self {
        let consumer = consumer.map(access_log::text);
        let about = About::Client(Box::new(Offender { offence, consumer, outcome }));
        Self { decision: Decision::Offended, at: SystemTime::now(), about }
    }

    /// What it takes in memory.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let about = match &self.about {
            About::Request(ended) => ended.bytes(),
            About::Client(offender) => {
                let signals = size_of_val(offender.offence.signals.as_slice());
                let consumer = offender.consumer.as_ref().map_or(0, String::len);
                let budget = offender.offence.budget.as_ref().map_or(0, |it| it.limit.len());
                let request = offender.offence.request.len();
                size_of::<Offender>() + request + signals + consumer + budget
            }
        };
        size_of::<Self>() + about
    }
}

/// Who tells.
#[derive(Clone, Debug)]
pub struct Teller {
    /// The `source` of its events.
    pub source: String,
    /// Which run of it: numbers begin anew with each.
    pub worker: String,
}

impl Numbered {
    /// The event as JSON, at the end of `text`.
    pub fn write(&self, teller: &Teller, text: &mut Vec<u8>) {
        match &self.event.about {
            About::Request(ended) => {
                self.write_about(teller, ended.route.as_deref(), Request::of(ended), text);
            }
            About::Client(offender) => {
                self.write_about(teller, None, Client::of(offender), text);
            }
        }
    }

    fn write_about(
        &self,
        teller: &Teller,
        subject: Option<&str>,
        data: impl Serialize,
        text: &mut Vec<u8>,
    ) {
        let event = CloudEvent {
            specversion: "1.0",
            id: format!("{}-{}", teller.worker, self.sequence),
            source: &teller.source,
            event_type: self.event.decision.event_type(),
            time: date::rfc3339(self.event.at),
            subject,
            datacontenttype: "application/json",
            // Text that sorts as the numbers do, as the extension `sequence` wants it.
            sequence: format!("{:020}", self.sequence),
            worker: &teller.worker,
            data,
        };
        // Writing to memory what has text for keys does not fail.
        let _written = serde_json::to_writer(text, &event);
    }

    /// What was decided.
    #[must_use]
    pub fn decision(&self) -> Decision {
        self.event.decision
    }

    /// When.
    #[must_use]
    pub fn at(&self) -> SystemTime {
        self.event.at
    }
}

/// <https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md>
#[derive(Serialize)]
struct CloudEvent<'a, T> {
    specversion: &'static str,
    id: String,
    source: &'a str,
    #[serde(rename = "type")]
    event_type: &'static str,
    time: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<&'a str>,
    datacontenttype: &'static str,
    sequence: String,
    worker: &'a str,
    data: T,
}

#[derive(Serialize)]
struct Request<'a> {
    request_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace_id: Option<&'a str>,
    peer: SocketAddr,
    client: IpAddr,
    method: String,
    path: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    query: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    route: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    backend: Option<SocketAddr>,
    status: u16,
    protocol: &'static str,
    tls: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    ja4: Option<&'a str>,
    bytes_in: u64,
    bytes_out: u64,
    duration_us: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    rejection: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    denied: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    consumer: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    credential: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    score: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    consumer_score: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_agent: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    shadowed: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    verdict: Option<Verdict<'a>>,
}

#[derive(Serialize)]
struct Verdict<'a> {
    service: &'a str,
    outcome: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
}

impl<'a> Request<'a> {
    fn of(ended: &'a Ended) -> Self {
        let text = |text: &Option<Arc<str>>| text.as_deref().map(access_log::text);
        Self {
            request_id: &ended.request_id,
            trace_id: ended.trace_id.as_deref(),
            peer: ended.peer,
            client: ended.client,
            method: access_log::method(ended.method.as_ref()),
            path: access_log::path(&ended.path),
            query: ended.query.as_deref().map(access_log::query),
            route: ended.route.as_deref(),
            backend: ended.backend,
            status: ended.status,
            protocol: ended.protocol,
            tls: ended.tls,
            ja4: ended.ja4.as_deref(),
            bytes_in: ended.bytes_in,
            bytes_out: ended.bytes_out,
            duration_us: ended.duration_us,
            rejection: ended.rejection.map(Rejection::label),
            denied: ended.denied.as_deref(),
            consumer: text(&ended.consumer),
            credential: text(&ended.credential),
            score: ended.score,
            consumer_score: ended.consumer_score,
            user_agent: ended.user_agent.as_deref(),
            shadowed: ended.shadowed.as_deref(),
            verdict: ended.verdict.as_ref().map(|judged| Verdict {
                service: &judged.service,
                outcome: judged.outcome.label(),
                reason: judged.reason.as_deref(),
            }),
        }
    }
}

#[derive(Serialize)]
struct Client<'a> {
    client: IpAddr,
    #[serde(skip_serializing_if = "Option::is_none")]
    consumer: Option<&'a str>,
    score: u32,
    signals: &'a [SignalCount],
    #[serde(skip_serializing_if = "Option::is_none")]
    budget: Option<&'a Budget>,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<&'a str>,
    outcome: &'static str,
}

impl<'a> Client<'a> {
    fn of(offender: &'a Offender) -> Self {
        let Offence { address, score, signals, request, budget } = &offender.offence;
        let request_id = Some(request.as_str()).filter(|id| !id.is_empty());
        let (consumer, outcome) = (offender.consumer.as_deref(), offender.outcome);
        let (client, score, budget) = (*address, *score, budget.as_ref());
        Self { client, consumer, score, signals, budget, request_id, outcome }
    }
}

#[cfg(test)]
pub mod tests;
