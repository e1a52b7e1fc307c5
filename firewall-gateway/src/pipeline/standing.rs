//! How the address of a request stands, and its consumer: it is served, refused, or shown a page that lets its browser
//! go on.

use std::time::SystemTime;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use hyper::body::Incoming;

use crate::{
    behaviour::{
        Behaviour,
        board::Turn,
        challenge::{Challenges, Holder, PASS_PATH},
        contradiction,
        signal::Signal,
    },
    connection::Client,
    context::RequestId,
    login::is_navigation,
    observe::Observation,
    rejection::Rejection,
};

/// Whether the request is one of ours: it shows a solution.
pub(super) fn address(
    request: &Request<Incoming>,
    client: &Client,
    behaviour: &Behaviour,
    observation: &mut Observation,
) -> Result<bool, Rejection> {
    contradicts(request, client, behaviour, observation);
    let address = observation.context.origin.client;
    let Some(challenges) = behaviour.challenges() else {
        let standing = behaviour.standing(address, || false);
        observation.context.score = standing.score;
        return observation.stands(&standing, Rejection::Challenged).map(|()| false);
    };
    let is_ours = request.uri().path() == PASS_PATH;
    let passes =
        || is_ours || challenges.passes(request.headers(), &holder(request, observation), now_s());
    let standing = behaviour.standing(address, passes);
    observation.context.score = standing.score;
    if matches!(standing.turn, Turn::Challenged(_))
        && *request.method() == Method::GET
        && is_navigation(request.headers())
        && let Ok(nonce) = RequestId::random()
    {
        let nonce = nonce.as_str().to_owned();
        let page = challenges.challenge(&holder(request, observation), now_s(), nonce);
        observation.context.challenge_page = Some(page);
    }
    observation.stands(&standing, Rejection::Challenged).map(|()| is_ours)
}

/// What was done as this consumer before, from whatever address.
pub(super) fn consumer(
    behaviour: &Behaviour,
    observation: &mut Observation,
) -> Result<(), Rejection> {
    let source = observation.source();
    behaviour.seen_in(&source, observation.context.country);
    let Some(consumer) = source.consumer else { return Ok(()) };
    let standing = behaviour.consumer_standing(consumer);
    observation.context.consumer_score = standing.score;
    observation.stands(&standing, Rejection::ConsumerRefused)
}

/// A stack is its connection's, so it is an offence once; behind a proxy that ends TLS it is the proxy's.
fn contradicts(
    request: &Request<Incoming>,
    client: &Client,
    behaviour: &Behaviour,
    observation: &Observation,
) {
    let Some(stack) = client.stack.get() else { return };
    let user_agent = request.headers().get(header::USER_AGENT).and_then(|it| it.to_str().ok());
    if observation.context.origin.proxies.is_empty()
        && user_agent.is_some_and(|user_agent| contradiction::contradicts(user_agent, stack))
    {
        client.stack.set(None);
        behaviour.did(&observation.source(), Signal::UserAgentContradicted);
    }
}

/// The pass for a solution.
pub(super) fn solved(
    request: &Request<Incoming>,
    client: &Client,
    observation: &mut Observation,
) -> Result<Response<Bytes>, Rejection> {
    let challenges = client.behaviour.as_ref().and_then(|it| it.challenges());
    let challenges: &Challenges = challenges.ok_or(Rejection::RouteMissing)?;
    if *request.method() != Method::POST {
        observation.context.allow = Some(Method::POST.to_string());
        return Err(Rejection::MethodNotAllowed);
    }
    let solution = request.uri().query().unwrap_or_default();
    let pass = challenges.solved(solution, &holder(request, observation), now_s());
    let mut answer = Response::new(Bytes::new());
    *answer.status_mut() = StatusCode::NO_CONTENT;
    // What does not hold is one more thing that the client did wrong.
    answer.headers_mut().insert(header::SET_COOKIE, pass.map_err(|_| Rejection::Challenged)?);
    answer.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(answer)
}

fn holder<'a>(request: &'a Request<Incoming>, observation: &Observation) -> Holder<'a> {
    let user_agent = request.headers().get(header::USER_AGENT);
    Holder {
        address: observation.context.origin.client,
        user_agent: user_agent.map_or(&[], HeaderValue::as_bytes),
    }
}

fn now_s() -> u64 {
    SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default().as_secs()
}
