//! Keys of issuers of tokens: a series for each that is fetched.

use super::{Families, feeds};
use crate::status::{FeedResult, Snapshot};

impl Families<'_> {
    pub(super) fn keys(&mut self, snapshot: &Snapshot) {
        let keys = &snapshot.keys;
        let jwt = |name: &str| ("jwt", name.to_owned());
        self.gauges(
            "jwt_keys_confirmed_timestamp_seconds",
            "When the endpoint last said that these are its keys, in seconds since 1970",
            keys.iter().filter_map(|one| Some((vec![jwt(&one.jwt)], one.confirmed_epoch_s?))),
        );
        let refused = |one: &FeedResult| *one == FeedResult::Refused;
        self.gauges(
            "jwt_keys_last_update_ok",
            "0 where the endpoint's last answer was not taken, else 1",
            keys.iter().map(|one| {
                let last = one.updates.last.as_ref().map(|last| last.result);
                (vec![jwt(&one.jwt)], u64::from(!last.as_ref().is_some_and(refused)))
            }),
        );
        self.counters(
            "jwt_keys_updates",
            "Times that endpoints of keys were asked",
            keys.iter().flat_map(|one| feeds::results(jwt(&one.jwt), &one.updates)),
        );
        self.counters(
            "jwt_keys_refusals",
            "Answers of endpoints of keys that were not taken: the last good keys stayed",
            keys.iter().flat_map(|one| feeds::reasons(jwt(&one.jwt), &one.updates)),
        );
        self.counters(
            "jwt_keys_wanted",
            "Times that a worker asked for newer keys",
            keys.iter().map(|one| (vec![jwt(&one.jwt)], one.wanted)),
        );
    }
}
