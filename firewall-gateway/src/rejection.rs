//! Every refusal in one enum: status, public words, metric label.

mod flood;
mod upstream_failure;

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use serde_json::{Value, json};

pub use self::{flood::Flood, upstream_failure::UpstreamFailure};

/// Why a request was not served. The words for the client show nothing of the inside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the table below says what each one is")]
pub enum Rejection {
    RequestMalformed,
    FramingAmbiguous,
    HostMissing,
    HostRepeated,
    HostInvalid,
    TargetInvalid,
    RouteMissing,
    MethodRefused,
    MethodNotAllowed,
    Maintenance,
    ConnectionHeader,
    ExpectationRefused,
    HeadersTooLarge,
    TargetTooLong,
    BodyTooLarge,
    BodyMalformed,
    HeaderTimeout,
    BodyTimeout,
    IdleTimeout,
    ClientGone,
    UpstreamBusy,
    UpstreamFailed,
    UpstreamTimeout,
    DrainCut,
    AddressRate,
    AddressBusy,
    PathAmbiguous,
    SlowBody,
    SlowRead,
    StreamRefused,
    Http2Flood,
    ClientCertificateMissing,
    Unauthenticated,
    Forbidden,
    AuthenticationFailures,
    CrossSite,
    RateLimited,
    Challenged,
    LeakBlocked,
    OperationUnknown,
    InputMalformed,
    InputUnsupported,
    InputTooLarge,
    InputInvalid,
    AnswerInvalid,
    VerdictBlocked,
    StepUpRequired,
    VerdictUnavailable,
    LoginFailed,
    LoginUnavailable,
    IntrospectionUnavailable,
    ConsumerRefused,
}

impl Rejection {
    /// All of them, in the order of their numbers.
    pub const ALL: [Rejection; 52] = [
        Rejection::RequestMalformed,
        Rejection::FramingAmbiguous,
        Rejection::HostMissing,
        Rejection::HostRepeated,
        Rejection::HostInvalid,
        Rejection::TargetInvalid,
        Rejection::RouteMissing,
        Rejection::MethodRefused,
        Rejection::MethodNotAllowed,
        Rejection::Maintenance,
        Rejection::ConnectionHeader,
        Rejection::ExpectationRefused,
        Rejection::HeadersTooLarge,
        Rejection::TargetTooLong,
        Rejection::BodyTooLarge,
        Rejection::BodyMalformed,
        Rejection::HeaderTimeout,
        Rejection::BodyTimeout,
        Rejection::IdleTimeout,
        Rejection::ClientGone,
        Rejection::UpstreamBusy,
        Rejection::UpstreamFailed,
        Rejection::UpstreamTimeout,
        Rejection::DrainCut,
        Rejection::AddressRate,
        Rejection::AddressBusy,
        Rejection::PathAmbiguous,
        Rejection::SlowBody,
        Rejection::SlowRead,
        Rejection::StreamRefused,
        Rejection::Http2Flood,
        Rejection::ClientCertificateMissing,
        Rejection::Unauthenticated,
        Rejection::Forbidden,
        Rejection::AuthenticationFailures,
        Rejection::CrossSite,
        Rejection::RateLimited,
        Rejection::Challenged,
        Rejection::LeakBlocked,
        Rejection::OperationUnknown,
        Rejection::InputMalformed,
        Rejection::InputUnsupported,
        Rejection::InputTooLarge,
        Rejection::InputInvalid,
        Rejection::AnswerInvalid,
        Rejection::VerdictBlocked,
        Rejection::StepUpRequired,
        Rejection::VerdictUnavailable,
        Rejection::LoginFailed,
        Rejection::LoginUnavailable,
        Rejection::IntrospectionUnavailable,
        Rejection::ConsumerRefused,
    ];

