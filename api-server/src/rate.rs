//! How often the API may be asked: all clients share one bucket, as all of them share one server.
//!
//! The gateway knows who asks and limits each; this bounds what reaches the service whatever stands in front of it.

use std::{num::NonZeroU32, time::Duration};

use governor::{
    Quota, RateLimiter,
    clock::{Clock, DefaultClock},
    middleware::StateInformationMiddleware,
    state::{InMemoryState, NotKeyed},
};
use http::{HeaderMap, HeaderName, HeaderValue, header};

// draft-ietf-httpapi-ratelimit-headers, the same fields that the gateway sends.
const RATELIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATELIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// The bucket.
#[derive(Debug)]
pub struct Rate {
    rate_per_s: NonZeroU32,
    limiter: RateLimiter<NotKeyed, InMemoryState, DefaultClock, StateInformationMiddleware>,
    clock: DefaultClock,
}

/// How the bucket is after a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// The request took one; so many are left.
    Allowed(u32),
    /// There was none; there is one after this time.
    Refused(Duration),
}

impl Rate {
    /// A full one.
    #[must_use]
    pub fn new(rate_per_s: NonZeroU32) -> Self {
        let clock = DefaultClock::default();
        let limiter = RateLimiter::direct_with_clock(Quota::per_second(rate_per_s), clock.clone());
        Self { rate_per_s, limiter: limiter.with_middleware(), clock }
    }

    /// Takes one for a request, if there is one.
    #[must_use]
    pub fn take(&self) -> Standing {
        match self.limiter.check() {
            Ok(left) => Standing::Allowed(left.remaining_burst_capacity()),
            Err(not_until) => Standing::Refused(not_until.wait_time_from(self.clock.now())),
        }
    }

    /// Tells the client how it stands, in whole seconds: too early would only be refused again.
    pub fn describe(&self, standing: Standing, headers: &mut HeaderMap) {
        let rate = self.rate_per_s;
        let mut put = |name, value: String| {
            if let Ok(value) = HeaderValue::try_from(value) {
                headers.insert(name, value);
            }
        };
        put(RATELIMIT_POLICY, format!("\"server\";q={rate};w=1"));
        match standing {
            Standing::Allowed(left) => put(RATELIMIT, format!("\"server\";r={left};t=1")),
            Standing::Refused(wait) => {
                put(RATELIMIT, "\"server\";r=0;t=1".to_owned());
                put(header::RETRY_AFTER, whole_s(wait).to_string());
            }
        }
    }
}

fn whole_s(wait: Duration) -> u64 {
    (wait.as_secs() + u64::from(wait.subsec_nanos() > 0)).max(1)
}
