//! Whether a request looks as the API's document says: judged whole, before its upstream hears of it.
//!
//! Nothing here runs for longer than what was sent is long: bodies are bounded before they are read, values
//! while they are, patterns are matched in linear time, and references were resolved when the worker began.

pub mod fault;

pub(crate) mod pointer;

mod words;

mod reference;

mod dialect;

mod schema;

mod shape;

pub(crate) mod json;

pub(crate) mod pairs;

mod multipart;

pub(crate) mod media;

mod parameters;

mod body;

mod answer;

mod paths;

pub mod openapi;

pub use self::answer::Answer;

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Method, response::Parts};
use http_body::Body as HttpBody;

use self::{
    answer::Look,
    fault::{Fault, Invalid, Place, Problem},
    json::Bounds,
    openapi::{Api, DocumentError, Operation},
    pairs::PairsError,
    parameters::Source,
};
use crate::{
    body::RequestBody,
    policy::{Against, Undocumented, ValidationMode, ValidationPolicy},
    rejection::{Rejection, UpstreamFailure},
    response::UpstreamBody,
    route::Pattern,
};

/// What a route asks of its requests.
#[derive(Debug)]
pub struct Validation {
    api: Arc<Api>,
    mode: ValidationMode,
    answers: Option<ValidationMode>,
    undocumented: Undocumented,
    undocumented_query: Undocumented,
    body_bytes_max: usize,
    bounds: Bounds,
}

/// The head of a request.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// Its method.
    pub method: &'a Method,
    /// Its path in its canonical form.
    pub path: &'a str,
    /// Its query.
    pub query: Option<&'a str>,
    /// Its headers.
    pub headers: &'a HeaderMap,
}

/// What becomes of a request, as far as its looks go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It looks as it should.
    Passed,
    /// It does not, and is refused.
    Refused,
    /// It does not, and passes.
    Reported,
    /// It passes unseen: the document has nothing for it, or it is an answer that cannot be looked into.
    Unseen,
}

impl Verdict {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 4] = [Self::Passed, Self::Refused, Self::Reported, Self::Unseen];

    /// The value of the metric label.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Refused => "refused",
            Self::Reported => "reported",
            Self::Unseen => "unseen",
        }
    }
}

impl Validation {
    /// Makes a route's validation; `documents` are those of the policy, by their names.
    ///
    /// # Errors
    /// What is wrong with what it is to be held against.
    pub fn new(
        policy: &ValidationPolicy,
        path: &Pattern,
        documents: &[(String, Arc<Api>)],
    ) -> Result<Self, ValidationError> {
        let api = match &policy.against {
            Against::Document(name) => {
                let known = documents.iter().find(|(known, _)| known == name);
                let unknown = || ValidationError::Unknown { name: name.clone() };
                known.map(|(_, api)| api.clone()).ok_or_else(unknown)?
            }
            Against::Operation(text) => Arc::new(
                Api::of_operation(text, path, policy.responses.is_some())
                    .map_err(|error| ValidationError::Inline { key: "operation", error })?,
            ),
            Against::Body(text) => Arc::new(
                Api::of_body(text, path)
                    .map_err(|error| ValidationError::Inline { key: "body", error })?,
            ),
        };
        Ok(Self {
            api,
            mode: policy.mode,
            answers: policy.responses,
            undocumented: policy.undocumented,
            undocumented_query: policy.undocumented_query,
            body_bytes_max: policy.body_bytes_max as usize,
            bounds: Bounds { depth: policy.depth_max, values: policy.values_max },
        })
    }

    /// Judges a request. Its body is read as far as that takes; it is still all there afterwards.
    ///
    /// # Errors
    /// The body cannot be had.
    pub async fn judge<B>(
        &self,
        asked: &Asked<'_>,
        body: &mut RequestBody<B>,
    ) -> Result<(Verdict, Option<Invalid>), Rejection>
    where
        B: HttpBody<Data = Bytes, Error = hyper::Error> + Unpin,
    {
        let Some(operation) = self.api.find(asked.path, asked.method) else {
            return Ok(match self.undocumented {
                Undocumented::Pass => (Verdict::Unseen, None),
                Undocumented::Refuse => found(Err(unknown_operation()), self.mode),
            });
        };
        let outcome = match self.head(operation, asked) {
            Ok(()) => self.body(operation, asked.headers, body).await?,
            Err(invalid) => Err(invalid),
        };
        Ok(found(outcome, self.mode))
    }

    /// Judges a request whose body is here.
    #[must_use]
    pub fn judge_whole(&self, asked: &Asked<'_>, body: &[u8]) -> (Verdict, Option<Invalid>) {
        let outcome = match self.api.find(asked.path, asked.method) {
            None if self.undocumented == Undocumented::Pass => {
                return (Verdict::Unseen, None);
            }
            None => Err(unknown_operation()),
            Some(operation) => self
                .head(operation, asked)
                .and_then(|()| self.within_size(body.len()))
                .and_then(|()| self.content(operation, asked.headers, body)),
        };
        found(outcome, self.mode)
    }

    /// What an operation answers, where answers are looked at.
    #[must_use]
    pub fn answers(&self, method: &Method, path: &str) -> Option<&[Answer]> {
        self.answers?;
        // Of an answer to a HEAD there is nothing to look at.
        self.api.find(path, method).filter(|_| *method != Method::HEAD)?.answers.as_deref()
    }

