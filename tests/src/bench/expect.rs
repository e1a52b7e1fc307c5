//! What a sample must show, or its rate means nothing.

use crate::bench::{measure::Sample, receiver::Receiver, seawall::label, traffic::CLIENTS};

/// What became of the packets, as the policy and the traffic imply it.
#[derive(Clone)]
pub enum Expect {
    /// Each label with its share of the packets; the last one is what remains. No other moves.
    Shares(Vec<(&'static str, f64)>),
    /// So many sources, each limited to packets a second and burst by a rule, behind which the rest is
    /// dropped too, for another reason.
    Limited {
        /// Distinct sources.
        sources: u64,
        /// Packets a second.
        rate_pps: u32,
        /// At once.
        burst: u32,
    },
    /// Established clients, each below this rate, beside strangers.
    Clients {
        /// Packets a second that each of them may send.
        rate_pps: u32,
    },
}

impl Expect {
    /// What does not hold.
    pub fn check(&self, receiver: &dyn Receiver, sample: &Sample) -> Vec<String> {
        let mut problems = Vec::new();
        let counted: u64 = sample.total.values().sum();
        if counted != sample.arrived || counted == 0 {
            problems.push(format!("{counted} counted, {} arrived", sample.arrived));
        }
        let dropped: u64 = sum(sample, "drop ");
        if receiver.is_xdp() && dropped != sample.dropped {
            problems.push(format!("{dropped} counted as dropped, {} were", sample.dropped));
        }
        let labels = self.labels();
        for (label, count) in &sample.total {
            if !labels.contains(&label.as_str()) {
                problems.push(format!("{count} unexpected: {label}"));
            }
        }
        match self {
            Self::Shares(shares) => problems.extend(check_shares(shares, sample, counted)),
            Self::Limited { sources, rate_pps, burst } => {
                let each = f64::from(*burst) + f64::from(*rate_pps) * sample.total_s;
                let (passed, most) = (sum(sample, label::CLOSED), *sources as f64 * each);
                if passed as f64 > most {
                    problems.push(format!("{passed} passed, the limits allow {most:.0}"));
                }
            }
            Self::Clients { rate_pps } => {
                let sent = sum(sample, label::CLIENT_PASSED) + sum(sample, label::CLIENT_LIMITED);
                let each = sent as f64 / CLIENTS as f64 / sample.total_s;
                if sent < CLIENTS || each > f64::from(*rate_pps) {
                    problems.push(format!("a client sent {each:.1} a second, of {rate_pps}"));
                }
            }
        }
        problems
    }

    fn labels(&self) -> Vec<&'static str> {
        match self {
            Self::Shares(shares) => shares.iter().map(|(label, _)| *label).collect(),
            Self::Limited { .. } => vec![label::RULE_LIMITED, label::CLOSED],
            Self::Clients { .. } => {
                vec![label::LIMITED, label::PASSED, label::CLIENT_LIMITED, label::CLIENT_PASSED]
            }
        }
    }
}

fn check_shares(shares: &[(&'static str, f64)], sample: &Sample, counted: u64) -> Vec<String> {
    // The shares were found by drawing some 262,144 sources: both sides scatter.
    const DRAWN: f64 = (1 << 18) as f64;
    let counted = counted as f64;
    let differs = |(label, share): &(&'static str, f64)| {
        let seen = sum(sample, label) as f64 / counted;
        let scatter = 6.0 * (share / DRAWN).sqrt() + 6.0 * (share / counted).sqrt() + 1e-5;
        ((seen - share).abs() > scatter).then(|| {
            format!("{label}: {:.4} % of the packets, expected {:.4} %", seen * 1e2, share * 1e2)
        })
    };
    shares.iter().filter_map(differs).collect()
}

fn sum(sample: &Sample, start: &str) -> u64 {
    let matching = sample.total.iter().filter(|(label, _)| label.starts_with(start));
    matching.map(|(_, count)| count).sum()
}

/// The share of the clients' packets that were dropped.
pub fn clients_loss(sample: &Sample) -> f64 {
    let lost = sum(sample, label::CLIENT_LIMITED) as f64;
    lost / (lost + sum(sample, label::CLIENT_PASSED) as f64)
}
