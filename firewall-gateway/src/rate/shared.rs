//! Limits that hosts share: the store decides, and where it does not, this host's part of the limit does.
//!
//! What the store lets pass is counted by this host too, up to its part: when the store goes away, nobody begins anew.
//! When it is back it does not know what passed meanwhile: for one window both have to agree.

use std::{sync::Arc, time::Duration};

use super::{
    Asked, Due, Limited, Rates, When,
    limit::Limit,
    store::{About, Answer, Store},
    table::Standing,
};
use crate::figures::one;

impl Rates {
    /// Takes a request, once it is known who sent it, from the limits that ask for that, and from those that hosts share;
    /// says how long it has to wait for its turn.
    ///
    /// # Errors
    /// One of them refuses.
    pub async fn admit_known(
        self: &Arc<Self>,
        route: Option<usize>,
        asked: &Asked<'_>,
        due: &mut Due,
    ) -> Result<Duration, Limited> {
        // What this host can refuse by itself costs the store nothing.
        let own = self.admit(When::Late, route, asked, due)?;
        Ok(own.max(self.admit_shared(route, asked, due).await?))
    }

    /// Takes a request from the limits of its route that hosts share, one after the other.
    ///
    /// # Errors
    /// One of them refuses.
    async fn admit_shared(
        &self,
        route: Option<usize>,
        asked: &Asked<'_>,
        due: &mut Due,
    ) -> Result<Duration, Limited> {
        let asks = self.asks(route);
        let mut longest = Duration::ZERO;
        for place in &asks.shared {
            let Some(limit) = self.limits.get(*place) else { continue };
            let cost = limit.asks(asks.cost);
            let about = About {
                limit: limit.name.clone(),
                key: limit.key.digest(asked),
                cost,
                algorithm: limit.algorithm,
            };
            let answer = match self.store.get() {
                Some(store) => store.ask(about).await,
                None => None,
            };
            let key = limit.key.hash(&self.hasher, asked);
            let (verdict, standing) = self.decided(limit, key, cost, answer);
            match verdict {
                Ok(wait) => {
                    one(&limit.outcomes.allowed);
                    if !limit.shadow && !wait.is_zero() {
                        one(&limit.outcomes.delayed);
                        longest = longest.max(wait);
                    }
                }
                Err(_) if limit.shadow => {
                    one(&limit.outcomes.shadow_refused);
                    due.shadow(limit.name.clone());
                }
                Err(_) => one(&limit.outcomes.refused),
            }
            match verdict {
                _ if limit.shadow => {}
                Ok(_) => due.stands(*place, limit.units(), standing),
                Err(after) => {
                    due.refused(*place, limit.units(), standing);
                    return Err(Limited { limit: limit.name.clone(), after });
                }
            }
        }
        Ok(longest)
    }

    fn decided(
        &self,
        limit: &Limit,
        key: u64,
        cost: u64,
        answer: Option<Answer>,
    ) -> (Result<Duration, Duration>, Standing) {
        let now_ns = self.clock.now_ns();
        let slot = limit.hold(key, now_ns);
        let known = answer.map(|answer| {
            let reset_ns = u64::try_from(answer.reset.as_nanos()).unwrap_or(u64::MAX);
            (answer.verdict, Standing { left: answer.left, reset_ns })
        });
        let Some(mut slot) = slot else {
            return known.unwrap_or((Ok(Duration::ZERO), Standing::default()));
        };
        let own = match &known {
            Some((Err(_), _)) => None,
            Some((Ok(_), _)) | None => Some(slot.place().ask(cost)),
        };
        if let Some(Ok(_)) = own {
            slot.place().charge(cost);
        }
        let own = own.map(|own| own.map(Duration::from_nanos).map_err(Duration::from_nanos));
        let is_back = |store: &Store| store.is_back_since(now_ns, limit.window_ns());
        match (known, own) {
            (Some((Ok(_), _)), Some(Err(after))) if self.store.get().is_some_and(is_back) => {
                (Err(after), slot.place().standing())
            }
            (Some(known), _) => known,
            (None, own) => {
                one(&limit.outcomes.local);
                (own.unwrap_or(Ok(Duration::ZERO)), slot.place().standing())
            }
        }
    }
}
