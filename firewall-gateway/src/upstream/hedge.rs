//! A second copy of a request that its backend is slow to answer: the first good answer of the two is the
//! client's, and the other is not waited for.

use std::{
    net::SocketAddr,
    pin::pin,
    time::{Duration, Instant},
};

use http::{Method, Request, Response};
use hyper::body::Incoming;
use tokio::{select, time::timeout};

use super::{
    Asked, Lease, SentBody, Upstream, again,
    attempt::{Attempt, is_failure},
    server::Standing,
    slot::Slot,
};
use crate::{figures::one, policy::HedgePolicy, rejection::UpstreamFailure};

type Outcome = Result<(Response<Incoming>, Lease), UpstreamFailure>;

impl Upstream {
    /// Whether the request may be sent to two backends, and its copy.
    pub(super) fn hedge<'a>(
        &self,
        tried: &[SocketAddr],
        copy: Option<&'a Request<SentBody>>,
    ) -> Option<(HedgePolicy, &'a Request<SentBody>)> {
        // A retry is one already.
        let hedge = self.shared.delivery.hedge.filter(|_| tried.is_empty())?;
        let copy = copy.filter(|copy| [Method::GET, Method::HEAD].contains(copy.method()))?;
        Some((hedge, copy))
    }

    /// Sends a request to the backend of `slot`, and, where no answer comes for a while, `copy` to another,
    /// which is then one of `tried`. What is given back is the place of the backend whose outcome it is.
    #[expect(clippy::too_many_arguments, reason = "all of them are what one attempt is made of")]
    pub(super) async fn hedged(
        &self,
        hedge: HedgePolicy,
        attempt: &Attempt<'_>,
        mut slot: Slot,
        request: &mut Option<Request<SentBody>>,
        copy: &Request<SentBody>,
        asked: &Asked,
        tried: &mut Vec<SocketAddr>,
    ) -> (Slot, Outcome) {
        let begun = Instant::now();
        let address = slot.server.address;
        let (mut other, mut repeated) = (None, Some(again(copy)));
        let (outcome, of) = {
            let mut first = pin!(attempt.run(&mut slot, request, Some(copy)));
            let after = Duration::from_millis(hedge.after_ms);
            match timeout(after, first.as_mut()).await {
                Ok(outcome) => (outcome, Of::First),
                Err(_) => match self.place_of_hedge(asked, address) {
                    None => (first.await, Of::First),
                    Some(place) => {
                        let place = other.insert(place);
                        let mut second = pin!(attempt.run(place, &mut repeated, Some(copy)));
                        select! {
                            outcome = first.as_mut() => match self.is_good(&outcome) {
                                true => (outcome, Of::First),
                                // The other may still do better.
                                false => better(outcome, Of::First, second.await, Of::Second),
                            },
                            outcome = second.as_mut() => match self.is_good(&outcome) {
                                true => (outcome, Of::SecondAlone),
                                false => better(outcome, Of::Second, first.await, Of::First),
                            },
                        }
                    }
                },
            }
        };
        match (other, of) {
            (None, _) => (slot, outcome),
            (Some(other), Of::First) => {
                tried.push(other.server.address);
                (slot, outcome)
            }
            (Some(other), of) => {
                tried.push(address);
                if self.is_good(&outcome) {
                    one(&self.shared.hedges_won);
                }
                if matches!(of, Of::SecondAlone) {
                    slot.outrun(begun.elapsed());
                }
                (other, outcome)
            }
        }
    }

    /// A place for a copy, at a backend that is well.
    fn place_of_hedge(&self, asked: &Asked, first: SocketAddr) -> Option<Slot> {
        let shared = &self.shared;
        let now_ms = shared.now_ms();
        let servers = shared.servers();
        let mut others = servers.iter().filter(|server| server.address != first);
        if !others.any(|server| server.standing(now_ms) == Standing::Up) {
            return None;
        }
        let place = self.choose(asked, &[first]).ok()??;
        if shared.budget.spend(now_ms) {
            one(&shared.hedges);
            Some(place)
        } else {
            one(&shared.hedges_refused);
            None
        }
    }

    fn is_good(&self, outcome: &Outcome) -> bool {
        let statuses = &self.shared.delivery.retries.statuses;
        outcome.as_ref().is_ok_and(|(response, _)| {
            !is_failure(response.status()) && !statuses.contains(&response.status().as_u16())
        })
    }
}

/// Whose outcome it is.
#[derive(Clone, Copy)]
enum Of {
    First,
    /// Both have ended.
    Second,
    /// The first was not waited for.
    SecondAlone,
}

// Neither was good, or the later one is: an answer is better than none.
fn better(early: Outcome, of_early: Of, late: Outcome, of_late: Of) -> (Outcome, Of) {
    match (&early, &late) {
        (Ok(_), Err(_)) => (early, of_early),
        _ => (late, of_late),
    }
}
