//! How a request ends: with the upstream's answer, with one of ours, or with a refusal.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, header, response::Parts};

use crate::{
    answer::{Answers, Asked},
    connection::Client,
    figures::{Meter, one},
    headers,
    observe::Observation,
    rejection::{self, Rejection},
    request::METHODS_TEXT,
    response::{ResponseBody, Source, UpstreamBody},
};

/// Says which page may read the answer, a refusal too.
pub(super) fn share(headers: &mut HeaderMap, observation: &Observation, client: &Client) {
    let route = observation.route().and_then(|place| client.router.at(place));
    if let Some(cors) = route.and_then(|route| route.cors.as_ref()) {
        cors.mark(observation.context.page.as_ref(), headers);
    }
}

/// The upstream's answer as it may leave: ours in place of an error, compressed where that is wished.
pub(super) fn shaped(
    mut head: Parts,
    body: UpstreamBody,
    asked: Asked,
    answers: &Answers,
    id: &str,
    meter: &Meter,
) -> (Parts, Source) {
    if answers.replaces(head.status) {
        one(&meter.upstream_errors_replaced);
        body.discard();
        let ours = rejection::upstream_error(head.status, id);
        let (mut ours, text) = ours.into_parts();
        if let Some(wait) = head.headers.remove(header::RETRY_AFTER) {
            ours.headers.insert(header::RETRY_AFTER, wait);
        }
        return (ours, Source::own(text));
    }
    let length_bytes = body.length_bytes();
    match answers.compression() {
        Some(compression) if compression.take(asked, &mut head, length_bytes) => {
            one(&meter.responses_compressed);
            (head, Source::compressed(body))
        }
        _ => (head, Source::Upstream(body)),
    }
}

/// An answer of ours.
pub(super) fn own(
    answer: Response<Bytes>,
    mut observation: Box<Observation>,
    bodiless: bool,
    client: &Client,
) -> Response<ResponseBody> {
    observation.status(answer.status().as_u16());
    if bodiless || answer.body().is_empty() {
        observation.answered();
    }
    let (mut head, body) = answer.into_parts();
    client.answers.of(observation.route()).apply(&mut head.headers);
    client.rates.describe(observation.route(), &observation.due, &mut head.headers);
    headers::set_request_id(&mut head.headers, &observation.context.id);
    Response::from_parts(head, ResponseBody::new(Source::own(body), observation))
}

/// A refusal, with what its client is to know of it.
pub(super) fn refuse(
    rejection: Rejection,
    mut observation: Box<Observation>,
    bodiless: bool,
    client: &Client,
) -> Response<ResponseBody> {
    observation.refused(rejection);
    observation.status(rejection.status().as_u16());
    if bodiless {
        observation.answered();
    }
    let page = observation.context.challenge_page.take();
    let context = &observation.context;
    let errors = context.errors();
    let id = context.id.as_str();
    let answer = match &page {
        Some(page) => page.response(rejection.status(), id, context.retry_after.map_or(1, whole_s)),
        None => rejection.response(id, context.detail.as_deref(), errors),
    };
    let (mut head, body): (Parts, Bytes) = answer.into_parts();
    client.answers.of(observation.route()).apply(&mut head.headers);
    if let Some(page) = page {
        page.protect(&mut head.headers);
    }
    share(&mut head.headers, &observation, client);
    client.rates.describe(observation.route(), &observation.due, &mut head.headers);
    headers::set_request_id(&mut head.headers, &observation.context.id);
    if rejection == Rejection::MethodRefused {
        head.headers.insert(header::ALLOW, HeaderValue::from_static(METHODS_TEXT));
    }
    if let Some(allow) = &observation.context.allow
        && let Ok(allow) = HeaderValue::from_str(allow)
    {
        head.headers.insert(header::ALLOW, allow);
    }
    if let (Some(denied), Some(route)) = (observation.context.denied, observation.route()) {
        for challenge in client.identifier.challenges(route, denied) {
            head.headers.append(header::WWW_AUTHENTICATE, challenge);
        }
        if let Some(taken) = client.identifier.taken(route, denied) {
            head.headers.append(header::SET_COOKIE, taken);
        }
    }
    let route = observation.route().and_then(|place| client.router.at(place));
    if let Some(verdict) = route.and_then(|route| route.verdict.as_ref())
        && rejection == Rejection::StepUpRequired
    {
        head.headers.append(header::WWW_AUTHENTICATE, verdict.challenge());
    }
    let busy = matches!(
        rejection,
        Rejection::UpstreamBusy
            | Rejection::VerdictUnavailable
            | Rejection::LoginUnavailable
            | Rejection::IntrospectionUnavailable
    );
    if busy {
        head.headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    }
    if let Some(wait) = observation.context.retry_after {
        head.headers.insert(header::RETRY_AFTER, HeaderValue::from(whole_s(wait)));
    }
    // What follows an unreadable request on an HTTP/1 connection may be its rest.
    if client.ends_after(rejection) {
        head.headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    Response::from_parts(head, ResponseBody::new(Source::own(body), observation))
}

/// Rounded up: too early would only be refused again.
fn whole_s(wait: Duration) -> u64 {
    (wait.as_secs() + u64::from(wait.subsec_nanos() > 0)).max(1)
}
