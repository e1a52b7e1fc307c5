//! THE order of a request's stages.

use std::{
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, Version, header, response::Parts};
use http_body_util::BodyExt;
use hyper::body::Incoming;

use crate::{
    body::{BodyFate, RequestBody},
    connection::Client,
    context::RequestId,
    headers,
    observe::Observation,
    rejection::Rejection,
    request::{self, METHODS_TEXT},
    response::{ResponseBody, UpstreamBody},
};

/// One request from its head to its answer. Never fails: a refusal is an answer too.
pub async fn run(request: Request<Incoming>, client: Rc<Client>) -> Response<ResponseBody> {
    let fate = Arc::new(BodyFate::default());
    let id = RequestId::random();
    let mut observation = Observation::begin(
        &client,
        id.as_ref().map_or_else(|_| RequestId::none(), RequestId::clone),
        Some(request.method().clone()),
        request.uri().clone(),
        fate.clone(),
    );
    let bodiless = request.method() == Method::HEAD;
    let outcome = match id {
        Ok(_) => stages(request, &client, &fate, &mut observation).await,
        Err(_) => Err(Rejection::UpstreamBusy),
    };
    let mut response = match outcome {
        Ok((head, body)) => {
            observation.status(head.status.as_u16());
            // The HTTP library does not ask for a body that is not there.
            if bodiless || body.is_end_stream() {
                observation.answered();
            }
            let id = observation.context.id.clone();
            let mut response =
                Response::from_parts(head, ResponseBody::upstream(body, observation));
            headers::set_request_id(response.headers_mut(), &id);
            response
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
) -> Result<(Parts, UpstreamBody), Rejection> {
    let limits = &client.limits;
    // 1. connection: the bytes of the head were unambiguous
    client.activity.framing()?;
    // 2. request: the head means the same to every reader
    let target = request::inspect(&request, limits)?;
    // 3. route: where it goes; what no route takes goes nowhere
    let route = client.router.find(&target)?;
    observation.context.route = Some(route.name.clone());
    let upstream = client.upstreams.get(route.upstream).ok_or(Rejection::UpstreamFailed)?;
    // 4. body: bounded in size and time
    let (mut head, body) = request.into_parts();
    let body_deadline = Instant::now() + Duration::from_millis(limits.body_timeout_ms);
    let body = RequestBody::new(body, limits.body_bytes_max, body_deadline.into(), fate.clone())?;
    // 5. headers: what ends here is removed, who asks is set by us
    headers::to_upstream(&mut head.headers, &observation.context, &target.host, upstream.host());
    let mut forwarded = Request::new(body.boxed_unsync());
    *forwarded.method_mut() = head.method;
    *forwarded.uri_mut() = target.path.into();
    *forwarded.headers_mut() = head.headers;
    // 6. upstream
    let sent = Instant::now();
    let outcome = upstream.send(forwarded, fate).await;
    observation.context.upstream_duration = Some(sent.elapsed());
    let (answer, lease) = outcome.map_err(|failure| {
        observation.upstream_failed(failure);
        observation.context.rejection.unwrap_or(failure.rejection())
    })?;
    // 7. response: nothing of the inside
    let (mut head, body) = answer.into_parts();
    headers::to_client(&mut head.headers);
    let wait = Duration::from_millis(limits.upstream_response_timeout_ms);
    Ok((head, UpstreamBody::new(body, lease, fate.clone(), wait)))
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
    let (mut head, body): (Parts, Bytes) =
        rejection.response(observation.context.id.as_str()).into_parts();
    headers::set_request_id(&mut head.headers, &observation.context.id);
    if rejection == Rejection::MethodRefused {
        head.headers.insert(header::ALLOW, HeaderValue::from_static(METHODS_TEXT));
    }
    if rejection == Rejection::UpstreamBusy {
        head.headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    }
    // What follows an unreadable request on an HTTP/1 connection may be its rest.
    if client.ends_after(rejection) {
        head.headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    Response::from_parts(head, ResponseBody::own(body, observation))
}
