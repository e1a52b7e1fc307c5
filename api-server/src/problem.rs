//! Errors as problem+json (RFC 9457).

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use http_body_util::Full;
use serde_json::json;

/// What can be wrong with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Problem {
    /// No such path.
    NotFound,
    /// The path exists, not for this method.
    MethodNotAllowed,
    /// More than the server reads.
    BodyTooLarge,
    /// The body broke off or does not follow its framing.
    BodyMalformed,
    /// The body did not come in time.
    Timeout,
    /// More requests than are served in a second.
    TooMany,
}

impl Problem {
    /// The answer.
    #[must_use]
    pub fn response(self) -> Response<Full<Bytes>> {
        let (status, title, detail) = match self {
            Self::NotFound => {
                (StatusCode::NOT_FOUND, "Not found", "There is nothing at this path.")
            }
            Self::MethodNotAllowed => (
                StatusCode::METHOD_NOT_ALLOWED,
                "Method not allowed",
                "This path is served to GET and HEAD.",
            ),
            Self::BodyTooLarge => (
                StatusCode::PAYLOAD_TOO_LARGE,
                "Content too large",
                "The request body is larger than is accepted here.",
            ),
            Self::BodyMalformed => (
                StatusCode::BAD_REQUEST,
                "Bad request",
                "The request body does not follow its framing.",
            ),
            Self::Timeout => (
                StatusCode::REQUEST_TIMEOUT,
                "Request timeout",
                "The request did not arrive in time.",
            ),
            Self::TooMany => (
                StatusCode::TOO_MANY_REQUESTS,
                "Too many requests",
                "More requests came than are served; Retry-After says when to come again.",
            ),
        };
        let body = json!({ "type": "about:blank", "title": title, "status": status.as_u16(), "detail": detail });
        let mut response = Response::new(Full::from(body.to_string()));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if self == Self::MethodNotAllowed {
            headers.insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
        }
        response
    }
}
