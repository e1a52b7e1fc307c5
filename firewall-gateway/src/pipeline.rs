//! THE order of a request's stages.

mod ends;

mod extended;

mod looks;

mod ours;

mod standing;

use std::{
    net::IpAddr,
    rc::Rc,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::{Duration, Instant, SystemTime},
};

use bytes::Bytes;
use http::{
    HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Version, header, response::Parts,
};
use http_body_util::BodyExt;
use hyper::body::{Body as _, Incoming};

use self::{
    ends::{own, refuse, shaped, share},
    extended::Extended,
    ours::Ours,
};
use crate::{
    answer::Asked,
    authorise,
    body::{BodyFate, RequestBody},
    browser::{PREFLIGHT_STATUS, Preflight},
    connection::{Client, Unread},
    context::{Protocol, RequestId},
    countries::Code,
    figures::one,
    headers::{self, trailers},
    identity::{Identity, Refused},
    observe::Observation,
    policy::{BackendProtocol, ClientCertificateUse},
    rate::{self, When},
    rejection::Rejection,
    request::{self, Target, with_query},
    response::{ResponseBody, Source, UpstreamBody},
    rollout::{Forward, Mirrored},
    route::{Action, Redirect},
    trace::TraceContext,
    tunnel::{Opening, Tunnel},
    upstream::{Sending, SentBody},
    validate,
    verdict::Question,
};

