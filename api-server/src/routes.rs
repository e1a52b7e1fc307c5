//! What is served at which path.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, header};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::{Body, Incoming};
use tokio::time::timeout;

use crate::{
    limits::{BODY_BYTES_MAX, REQUEST_TIMEOUT_MS},
    problem::Problem,
    rate::{Rate, Standing},
};

/// What is served, to all connections.
#[derive(Debug)]
pub struct Api {
    /// What GET /v1/message answers.
    pub message: String,
    /// How often.
    pub rate: Rate,
}

/// Answers one request.
pub async fn answer(request: Request<Incoming>, api: Arc<Api>) -> Response<Full<Bytes>> {
    let (head, body) = request.into_parts();
    if let Err(problem) = discard(body).await {
        return problem.response();
    }
    // Whoever looks whether the server is well is not told that it is not because others ask a lot.
    if head.uri.path() == "/healthz" {
        return text(&head.method, "ok\n".to_owned());
    }
    let standing = api.rate.take();
    let mut response = match (standing, head.uri.path()) {
        (Standing::Refused(_), _) => Problem::TooMany.response(),
        (Standing::Allowed(_), "/v1/message") => text(&head.method, format!("{}\n", api.message)),
        (Standing::Allowed(_), _) => Problem::NotFound.response(),
    };
    api.rate.describe(standing, response.headers_mut());
    response
}

fn text(method: &Method, text: String) -> Response<Full<Bytes>> {
    if method != Method::GET && method != Method::HEAD {
        return Problem::MethodNotAllowed.response();
    }
    let mut response = Response::new(Full::from(text));
    let plain = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, plain);
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

async fn discard(body: Incoming) -> Result<(), Problem> {
    if body.size_hint().lower() > BODY_BYTES_MAX {
        return Err(Problem::BodyTooLarge);
    }
    let limited = Limited::new(body, usize::try_from(BODY_BYTES_MAX).unwrap_or(usize::MAX));
    match timeout(Duration::from_millis(REQUEST_TIMEOUT_MS), limited.collect()).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(Problem::BodyTooLarge),
        Ok(Err(_)) => Err(Problem::BodyMalformed),
        Err(_) => Err(Problem::Timeout),
    }
}
