//! THE order of a request's stages.

use std::{
    net::IpAddr,
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, Version, header, response::Parts};
use http_body_util::BodyExt;
use hyper::body::{Body as _, Incoming};

use crate::{
    answer::{Answers, Asked},
    authorise,
    body::{BodyFate, RequestBody},
    connection::{Client, Unread},
    context::{Protocol, RequestId},
    figures::{Meter, one},
    headers::{self, trailers},
    observe::Observation,
    policy::{BackendProtocol, ClientCertificateUse},
    rejection::{self, Rejection},
    request::{self, METHODS_TEXT, Target, with_query},
    response::{ResponseBody, Source, UpstreamBody},
    rollout::{Forward, Mirrored},
    route::{Action, Redirect},
    trace::TraceContext,
    tunnel::{Opening, Tunnel},
    upgrade,
    upstream::{Sending, SentBody},
};

/// One request from its head to its answer. Never fails: a refusal is an answer too.
pub async fn run(
    request: Request<Incoming>,
    client: Rc<Client>,
    unread: Rc<Unread>,
) -> Response<ResponseBody> {
    let fate = Arc::new(BodyFate::default());
    let given =
        client.clients.trusts(client.peer.ip()).then(|| RequestId::given(request.headers()));
    let id = given.flatten().map_or_else(RequestId::random, Ok);
    let mut observation = Observation::begin(
        &client,
        id.as_ref().map_or_else(|_| RequestId::none(), RequestId::clone),
        Some(request.method().clone()),
        request.uri().clone(),
        fate.clone(),
        unread,
    );
    observation.context.origin = client.clients.origin(client.peer.ip(), request.headers());
    observation.context.details = client.access_log.details(request.uri(), request.headers());
    if let Some(tracer) = &client.tracer {
        observation.context.trace = TraceContext::begin(request.headers(), &tracer.policy).ok();
    }
    let bodiless = request.method() == Method::HEAD;
    let outcome = match id {
        Ok(_) => stages(request, &client, &fate, &mut observation).await,
        Err(_) => Err(Rejection::UpstreamBusy),
    };
    let mut response = match outcome {
        Ok(Outcome::Own(answer)) => own(answer, observation, bodiless, &client),
        Ok(Outcome::Upstream(head, body)) => {
            observation.status(head.status.as_u16());
            // The HTTP library does not ask for a body that is not there.
            if bodiless || body.is_end_stream() {
                observation.answered();
            }
            let id = observation.context.id.clone();
            let mut response = Response::from_parts(head, ResponseBody::new(body, observation));
            headers::set_request_id(response.headers_mut(), &id);
            response
        }
        Ok(Outcome::Tunnel(mut head, opening)) => {
            observation.status(head.status.as_u16());
            headers::set_request_id(&mut head.headers, &observation.context.id);
            client.tunnel.set(Some(Tunnel::new(*opening, observation)));
            Response::from_parts(head, ResponseBody::last())
        }
        Err(rejection) => refuse(rejection, observation, bodiless, &client),
    };
    *response.version_mut() = Version::HTTP_11;
    response
}