    /// The value of the metric label and of the access log's `rejection`.
    #[must_use]
    pub fn label(self) -> &'static str {
        self.facts().1
    }

    /// The answer's status; for those that never get an answer, what the log shows.
    #[must_use]
    pub fn status(self) -> StatusCode {
        StatusCode::from_u16(self.facts().0).unwrap_or(StatusCode::BAD_REQUEST)
    }

    /// A problem+json answer (RFC 9457), with these words instead of ours where there are some, and with what is wrong
    /// one by one where that is known.
    #[must_use]
    pub fn response(
        self,
        request_id: &str,
        words: Option<&str>,
        errors: Option<Value>,
    ) -> Response<Bytes> {
        let (_, label, title, detail) = self.facts();
        let detail = words.unwrap_or(detail);
        problem(self.status(), &label.replace('_', "-"), title, detail, request_id, errors)
    }

    // Status, label, title, detail.
    fn facts(self) -> (u16, &'static str, &'static str, &'static str) {
        match self {
            Self::RequestMalformed => {
                (400, "request_malformed", "Bad request", "The request is not valid HTTP.")
            }
            Self::FramingAmbiguous => (
                400,
                "framing_ambiguous",
                "Bad request",
                "The length of the request body is ambiguous: send one Content-Length or `Transfer-Encoding: chunked`, and end lines with CR LF.",
            ),
            Self::HostMissing => (400, "host_missing", "Bad request", "The request names no host."),
            Self::HostRepeated => {
                (400, "host_repeated", "Bad request", "The request names more than one host.")
            }
            Self::HostInvalid => (
                400,
                "host_invalid",
                "Bad request",
                "The host is not a host name or address with an optional port.",
            ),
            Self::TargetInvalid => (
                400,
                "target_invalid",
                "Bad request",
                "The request target is neither a path nor an address of the same host.",
            ),
            Self::RouteMissing => {
                (404, "route_missing", "Not found", "There is nothing at this address.")
            }
            Self::MethodRefused => {
                (405, "method_refused", "Method not allowed", "This method is not served here.")
            }
            Self::MethodNotAllowed => (
                405,
                "method_not_allowed",
                "Method not allowed",
                "This method is not served at this address.",
            ),
            Self::Maintenance => (
                503,
                "maintenance",
                "Service unavailable",
                "The service is being worked on. Try again later.",
            ),
            Self::ConnectionHeader => (
                400,
                "connection_header",
                "Bad request",
                "The Connection header names a header that must reach its receiver.",
            ),
            Self::ExpectationRefused => (
                417,
                "expectation_refused",
                "Expectation failed",
                "The only expectation served is 100-continue.",
            ),
            Self::HeadersTooLarge => (
                431,
                "headers_too_large",
                "Request header fields too large",
                "The request has too many headers or too large ones.",
            ),
            Self::TargetTooLong => {
                (414, "target_too_long", "URI too long", "The request target is too long.")
            }
            Self::BodyTooLarge => (
                413,
                "body_too_large",
                "Content too large",
                "The request body is larger than is accepted here.",
            ),
            Self::BodyMalformed => (
                400,
                "body_malformed",
                "Bad request",
                "The request body does not follow its framing.",
            ),
            Self::HeaderTimeout => (
                408,
                "header_timeout",
                "Request timeout",
                "The request headers did not arrive in time.",
            ),
            Self::BodyTimeout => {
                (408, "body_timeout", "Request timeout", "The request body did not arrive in time.")
            }
            Self::IdleTimeout => {
                (408, "idle_timeout", "Request timeout", "The connection made no progress.")
            }
            Self::ClientGone => {
                (499, "client_gone", "Client closed request", "The client left before the answer.")
            }
            Self::UpstreamBusy => (
                503,
                "upstream_busy",
                "Service unavailable",
                "The service is busy. Try again shortly.",
            ),
            Self::UpstreamFailed => {
                (502, "upstream_failed", "Bad gateway", "The service could not be reached.")
            }
            Self::UpstreamTimeout => {
                (504, "upstream_timeout", "Gateway timeout", "The service did not answer in time.")
            }
            Self::DrainCut => (
                503,
                "drain_cut",
                "Service unavailable",
                "The service is restarting. Try again shortly.",
            ),
            Self::AddressRate => (
                429,
                "address_rate",
                "Too many requests",
                "Too many requests from your address. Try again later.",
            ),
            Self::AddressBusy => (
                429,
                "address_busy",
                "Too many requests",
                "Too many requests at once from your address. Try again shortly.",
            ),
            Self::PathAmbiguous => (
                400,
                "path_ambiguous",
                "Bad request",
                "The path can be read in more than one way: send it without dot segments, empty segments, backslashes, `;` and encoded separators.",
            ),
            Self::SlowBody => {
                (408, "slow_body", "Request timeout", "The request body arrived too slowly.")
            }
            Self::SlowRead => {
                (408, "slow_read", "Request timeout", "The answer was read too slowly.")
            }
            Self::StreamRefused => (
                503,
                "stream_refused",
                "Service unavailable",
                "Too many requests at once on this connection.",
            ),
            Self::Http2Flood => (
                429,
                "http2_flood",
                "Too many requests",
                "The connection sent too many frames that ask for nothing.",
            ),
            Self::ClientCertificateMissing => (
                403,
                "client_certificate_missing",
                "Forbidden",
                "This service is for clients that show a certificate at the TLS handshake.",
            ),
            Self::Unauthenticated => (
                401,
                "unauthenticated",
                "Unauthorized",
                "The request has no credential that is accepted here.",
            ),
            Self::AuthenticationFailures => (
                429,
                "authentication_failures",
                "Too many requests",
                "Too many credentials that do not hold. Try again later.",
            ),
            Self::CrossSite => (
                403,
                "cross_site",
                "Forbidden",
                "A page of another site may not send this request.",
            ),
            Self::RateLimited => {
                (429, "rate_limited", "Too many requests", "Too many requests. Try again later.")
            }
            Self::Challenged => (
                429,
                "challenged",
                "Too many requests",
                "Too many requests from your address that could not be served. Try again later.",
            ),
            Self::LeakBlocked => {
                (502, "leak_blocked", "Bad gateway", "The answer of the service was held back.")
            }
            Self::OperationUnknown => (
                404,
                "operation_unknown",
                "Not found",
                "There is no such operation at this address.",
            ),
            Self::InputMalformed => (
                400,
                "input_malformed",
                "Bad request",
                "The request cannot be read as what it says it is.",
            ),
            Self::InputUnsupported => (
                415,
                "input_unsupported",
                "Unsupported media type",
                "The request body is of a type that is not taken here.",
            ),
            Self::InputTooLarge => (
                413,
                "input_too_large",
                "Content too large",
                "The request holds more than is taken here.",
            ),
            Self::InputInvalid => (
                422,
                "input_invalid",
                "Unprocessable content",
                "The request does not have the form that is asked for here.",
            ),
            Self::AnswerInvalid => (
                502,
                "answer_invalid",
                "Bad gateway",
                "The service's answer does not have its form.",
            ),
            Self::VerdictBlocked => {
                (403, "verdict_blocked", "Forbidden", "The request was refused.")
            }
            Self::StepUpRequired => (
                401,
                "step_up_required",
                "Unauthorized",
                "This needs a stronger authentication than the one that was used.",
            ),
            Self::VerdictUnavailable => (
                503,
                "verdict_unavailable",
                "Service unavailable",
                "The request could not be checked. Try again shortly.",
            ),
            Self::LoginFailed => (
                400,
                "login_failed",
                "Bad request",
                "The login or logout could not be finished. Begin again.",
            ),
            Self::LoginUnavailable => (
                503,
                "login_unavailable",
                "Service unavailable",
                "Nobody can log in at the moment. Try again shortly.",
            ),
            Self::IntrospectionUnavailable => (
                503,
                "introspection_unavailable",
                "Service unavailable",
                "The credential could not be checked. Try again shortly.",
            ),
            Self::ConsumerRefused => (
                429,
                "consumer_refused",
                "Too many requests",
                "Too many of your requests could not be served. Try again later.",
            ),
            Self::Forbidden => {
                (403, "forbidden", "Forbidden", "You may not do this at this address.")
            }
        }
    }
}

/// What stands in the place of an upstream's own words about its failure; the status is the
/// upstream's.
#[must_use]
pub fn upstream_error(status: StatusCode, request_id: &str) -> Response<Bytes> {
    let title = status.canonical_reason().unwrap_or("Server error");
    problem(
        status,
        "upstream-error",
        title,
        "The service failed on this request.",
        request_id,
        None,
    )
}

fn problem(
    status: StatusCode,
    kind: &str,
    title: &str,
    detail: &str,
    request_id: &str,
    errors: Option<Value>,
) -> Response<Bytes> {
    let mut body = json!({
        "type": format!("urn:seawall:problem:{kind}"),
        "title": title,
        "status": status.as_u16(),
        "detail": detail,
        "request_id": request_id,
    });
    if let Some(errors) = errors {
        body["errors"] = errors;
    }
    let mut response = Response::new(Bytes::from(body.to_string()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
mod tests;
