//! Metrics of clients that offend.

use firewall_gateway::figures::LabelCount;

use super::{Families, Labels};
use crate::status::{GatewayStatus, Snapshot};

impl Families<'_> {
    pub(super) fn behaviour(&mut self, snapshot: &Snapshot, gateway: &GatewayStatus) {
        let (addresses, consumers) =
            (&gateway.figures.behaviour.addresses, &gateway.figures.behaviour.consumers);
        let rows = |name: &'static str, rows: &[LabelCount]| -> Vec<(Labels, u64)> {
            rows.iter().map(|row| (vec![(name, row.label.clone())], row.count)).collect()
        };
        self.counters(
            "gateway_offences",
            "Offences of clients whose behaviour is scored",
            rows("signal", &addresses.signals),
        );
        self.counters(
            "gateway_offenders",
            "What scores led to: addresses that are watched, requests that were refused, bans that were asked for",
            rows("verdict", &addresses.verdicts),
        );
        self.gauge(
            "gateway_offender_addresses",
            "Slots of the table of scores that are in use",
            addresses.scored,
        );
        self.counter(
            "gateway_offenders_displaced",
            "Addresses with a score that had to leave the full table for others",
            addresses.displaced,
        );
        self.counters(
            "gateway_consumer_offences",
            "Offences in requests that were authenticated as a consumer's",
            rows("signal", &consumers.signals),
        );
        self.counters(
            "gateway_consumer_offenders",
            "What scores of consumers led to: consumers that are watched or refused for a time, requests that were refused",
            rows("verdict", &consumers.verdicts),
        );
        self.gauge(
            "gateway_offender_consumers",
            "Slots of the table of consumers' scores that are in use",
            consumers.scored,
        );
        self.counter(
            "gateway_offender_consumers_displaced",
            "Consumers with a score that had to leave the full table for others",
            consumers.displaced,
        );
        self.counter(
            "gateway_travels_displaced",
            "Consumers whose country had to leave the full table for others",
            gateway.figures.behaviour.travels_displaced,
        );
        self.counter(
            "gateway_budgets_displaced",
            "Addresses that were over a budget and had to leave the full table for others",
            gateway.figures.behaviour.budgets_displaced,
        );
        self.counters(
            "gateway_challenges",
            "Challenges of browsers whose address has a score, by what became of them",
            rows("outcome", &gateway.figures.behaviour.challenges),
        );
        self.counters(
            "gateway_bans",
            "Bans that the gateway asked for, by what became of them",
            rows("outcome", &snapshot.offences),
        );
    }
}