async fn stages(
    request: Request<Incoming>,
    client: &Client,
    fate: &Arc<BodyFate>,
    observation: &mut Observation,
) -> Result<Outcome, Rejection> {
    let limits = &client.limits;
    // 1. connection: the bytes of the head were unambiguous
    client.activity.framing()?;
    // 2. clients: this address has not used up what it may have and send
    let from = observation.context.origin.client;
    let seat = client.clients.request(from, &client.meter).map_err(|_| {
        observation.context.retry_after = Some(Duration::ZERO);
        Rejection::AddressBusy
    })?;
    observation.seat(seat);
    client.clients.rate(from, Instant::now(), &client.meter).map_err(|wait| {
        observation.context.retry_after = Some(wait);
        Rejection::AddressRate
    })?;
    // 3. request: the head means the same to every reader
    let target = request::inspect(&request, limits)?;
    // 4. route: what becomes of it; what no route takes goes nowhere
    let route = client
        .router
        .find(&target, request.method(), request.headers())
        .map_err(|missing| observation.context.unrouted(missing))?;
    observation.routed(route);
    match route.client_certificate {
        ClientCertificateUse::None => observation.context.certificate = None,
        ClientCertificateUse::Optional => {}
        ClientCertificateUse::Required if observation.context.certificate.is_some() => {}
        ClientCertificateUse::Required => return Err(Rejection::ClientCertificateMissing),
    }
    // 5. identity: who it is, where the route asks
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
    let recognised = client
        .identifier
        .recognise(route.place, request.headers(), from, now)
        .map_err(|refused| observation.nobody(refused))?;
    let mut told = Vec::new();
    if let Some(recognised) = recognised {
        observation.context.identity = Some(recognised.identity);
        told = recognised.headers;
    }
    // 6. authorise: may they
    if let Some(authorise) = &route.authorise {
        let asked = authorise::Asked {
            identity: observation.context.identity.as_ref(),
            address: from,
            method: request.method(),
            path: target.path.path(),
            now_epoch_s: now.as_secs(),
        };
        authorise.check(&asked).map_err(|forbidden| observation.forbidden(forbidden))?;
    }
    let forward = match &route.action {
        Action::Forward(forward) => forward,
        Action::Redirect(redirect) => return Ok(Outcome::Own(elsewhere(redirect, &target)?)),
        Action::Maintenance { retry_after_s, detail } => {
            observation.context.retry_after = Some(Duration::from_secs((*retry_after_s).into()));
            observation.context.detail = detail.clone();
            return Err(Rejection::Maintenance);
        }
    };
    // 7. rollout: to which of its upstreams
    let consumer = observation.context.identity.as_ref().map(|identity| identity.consumer.clone());
    let choice = forward.choose(request.headers(), from, consumer.as_deref());
    let upstream = client.upstreams.get(choice.upstream).ok_or(Rejection::UpstreamFailed)?;
    observation.context.choice = Some(choice);
    let answers = client.answers.of(observation.route());
    let asked = answers.compression().map(|_| Asked::of(request.method(), request.headers()));
    // 8. body: bounded in size and time
    let limits = &route.limits;
    let protocol = route.upgrades.asked(&request);
    let (mut head, body) = request.into_parts();
    let takes_trailers = trailers::are_taken(&head.headers);
    let announced = match body.is_end_stream() {
        true => Vec::new(),
        false => {
            trailers::announced(&head.headers, |name| client.identifier.is_ours(name.as_str()))
        }
    };
    let body_deadline = Instant::now() + Duration::from_millis(limits.body_timeout_ms);
    let mut body = RequestBody::new(body, limits, body_deadline.into(), fate.clone())?
        .with_trailers(announced.clone());
    body.gather(limits.body_gather_bytes as usize).await.map_err(|rejection| {
        // A connection that ends for a flood breaks off its bodies.
        client.activity.flood().map_or(rejection, |_| Rejection::Http2Flood)
    })?;
    // What HTTP/2 refuses unread can be sent once more.
    let multiplexed = upstream.protocol() == BackendProtocol::Http2;
    let whole = multiplexed.then(|| body.whole()).flatten();
    // 9. headers: what ends here is removed, who asks is set by us
    client.identifier.withhold(
        route.place,
        observation.context.identity.as_ref(),
        &mut head.headers,
    );
    headers::to_upstream(&mut head.headers, &observation.context, &target.host, upstream.host());
    headers::identify(&mut head.headers, |name| client.identifier.is_ours(name), told);
    trailers::announce(&mut head.headers, &announced);
    if takes_trailers && protocol.is_none() {
        trailers::ask(&mut head.headers);
    }
    if let Some(protocol) = &protocol {
        upgrade::set(&mut head.headers, protocol);
    }
    let path = match forward.rewritten(target.path.path()) {
        Some(path) => with_query(path, target.path.query()).ok_or(Rejection::TargetInvalid)?,
        None => target.path,
    };
    if let Some(trace) = &observation.context.trace {
        trace.to_upstream(&mut head.headers);
    }
    let mut forwarded = Request::new(body);
    *forwarded.method_mut() = head.method;
    *forwarded.uri_mut() = path.into();
    *forwarded.headers_mut() = head.headers;
    let forwarded = match protocol {
        None => mirrored(forwarded, forward, client, from),
        Some(_) => forwarded.map(BodyExt::boxed_unsync),
    };
    // 10. upstream
    let sent = Instant::now();
    observation.context.upstream_sent = Some(sent);
    let sending = Sending {
        fate,
        limits: &route.own_limits,
        client: from,
        consumer: consumer.as_deref(),
        upgrade: protocol.as_ref(),
        whole: whole.as_ref(),
    };
    let outcome = upstream.send(forwarded, sending).await;
    observation.context.upstream_duration = Some(sent.elapsed());
    let answer = outcome.map_err(|failure| {
        observation.upstream_failed(failure);
        observation.context.rejection.unwrap_or(failure.rejection())
    })?;
    // 11. response: nothing of the inside
    observation.context.backend = Some(answer.backend);
    let mut response = answer.response;
    if let Some(protocol) =
        protocol.filter(|_| response.status() == StatusCode::SWITCHING_PROTOCOLS)
    {
        let upgraded = hyper::upgrade::on(&mut response);
        let (mut head, _) = response.into_parts();
        headers::to_client(&mut head.headers);
        upgrade::set(&mut head.headers, &protocol);
        let idle = Duration::from_millis(limits.tunnel_idle_timeout_ms);
        return Ok(Outcome::Tunnel(
            head,
            Box::new(Opening { upgraded, lease: answer.lease, idle }),
        ));
    }
    let (mut head, body) = response.into_parts();
    let follows = takes_trailers || client.protocol == Protocol::Http2;
    let announced = trailers::announced(&head.headers, trailers::is_inside);
    headers::to_client(&mut head.headers);
    if follows {
        trailers::announce(&mut head.headers, &announced);
    }
    if let Some(cookie) = answer.cookie {
        head.headers.append(header::SET_COOKIE, cookie);
    }
    let body = UpstreamBody::new(body, answer.lease, fate.clone(), answer.wait, follows);
    let asked = asked.unwrap_or_default();
    let id = observation.context.id.as_str();
    let (mut head, body) = shaped(head, body, asked, answers, id, &client.meter);
    answers.apply(&mut head.headers);
    Ok(Outcome::Upstream(head, body))
}

