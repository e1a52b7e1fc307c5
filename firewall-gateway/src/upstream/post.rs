//! Messages of our own to an upstream: events, and questions about requests. Answers are short and wanted soon.

use std::{net::IpAddr, sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, header, uri::PathAndQuery};
use http_body_util::{BodyExt, Full};
use tokio::time::timeout;

use super::{Answer, Sending, Upstream};
use crate::{
    body::BodyFate, limits::POST_MARGIN_MS, policy::RouteLimits, rejection::UpstreamFailure,
};

/// What is posted.
pub struct Message<'a> {
    /// Where to.
    pub path: &'a PathAndQuery,
    /// Headers, beside those that every message has.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
    /// Whom it is about: an upstream may be chosen by that.
    pub client: IpAddr,
    /// How long all of it may take, a wait for room at the upstream apart.
    pub within: Duration,
    /// Bytes of an answer's body.
    pub answer_bytes_max: usize,
}

/// The answer to a message.
pub struct Reply {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
}

/// Why there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub enum PostError {
    #[error("{}", .0.label())]
    Upstream(UpstreamFailure),
    #[error("the answer did not come in time")]
    Late,
    #[error("the answer broke off")]
    Broken,
    #[error("the answer is too long")]
    TooLong,
}

impl Upstream {
    /// Posts a message and reads the answer.
    ///
    /// # Errors
    /// There is no answer, or none that is read.
    pub async fn post(&self, message: Message<'_>) -> Result<Reply, PostError> {
        // The upstream's own time is over first, so that its breaker learns of it.
        let wait = message.within + Duration::from_millis(POST_MARGIN_MS);
        timeout(wait, self.exchange(message)).await.unwrap_or(Err(PostError::Late))
    }

    async fn exchange(&self, message: Message<'_>) -> Result<Reply, PostError> {
        let body = Full::new(message.body).map_err(|never| match never {}).boxed_unsync();
        let mut request = Request::new(body);
        *request.method_mut() = Method::POST;
        *request.uri_mut() = message.path.clone().into();
        *request.headers_mut() = message.headers;
        request.headers_mut().insert(header::HOST, self.host().clone());
        request.headers_mut().insert(header::USER_AGENT, HeaderValue::from_static("seawall"));
        let fate = Arc::new(BodyFate::whole());
        let sending = Sending {
            fate: &fate,
            limits: &RouteLimits::default(),
            client: message.client,
            consumer: None,
            upgrade: None,
            whole: None,
            within: Some(message.within),
        };
        let Answer { response, lease, .. } =
            self.send(request, sending).await.map_err(|failure| match failure {
                UpstreamFailure::ConnectTimeout | UpstreamFailure::ResponseTimeout => {
                    PostError::Late
                }
                failure => PostError::Upstream(failure),
            })?;
        let (head, mut body) = response.into_parts();
        let mut bytes = BytesMut::new();
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|_| PostError::Broken)?;
            let data = frame.data_ref().map_or(&[][..], |data| data);
            if bytes.len() + data.len() > message.answer_bytes_max {
                return Err(PostError::TooLong);
            }
            bytes.extend_from_slice(data);
        }
        lease.keep();
        Ok(Reply { status: head.status, headers: head.headers, body: bytes.freeze() })
    }
}
