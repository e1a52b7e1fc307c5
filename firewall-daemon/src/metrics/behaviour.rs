//! Metrics of clients that offend.

use firewall_gateway::figures::LabelCount;

use super::{Families, Labels};
use crate::status::{GatewayStatus, Snapshot};

impl Families<'_> {
    pub(super) fn behaviour(&mut self, snapshot: &Snapshot, gateway: &GatewayStatus) {
        let behaviour = &gateway.figures.behaviour;
        let rows = |name: &'static str, rows: &[LabelCount]| -> Vec<(Labels, u64)> {
            rows.iter().map(|row| (vec![(name, row.label.clone())], row.count)).collect()
        };
        self.counters(
            "gateway_offences",
            "Offences of clients whose behaviour is scored",
            rows("signal", &behaviour.signals),
        );
        self.counters(
            "gateway_offenders",
            "What scores led to: addresses that are watched, requests that were refused, bans that were asked for",
            rows("verdict", &behaviour.verdicts),
        );
        self.gauge(
            "gateway_offender_addresses",
            "Slots of the table of scores that are in use",
            behaviour.addresses,
        );
        self.counter(
            "gateway_offenders_displaced",
            "Addresses with a score that had to leave the full table for others",
            behaviour.displaced,
        );
        self.counters(
            "gateway_bans",
            "Bans that the gateway asked for, by what became of them",
            rows("outcome", &snapshot.offences),
        );
    }
}
