//! `WWW-Authenticate`: which kinds of credentials a route takes, and nothing of why one did not hold.

use http::{HeaderMap, HeaderValue, header};

use crate::policy::MethodPolicy;

/// What a 401 says, a line a kind.
#[derive(Debug)]
pub struct Challenges {
    plain: Vec<HeaderValue>,
    bearer: bool,
}

impl Challenges {
    /// Of these kinds.
    #[must_use]
    pub fn new(methods: &[MethodPolicy]) -> Self {
        let mut challenges = Self { plain: Vec::new(), bearer: false };
        for method in methods {
            let MethodPolicy::ApiKey(key) = method;
            challenges.bearer |= key.bearer;
            let mut add = |text: &str| {
                let value = HeaderValue::from_str(text).ok();
                let value = value.filter(|value| !challenges.plain.contains(value));
                challenges.plain.extend(value);
            };
            // No registered scheme says that a header of its own carries a credential.
            if let Some(name) = &key.header {
                add(&format!("ApiKey realm=\"api\", header=\"{name}\""));
            }
            if key.basic {
                add("Basic realm=\"api\", charset=\"UTF-8\"");
            }
        }
        challenges
    }

    /// For a request: RFC 6750, 3.1 wants an error named where a token was shown, and none where it was not. It is
    /// the same for each reason.
    #[must_use]
    pub fn of(&self, headers: &HeaderMap) -> Vec<HeaderValue> {
        let bearer = self.bearer.then(|| {
            HeaderValue::from_static(match headers.contains_key(header::AUTHORIZATION) {
                true => "Bearer realm=\"api\", error=\"invalid_token\"",
                false => "Bearer realm=\"api\"",
            })
        });
        bearer.into_iter().chain(self.plain.iter().cloned()).collect()
    }
}
