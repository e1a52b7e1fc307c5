//! Metrics of limits of rates.

use firewall_gateway::figures::{RateFigures, StoreFigures};

use super::{Families, Labels};

impl Families<'_> {
    /// Labels are names of limits, which the configuration bounds.
    pub(super) fn rates(&mut self, rates: &[RateFigures], store: Option<StoreFigures>) {
        let of = |row: &RateFigures| -> Labels { vec![("limit", row.limit.clone())] };
        let results = rates.iter().flat_map(|row| {
            let result = |result: &str, count| {
                let mut labels = of(row);
                labels.push(("result", result.to_owned()));
                (labels, count)
            };
            [
                result("allowed", row.allowed),
                result("refused", row.refused),
                result("shadow", row.shadow_refused),
                result("untracked", row.untracked),
            ]
        });
        self.counters(
            "gateway_rate_limit_requests",
            "Requests that a limit let pass, refused, would have refused, or had no room to count",
            results,
        );
        self.counters(
            "gateway_rate_limit_delayed",
            "Those that passed and had to wait for their turn",
            rates.iter().map(|row| (of(row), row.delayed)),
        );
        self.counters(
            "gateway_rate_limit_local",
            "Requests that were held against this host's part alone, as the store was away",
            rates.iter().map(|row| (of(row), row.local)),
        );
        self.gauges(
            "gateway_rate_limit_keys",
            "Keys that a limit remembers",
            rates.iter().map(|row| (of(row), row.keys)),
        );
        self.counters(
            "gateway_rate_limit_keys_displaced",
            "Keys that a limit forgot too early, as others took their place",
            rates.iter().map(|row| (of(row), row.displaced)),
        );
        let Some(store) = store else { return };
        self.gauge("gateway_rate_store_up", "1 while the store of limits answers", store.up);
        self.counter("gateway_rate_store_calls", "Calls to the store of limits", store.calls);
        self.counter(
            "gateway_rate_store_failures",
            "Times that the store of limits was not there, failed, or did not answer in time",
            store.failures,
        );
        self.counter(
            "gateway_rate_store_unasked",
            "Requests that the store of limits was not asked about, as too many waited",
            store.unasked,
        );
    }

    pub(super) fn session_store(&mut self, store: Option<StoreFigures>) {
        let Some(store) = store else { return };
        self.gauge("gateway_session_store_up", "1 while the store of sessions answers", store.up);
        self.counter(
            "gateway_session_store_calls",
            "What the store of sessions was asked or told",
            store.calls,
        );
        self.counter(
            "gateway_session_store_failures",
            "Times that the store of sessions was not there, failed, or did not answer in time",
            store.failures,
        );
        self.counter(
            "gateway_session_store_unasked",
            "What the store of sessions was not asked or told, as too much waited",
            store.unasked,
        );
    }
}
