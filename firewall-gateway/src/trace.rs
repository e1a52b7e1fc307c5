//! W3C Trace Context: a trace is continued or begun, and the upstream learns of our part in it.

pub mod export;

mod otlp;

mod parent;

use std::time::SystemTime;

use http::{HeaderMap, HeaderName, HeaderValue};

pub use self::parent::Parent;
use crate::{headers::never_indexed, policy::TracePolicy};

/// A request's place in its trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceContext {
    trace_id: u128,
    parent: Option<u64>,
    server_span: u64,
    client_span: u64,
    state: Option<String>,
    is_sampled: bool,
    begun: SystemTime,
}

impl TraceContext {
    /// Continues the trace that the client names, where it names one rightly, or begins one.
    ///
    /// Whether a request is traced is decided here alone: the sampled flag comes from anyone, and
    /// would let anyone make us trace everything.
    ///
    /// # Errors
    /// The kernel has no randomness to give.
    pub fn begin(headers: &HeaderMap, policy: &TracePolicy) -> Result<Self, getrandom::Error> {
        let mut random = [0u8; 34];
        getrandom::fill(&mut random)?;
        let number = |from: usize, to: usize| {
            random[from..to].iter().fold(0u128, |sum, byte| sum << 8 | u128::from(*byte))
        };
        let parent = Parent::of(headers);
        // Zero is no id.
        let span = |from: usize| (number(from, from + 8) as u64).max(1);
        Ok(Self {
            trace_id: parent.as_ref().map_or(number(0, 16).max(1), |parent| parent.trace_id),
            parent: parent.as_ref().map(|parent| parent.span_id),
            server_span: span(16),
            client_span: span(24),
            state: parent.and_then(|parent| parent.state),
            is_sampled: number(32, 34) % 100 < u128::from(policy.sample_percent),
            begun: SystemTime::now(),
        })
    }

    /// Names our part in the trace to the upstream, in the place of what the client said.
    pub fn to_upstream(&self, headers: &mut HeaderMap) {
        headers.remove(TRACESTATE);
        let (trace, span, flag) = (self.trace_id, self.client_span, u8::from(self.is_sampled));
        match HeaderValue::from_str(&format!("00-{trace:032x}-{span:016x}-{flag:02x}")) {
            Ok(value) => headers.insert(TRACEPARENT, never_indexed(value)),
            Err(_) => headers.remove(TRACEPARENT),
        };
        if let Some(Ok(state)) = self.state.as_deref().map(HeaderValue::from_str) {
            headers.insert(TRACESTATE, state);
        }
    }

    /// The trace's id, as logs and traces show it.
    #[must_use]
    pub fn trace_id(&self) -> String {
        format!("{:032x}", self.trace_id)
    }

    /// Whether spans are made of the request.
    #[must_use]
    pub fn is_sampled(&self) -> bool {
        self.is_sampled
    }
}

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

#[cfg(test)]
mod tests;
