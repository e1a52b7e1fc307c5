//! A request once more, with its body: for where a backend says that it has not begun with it.

use http::Request;
use http_body_util::BodyExt;

use super::SentBody;
use crate::body::Whole;

/// A request as it was before it was sent.
pub struct Spare {
    head: Request<()>,
    body: Whole,
}

impl Spare {
    /// A copy of a request whose body is `body`.
    #[must_use]
    pub fn new(request: &Request<SentBody>, body: &Whole) -> Self {
        let mut head = Request::new(());
        *head.method_mut() = request.method().clone();
        *head.uri_mut() = request.uri().clone();
        *head.headers_mut() = request.headers().clone();
        Self { head, body: body.clone() }
    }

    /// The request.
    #[must_use]
    pub fn request(&self) -> Request<SentBody> {
        let body = self.body.clone().map_err(|never| match never {}).boxed_unsync();
        self.head.clone().map(|()| body)
    }
}