/// What the client gets.
enum Outcome {
    Upstream(Parts, Source),
    Own(Response<Bytes>),
    Tunnel(Parts, Box<Opening>),
}

/// The upstream's answer as it may leave: ours in place of an error, compressed where that is wished.
fn shaped(
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

fn elsewhere(redirect: &Redirect, target: &Target) -> Result<Response<Bytes>, Rejection> {
    let location = redirect.location(target.path.path(), target.path.query());
    let mut answer = Response::new(Bytes::new());
    *answer.status_mut() = redirect.status;
    answer.headers_mut().insert(header::LOCATION, location.ok_or(Rejection::TargetInvalid)?);
    Ok(answer)
}

fn mirrored(
    request: Request<RequestBody<Incoming>>,
    forward: &Forward,
    client: &Client,
    from: IpAddr,
) -> Request<SentBody> {
    let mirror = forward.mirror.as_ref();
    match mirror.and_then(|mirror| mirror.copy(&client.upstreams, &request, from)) {
        None => request.map(BodyExt::boxed_unsync),
        Some(copy) if request.body().is_end_stream() => {
            copy.send();
            request.map(BodyExt::boxed_unsync)
        }
        Some(copy) => request.map(|body| Mirrored::new(body, copy).boxed_unsync()),
    }
}

fn own(
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
    headers::set_request_id(&mut head.headers, &observation.context.id);
    Response::from_parts(head, ResponseBody::new(Source::own(body), observation))
}

fn refuse(
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
    let context = &observation.context;
    let answer = rejection.response(context.id.as_str(), context.detail.as_deref());
    let (mut head, body): (Parts, Bytes) = answer.into_parts();
    client.answers.of(observation.route()).apply(&mut head.headers);
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
    }
    if rejection == Rejection::UpstreamBusy {
        head.headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    }
    if let Some(wait) = observation.context.retry_after {
        // Rounded up: too early would only be refused again.
        let seconds = (wait.as_secs() + u64::from(wait.subsec_nanos() > 0)).max(1);
        head.headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    // What follows an unreadable request on an HTTP/1 connection may be its rest.
    if client.ends_after(rejection) {
        head.headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    Response::from_parts(head, ResponseBody::new(Source::own(body), observation))
}
