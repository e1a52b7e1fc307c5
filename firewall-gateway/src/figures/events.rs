//! Figures of events, and of services that are asked about requests.

use serde::{Deserialize, Serialize};

use super::{LabelCount, add_each, add_labels};

/// What became of the events of one sink.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SinkFigures {
    /// `file`, `webhook` or `syslog`.
    pub sink: String,
    /// Events that it took.
    pub sent: u64,
    /// Events that it did not, by reason; the labels are those of `Loss`.
    pub lost: Vec<LabelCount>,
    /// Attempts after one that failed.
    pub retries: u64,
    /// Events that wait for it or are under way (a gauge).
    pub waiting: u64,
    /// How many may (a gauge).
    pub queue_max: u64,
}

/// What came of the questions to one service.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VerdictFigures {
    /// Its name.
    pub service: String,
    /// Questions by outcome; the labels are those of `Outcome`.
    pub outcomes: Vec<LabelCount>,
}

impl SinkFigures {
    /// What a worker that has ended leaves behind.
    pub fn retire(&mut self) {
        (self.waiting, self.queue_max) = (0, 0);
    }

    /// Events that were lost, for whatever reason.
    #[must_use]
    pub fn lost_total(&self) -> u64 {
        self.lost.iter().map(|row| row.count).sum()
    }
}

/// Adds another worker's.
pub fn add_sinks(ours: &mut Vec<SinkFigures>, theirs: &[SinkFigures]) {
    let same = |ours: &SinkFigures, theirs: &SinkFigures| ours.sink == theirs.sink;
    add_each(ours, theirs, same, |ours, theirs| {
        ours.sent = ours.sent.saturating_add(theirs.sent);
        add_labels(&mut ours.lost, &theirs.lost);
        ours.retries = ours.retries.saturating_add(theirs.retries);
        ours.waiting = ours.waiting.saturating_add(theirs.waiting);
        ours.queue_max = ours.queue_max.saturating_add(theirs.queue_max);
    });
}

/// Adds another worker's.
pub fn add_verdicts(ours: &mut Vec<VerdictFigures>, theirs: &[VerdictFigures]) {
    let same = |ours: &VerdictFigures, theirs: &VerdictFigures| ours.service == theirs.service;
    add_each(ours, theirs, same, |ours, theirs| add_labels(&mut ours.outcomes, &theirs.outcomes));
}

#[cfg(test)]
mod tests {
    use super::{LabelCount, SinkFigures, VerdictFigures, add_sinks, add_verdicts};

    #[test]
    fn workers_are_added_up() {
        let label = |label: &str, count| LabelCount { label: label.to_owned(), count };
        let of = |sink: &str, lost: &str, count| SinkFigures {
            sink: sink.to_owned(),
            sent: count,
            lost: vec![label(lost, count)],
            retries: 1,
            waiting: 5,
            queue_max: 9,
        };
        let mut retired = of("file", "stopped", 3);
        retired.retire();
        let mut sum = vec![retired];
        add_sinks(&mut sum, &[of("file", "queue_full", 4), of("syslog", "stopped", 1)]);
        assert_eq!(sum.len(), 2);
        assert_eq!((sum[0].sent, sum[0].lost_total(), sum[0].retries), (7, 7, 2));
        assert_eq!((sum[0].waiting, sum[0].queue_max), (5, 9));
        assert_eq!(sum[0].lost, [label("stopped", 3), label("queue_full", 4)]);

        let of = |service: &str, count| VerdictFigures {
            service: service.to_owned(),
            outcomes: vec![label("allow", count)],
        };
        let mut sum = vec![of("fraud", 1)];
        add_verdicts(&mut sum, &[of("fraud", 2), of("opa", 3)]);
        assert_eq!(sum, [of("fraud", 3), of("opa", 3)]);
    }
}