    /// Judges an answer. Its body is read as far as that takes; it is still all there afterwards.
    ///
    /// # Errors
    /// The body cannot be had.
    pub async fn judge_answer(
        &self,
        answers: &[Answer],
        head: &Parts,
        body: &mut UpstreamBody,
    ) -> Result<(Verdict, Option<Invalid>), UpstreamFailure> {
        let look = answer::head(answers, head.status, &head.headers, body.is_end_stream());
        let outcome = match look {
            Ok(Look::Past) => return Ok((Verdict::Unseen, None)),
            Ok(Look::Into(content, given)) => match body.gather(self.body_bytes_max).await? {
                None => return Ok((Verdict::Unseen, None)),
                Some(bytes) => content.judge(&given, &bytes, self.bounds),
            },
            Err(invalid) => Err(invalid),
        };
        Ok(found(outcome, self.answers.unwrap_or(ValidationMode::Report)))
    }

    // All parameters are looked at, so that their sender learns of more than the first.
    fn head(&self, operation: &Operation, asked: &Asked<'_>) -> Result<(), Invalid> {
        let query = asked.query.unwrap_or_default();
        let pairs = pairs::read(query, self.bounds.values).map_err(|error| {
            let (fault, expected) = match error {
                PairsError::Malformed => (Fault::ParameterMalformed, "escapes of UTF-8".to_owned()),
                PairsError::TooMany => {
                    let expected = format!("at most {} parameters", self.bounds.values);
                    (Fault::TooManyValues, expected)
                }
            };
            let pointer = pointer::ROOT.to_owned();
            let problem = Problem { place: Place::Query, name: None, pointer, expected };
            Invalid { fault, problems: vec![problem] }
        })?;
        let source =
            Source { path: asked.path, query: &pairs, headers: asked.headers, bounds: self.bounds };
        let mut outcome = Ok(());
        for parameter in &operation.parameters {
            outcome = both(outcome, parameter.judge(&source));
        }
        if self.undocumented_query == Undocumented::Refuse {
            let known = |name: &str| {
                operation.parameters.iter().any(|parameter| parameter.takes(name))
                    || operation.credentials.iter().any(|credential| credential == name)
            };
            if let Some(other) = pairs.iter().find(|pair| !known(&pair.name)) {
                // The name as a member below the query: what a client made up is escaped there.
                let pointer = pointer::fragment("", Some(&other.name));
                let expected = "parameters that the document has".to_owned();
                let problem = Problem { place: Place::Query, name: None, pointer, expected };
                let invalid = Invalid { fault: Fault::Schema, problems: vec![problem] };
                outcome = both(outcome, Err(invalid));
            }
        }
        outcome
    }

    async fn body<B>(
        &self,
        operation: &Operation,
        headers: &HeaderMap,
        body: &mut RequestBody<B>,
    ) -> Result<Result<(), Invalid>, Rejection>
    where
        B: HttpBody<Data = Bytes, Error = hyper::Error> + Unpin,
    {
        let announced = usize::try_from(body.announced_bytes()).unwrap_or(usize::MAX);
        // What will be refused in any case is not waited for.
        let early = self.within_size(announced).and_then(|()| match announced {
            0 => Ok(()),
            _ => operation.body.content(headers).map(|_| ()),
        });
        if early.is_err() {
            return Ok(early);
        }
        body.gather(self.body_bytes_max + 1).await?;
        let bytes = body.gathered();
        let length = if body.is_here() { bytes.len() } else { usize::MAX };
        Ok(self.within_size(length).and_then(|()| self.content(operation, headers, &bytes)))
    }

    fn within_size(&self, length: usize) -> Result<(), Invalid> {
        if length <= self.body_bytes_max {
            return Ok(());
        }
        let expected = format!("at most {} bytes", self.body_bytes_max);
        Err(Invalid::whole_body(Fault::BodyTooLarge, expected))
    }

    fn content(
        &self,
        operation: &Operation,
        headers: &HeaderMap,
        body: &[u8],
    ) -> Result<(), Invalid> {
        if body.is_empty() {
            return match operation.body.required {
                true => Err(Invalid::whole_body(Fault::BodyMissing, operation.body.taken())),
                false => Ok(()),
            };
        }
        let (content, given) = operation.body.content(headers)?;
        content.judge(&given, body, self.bounds)
    }
}

fn found(outcome: Result<(), Invalid>, mode: ValidationMode) -> (Verdict, Option<Invalid>) {
    match (outcome, mode) {
        (Ok(()), _) => (Verdict::Passed, None),
        (Err(invalid), ValidationMode::Enforce) => (Verdict::Refused, Some(invalid)),
        (Err(invalid), ValidationMode::Report) => (Verdict::Reported, Some(invalid)),
    }
}

fn both(first: Result<(), Invalid>, second: Result<(), Invalid>) -> Result<(), Invalid> {
    match (first, second) {
        (Ok(()), second) => second,
        (first, Ok(())) => first,
        (Err(mut first), Err(second)) => {
            first.and(second);
            Err(first)
        }
    }
}

fn unknown_operation() -> Invalid {
    let pointer = pointer::ROOT.to_owned();
    let expected = "a method and a path that the document has".to_owned();
    let problem = Problem { place: Place::Path, name: None, pointer, expected };
    Invalid { fault: Fault::OperationUnknown, problems: vec![problem] }
}

/// A validation that cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ValidationError {
    /// It names no document of the policy.
    #[error("openapi: expected a name of gateway.openapi, found {name:?}")]
    Unknown {
        /// The name.
        name: String,
    },
    /// What is written in it cannot be used.
    #[error("{key}: {error}")]
    Inline {
        /// `operation` or `body`.
        key: &'static str,
        /// Why.
        error: DocumentError,
    },
}

#[cfg(test)]
mod tests;