/// One request from its head to its answer. Never fails: a refusal is an answer too.
pub async fn run(
    mut request: Request<Incoming>,
    client: Rc<Client>,
    unread: Rc<Unread>,
) -> Response<ResponseBody> {
    // Before anything looks at it: all that follows is the same for both.
    let extended = Extended::of(&mut request);
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
    observation.context.country = client.countries.of(observation.context.origin.client);
    observation.context.details = client.access_log.details(request.uri(), request.headers());
    if let Some(tracer) = &client.tracer {
        observation.context.trace = TraceContext::begin(request.headers(), &tracer.policy).ok();
    }
    let bodiless = request.method() == Method::HEAD;
    let (mut outcome, extended) = match id.map_err(|_| Rejection::UpstreamBusy).and(extended) {
        Ok(extended) => (stages(request, &client, &fate, &mut observation).await, extended),
        Err(rejection) => (Err(rejection), None),
    };
    if extended.is_some() {
        outcome = Extended::told(outcome);
    }
    let mut response = match outcome {
        Ok(Outcome::Own(mut answer)) => {
            share(answer.headers_mut(), &observation, &client);
            own(answer, observation, bodiless, &client)
        }
        Ok(Outcome::Preflight(answer)) => own(answer, observation, bodiless, &client),
        Ok(Outcome::Upstream(mut head, body)) => {
            share(&mut head.headers, &observation, &client);
            observation.status(head.status.as_u16());
            // The HTTP library does not ask for a body that is not there.
            if bodiless || body.is_end_stream() {
                observation.answered();
            }
            let id = observation.context.id.clone();
            client.rates.describe(observation.route(), &observation.due, &mut head.headers);
            headers::set_request_id(&mut head.headers, &id);
            Response::from_parts(head, ResponseBody::new(body, observation))
        }
        Ok(Outcome::Tunnel(mut head, opening)) => {
            observation.status(head.status.as_u16());
            client.rates.describe(observation.route(), &observation.due, &mut head.headers);
            headers::set_request_id(&mut head.headers, &observation.context.id);
            let tunnel = Tunnel::new(*opening, observation);
            match extended {
                Some(extended) => extended.carry(tunnel, client.activity.clone()),
                None => client.tunnel.set(Some(Box::new(tunnel))),
            }
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
    // 2. clients: this address has not offended too often, nor used up what it may have and send
    let from = observation.context.origin.client;
    let whence = (from, observation.context.country);
    let solves = match &client.behaviour {
        Some(behaviour) => standing::address(&request, client, behaviour, observation)?,
        None => false,
    };
    let seat = client.clients.request(from, &client.meter).map_err(|_| {
        observation.context.retry_after = Some(Duration::ZERO);
        Rejection::AddressBusy
    })?;
    observation.seat(seat);
    client.clients.rate(from, observation.context.start, &client.meter).map_err(|wait| {
        observation.context.retry_after = Some(wait);
        Rejection::AddressRate
    })?;
    if solves {
        return standing::solved(&request, client, observation).map(Outcome::Own);
    }
    // 3. request: the head means the same to every reader
    let mut target = request::inspect(&request, limits)?;
    // 4. route: what becomes of it; what no route takes goes nowhere
    if let Some((login, page)) = client.logins.page(&target) {
        let ours = Ours { login, page, target: &target };
        // Boxed, as all that few requests wait for: room for it in every request would be the memory of all.
        let served = Box::pin(ours.serve(request, client, fate, observation)).await;
        return served.map(Outcome::Own);
    }
    if let Some(answer) = preflight(&request, &target, client, observation)? {
        return Ok(Outcome::Preflight(answer));
    }
    let route = match client.router.find(&target, request.method(), request.headers()) {
        Ok(route) => route,
        // Whoever looks for what is not there is counted by what holds everywhere.
        Err(missing) => {
            let asked = counted(None, whence, request.headers(), None);
            client
                .rates
                .admit(When::Early, None, &asked, &mut observation.due)
                .map_err(|limited| observation.limited(limited))?;
            return Err(observation.context.unrouted(missing));
        }
    };
    observation.routed(route);
    // A page may read a refusal too.
    if route.cors.is_some() {
        observation.context.page = request.headers().get(header::ORIGIN).cloned();
    }
    match route.client_certificate {
        ClientCertificateUse::None => observation.context.certificate = None,
        ClientCertificateUse::Optional => {}
        ClientCertificateUse::Required if observation.context.certificate.is_some() => {}
        ClientCertificateUse::Required => return Err(Rejection::ClientCertificateMissing),
    }
    // 5. rate: not too often, of what can be told before a signature is verified
    let place = Some(route.place);
    let asked = counted(Some(&route.name), whence, request.headers(), None);
    let early = client
        .rates
        .admit(When::Early, place, &asked, &mut observation.due)
        .map_err(|limited| observation.limited(limited))?;
    // 6. browser: whose page it comes from
    let upgrade = route.upgrades.asked(&request)?;
    let mut token = None;
    if let Some(csrf) = &route.csrf {
        csrf.check(request.method(), upgrade.is_some(), request.headers(), &target.host)
            .map_err(|refused| observation.cross_site(refused))?;
        token = csrf.token(request.method(), request.headers());
    }
    // 7. identity: who it is, where the route asks
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
    let opaque = client.identifier.opaque(route.place, request.headers(), from, now);
    if let Some(opaque) = opaque.map_err(|refused| observation.nobody(refused))? {
        let asked = client.identifier.introspect(&opaque, &client.upstreams, from, now);
        Box::pin(asked).await.map_err(|_| Rejection::IntrospectionUnavailable)?;
    }
    let shared = client.identifier.unconfirmed(route.place, request.headers(), from, now);
    let mut confirmed = Ok(());
    if let Some(session) = shared {
        confirmed = Box::pin(client.identifier.confirm(session)).await;
    }
    let certificate = client.certificate.as_deref();
    let headers = request.headers();
    let recognised =
        client.identifier.recognise(route.place, headers, certificate, confirmed, from, now);
    if let Err(Refused::Denied(denied)) = &recognised {
        let (method, headers) = (request.method(), request.headers());
        if let Some(login) = client.logins.wanted(route.place, *denied, method, headers, &target) {
            let sent = login.begin(target.path.as_str(), headers, now, &client.meter);
            return sent.map(Outcome::Own).map_err(|error| observation.login_failed(error));
        }
    }
    let recognised = recognised.map_err(|refused| observation.nobody(refused))?;
    let mut told = Vec::new();
    if let Some(recognised) = recognised {
        observation.context.identity = Some(recognised.identity);
        if let Some(behaviour) = &client.behaviour {
            standing::consumer(behaviour, observation)?;
        }
        told = recognised.headers;
    }
    // Where no request follows that could be refused.
    let identity = observation.context.identity.as_ref();
    let held = upgrade
        .as_ref()
        .and_then(|_| client.identifier.held(route.place, identity, request.headers()));
    // 8. authorise: may they
    if let Some(authorise) = &route.authorise {
        let asked = authorise::Asked {
            identity: observation.context.identity.as_ref(),
            address: from,
            country: observation.context.country,
            method: request.method(),
            path: target.path.path(),
            now_epoch_s: now.as_secs(),
        };
        authorise.check(&asked).map_err(|forbidden| observation.forbidden(forbidden))?;
    }
    // 9. rate: not too often, of what asks who it is; then in their turn
    let identity = observation.context.identity.as_ref();
    let asked = counted(Some(&route.name), whence, request.headers(), identity);
    let late = client
        .rates
        .admit_known(place, &asked, &mut observation.due)
        .await
        .map_err(|limited| observation.limited(limited))?;
    let wait = early.max(late);
    if !wait.is_zero() {
        tokio::time::sleep(wait).await;
    }
    // 10. verdict: what others say of it
    if let Some(verdict) = &route.verdict {
        let (host, path) = (&target.host, target.path.path());
        let question = Question::new(&observation.context, host, path, request.headers());
        let judged = Box::pin(verdict.ask(&question, &client.upstreams)).await;
        let refused = verdict.refuses(&judged);
        observation.context.verdict = Some(judged);
        if let Some(rejection) = refused {
            return Err(rejection);
        }
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
    // 11. rollout: to which of its upstreams
    let consumer = observation.context.identity.as_ref().map(|identity| identity.consumer.clone());
    let choice = forward.choose(request.headers(), from, consumer.as_deref());
    let upstream = client.upstreams.get(choice.upstream).ok_or(Rejection::UpstreamFailed)?;
    observation.context.choice = Some(choice);
    let answers = client.answers.of(observation.route());
    let asked = answers.compression().map(|_| Asked::of(request.method(), request.headers()));
    // 12. body: bounded in size and time
    let limits = &route.limits;
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
    // A connection that ends for a flood breaks off its bodies.
    let broken = |rejection| client.activity.flood().map_or(rejection, |_| Rejection::Http2Flood);
    // 13. sanitise: its texts in one form, with nothing hidden in them
    if let Some(sanitise) = &route.sanitise {
        let (sanitised, cleaned) = Box::pin(sanitise.clean(&target.path, &head.headers, &mut body))
            .await
            .map_err(broken)?;
        observation.sanitised(sanitised)?;
        target.path = cleaned.unwrap_or(target.path);
    }
    // 14. validate: does it look as the API's document says
    if let Some(validation) = &route.validation {
        let asked = validate::Asked {
            method: &head.method,
            path: target.path.path(),
            query: target.path.query(),
            headers: &head.headers,
        };
        let (verdict, invalid) =
            Box::pin(validation.judge(&asked, &mut body)).await.map_err(broken)?;
        observation.validated(verdict, invalid)?;
    }
    let validation = route.validation.as_ref();
    let judged =
        validation.and_then(|it| Some((it, it.answers(&head.method, target.path.path())?)));
    body.gather(limits.body_gather_bytes as usize).await.map_err(broken)?;
    // What HTTP/2 refuses unread can be sent once more.
    let multiplexed = upstream.protocol() == BackendProtocol::Http2;
    let whole = multiplexed.then(|| body.whole()).flatten();
    // 15. headers: what ends here is removed, who asks is set by us
    client.identifier.withhold(
        route.place,
        observation.context.identity.as_ref(),
        &mut head.headers,
    );
    headers::to_upstream(&mut head.headers, &observation.context, &target.host, upstream.host());
    headers::identify(&mut head.headers, |name| client.identifier.is_ours(name), told);
    trailers::announce(&mut head.headers, &announced);
    if takes_trailers && upgrade.is_none() {
        trailers::ask(&mut head.headers);
    }
    if let Some(upgrade) = &upgrade {
        upgrade.set(&mut head.headers);
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
    let forwarded = match upgrade {
        None => mirrored(forwarded, forward, client, from),
        Some(_) => forwarded.map(BodyExt::boxed_unsync),
    };
    // 16. upstream
    let sent = Instant::now();
    observation.context.upstream_sent = Some(sent);
    let sending = Sending {
        fate,
        limits: &route.own_limits,
        client: from,
        consumer: consumer.as_deref(),
        upgrade: upgrade.as_ref(),
        whole: whole.as_ref(),
        within: None,
    };
    let outcome = upstream.send(forwarded, sending).await;
    let answered = outcome.as_ref().ok().and_then(|answer| answer.lease.in_flight().answered_at());
    let answered = answered.unwrap_or_else(Instant::now);
    observation.context.upstream_duration = Some(answered.saturating_duration_since(sent));
    let answer = outcome.map_err(|failure| observation.upstream_failed(failure))?;
    // 17. response: nothing of the inside
    observation.context.backend = Some(answer.backend);
    let mut response = answer.response;
    if let Some(upgrade) = upgrade.filter(|_| response.status() == StatusCode::SWITCHING_PROTOCOLS)
    {
        let upgraded = hyper::upgrade::on(&mut response);
        let (mut head, _) = response.into_parts();
        headers::to_client(&mut head.headers);
        upgrade.set(&mut head.headers);
        let idle = Duration::from_millis(limits.tunnel_idle_timeout_ms);
        let opening = Opening { upgraded, lease: answer.lease, idle, held };
        return Ok(Outcome::Tunnel(head, Box::new(opening)));
    }
    let (mut head, body) = response.into_parts();
    let follows = takes_trailers || client.protocol == Protocol::Http2;
    let announced = trailers::announced(&head.headers, trailers::is_inside);
    headers::to_client(&mut head.headers);
    if follows {
        trailers::announce(&mut head.headers, &announced);
    }
    client.identifier.keep_own_cookies(&mut head.headers);
    if let Some(cookies) = &route.cookies {
        client.meter.cookies_hardened.fetch_add(cookies.harden(&mut head.headers), Relaxed);
    }
    if let Some(cookie) = answer.cookie {
        head.headers.append(header::SET_COOKIE, cookie);
    }
    let mut body = UpstreamBody::new(body, answer.lease, fate.clone(), answer.wait, follows);
    if judged.is_some() || route.scrub.is_some() {
        let looked = looks::look(route, judged, &head, body, observation, client);
        body = Box::pin(looked).await?;
    }
    let asked = asked.unwrap_or_default();
    let id = observation.context.id.as_str();
    let (mut head, body) = shaped(head, body, asked, answers, id, &client.meter);
    answers.apply(&mut head.headers);
    if let Some(token) = token {
        head.headers.append(header::SET_COOKIE, token);
        // It is this session's alone, whatever the upstream says of its page.
        head.headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("private"));
    }
    Ok(Outcome::Upstream(head, body))
}

fn counted<'a>(
    route: Option<&'a str>,
    (address, country): (IpAddr, Option<Code>),
    headers: &'a HeaderMap,
    identity: Option<&'a Identity>,
) -> rate::Asked<'a> {
    rate::Asked { address, country, route, headers, identity }
}

/// What the client gets.
enum Outcome {
    Upstream(Parts, Source),
    Own(Response<Bytes>),
    Preflight(Response<Bytes>),
    Tunnel(Parts, Box<Opening>),
}

/// Where a route shares its answers, we answer who asks whether it may.
fn preflight(
    request: &Request<Incoming>,
    target: &Target,
    client: &Client,
    observation: &mut Observation,
) -> Result<Option<Response<Bytes>>, Rejection> {
    let Some(asked) = Preflight::of(request.method(), request.headers()) else { return Ok(None) };
    let route = client.router.find(target, &asked.method, request.headers());
    let Some((route, cors)) = route.ok().and_then(|route| Some((route, route.cors.as_ref()?)))
    else {
        return Ok(None);
    };
    observation.routed(route);
    let headers = cors
        .preflight(&asked, request.headers())
        .map_err(|refused| observation.cross_site(refused))?;
    one(&client.meter.preflights);
    let mut answer = Response::new(Bytes::new());
    *answer.status_mut() = PREFLIGHT_STATUS;
    *answer.headers_mut() = headers;
    Ok(Some(answer))
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
