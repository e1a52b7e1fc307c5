//! What is shown: rates from two states of the counters, and who is behind them from sampled events.

use std::{
    collections::{BTreeMap, VecDeque},
    net::IpAddr,
    time::Duration,
};

use crate::status::{EventLine, Snapshot};

/// Values of the sparkline: wider than any terminal.
const HISTORY_MAX: usize = 512;
/// Names in each table of sampled events: a flood of forged sources must not fill the memory. What finds
/// no place is counted as one.
const NAMES_MAX: usize = 10_000;
/// The longest filter.
pub(super) const FILTER_CHARS_MAX: usize = 64;

/// How tables are sorted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Sort {
    /// The largest first.
    #[default]
    Figure,
    /// By name.
    Name,
}

/// What keys mean at the moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Mode {
    /// A command each.
    #[default]
    Commands,
    /// They are the filter's text.
    Typing,
    /// Whether this source is to be banned.
    Confirming(IpAddr),
}

/// Names with a figure each.
#[derive(Clone, Debug, Default)]
pub(super) struct Table {
    rows: BTreeMap<String, u64>,
    /// What found no place.
    pub others: u64,
}

impl Table {
    fn add(&mut self, name: &str) {
        if let Some(figure) = self.rows.get_mut(name) {
            *figure += 1;
        } else if self.rows.len() < NAMES_MAX {
            self.rows.insert(name.to_owned(), 1);
        } else {
            self.others += 1;
        }
    }

    /// The rows that the filter admits, in order.
    pub(super) fn shown(&self, sort: Sort, filter: &str) -> Vec<(&str, u64)> {
        let filter = filter.to_lowercase();
        let rows = self.rows.iter().map(|(name, figure)| (name.as_str(), *figure));
        let mut rows: Vec<_> =
            rows.filter(|(name, _)| name.to_lowercase().contains(&filter)).collect();
        if sort == Sort::Figure {
            rows.sort_by_key(|(_, figure)| std::cmp::Reverse(*figure));
        }
        rows
    }
}

/// The view's state.
#[derive(Clone, Debug, Default)]
pub struct Model {
    /// The last state of the counters.
    pub(super) snapshot: Snapshot,
    /// Whether there are two states, so that there are rates.
    pub(super) has_rates: bool,
    /// Packets a second, by verdict and reason.
    pub(super) reasons: Table,
    /// Sampled events by country.
    pub(super) countries: Table,
    /// Sampled events by source.
    pub(super) sources: Table,
    /// Sampled events by list.
    pub(super) lists: Table,
    /// Packets a second that passed, the latest last.
    pub(super) passed: VecDeque<u64>,
    /// Packets a second that were dropped or answered.
    pub(super) dropped: VecDeque<u64>,
    /// Events so far.
    pub(super) events: u64,
    /// Events that this view read too slowly.
    pub(super) events_lost: u64,
    pub(super) sort: Sort,
    pub(super) filter: String,
    pub(super) mode: Mode,
    /// Which source is selected, in the order shown.
    pub(super) selected: usize,
    /// What happened last.
    pub(super) note: String,
}

impl Model {
    /// Takes a state of the counters, `elapsed` after the one before.
    pub fn counted(&mut self, snapshot: Snapshot, elapsed: Duration) {
        let restarted = self.snapshot.pid != snapshot.pid;
        if self.snapshot.pid != 0 && !restarted {
            self.rates(&snapshot, elapsed);
        }
        self.snapshot = snapshot;
    }

    fn rates(&mut self, next: &Snapshot, elapsed: Duration) {
        let millis = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX).max(1);
        let mut before: BTreeMap<(&str, &str, &str), u64> = BTreeMap::new();
        for count in &self.snapshot.packets {
            before.insert((&count.verdict, &count.reason, &count.protocol), count.packets);
        }
        let mut more: BTreeMap<String, u64> = BTreeMap::new();
        let (mut passed, mut dropped) = (0_u64, 0_u64);
        for count in &next.packets {
            let key = (count.verdict.as_str(), count.reason.as_str(), count.protocol.as_str());
            let new = count.packets.saturating_sub(before.get(&key).copied().unwrap_or(0));
            *more.entry(format!("{} {}", count.verdict, count.reason)).or_default() += new;
            match count.verdict.as_str() {
                // What is only counted passes, and is counted as passed too.
                "shadow" => {}
                "pass" => passed += new,
                _ => dropped += new,
            }
        }
        let rate = |packets: u64| packets.saturating_mul(1_000) / millis;
        self.reasons.rows = more.into_iter().map(|(name, new)| (name, rate(new))).collect();
        for (history, new) in [(&mut self.passed, passed), (&mut self.dropped, dropped)] {
            history.push_back(rate(new));
            if history.len() > HISTORY_MAX {
                history.pop_front();
            }
        }
        self.has_rates = true;
    }

    /// Takes a sampled event.
    pub fn seen(&mut self, event: &EventLine) {
        self.events += 1;
        if let Some(source) = event.source_address() {
            self.sources.add(&source.to_string());
        }
        self.countries.add(event.country.as_deref().unwrap_or("unknown"));
        if let Some(list) = &event.list {
            self.lists.add(list);
        }
    }

    /// Takes events that were lost, as they were read too slowly.
    pub fn lost(&mut self, events: u64) {
        self.events_lost += events;
    }

    /// Says what happened.
    pub fn note(&mut self, note: String) {
        self.note = note;
    }

    /// The source that a ban would be for.
    pub(super) fn selected_source(&self) -> Option<IpAddr> {
        let shown = self.sources.shown(self.sort, &self.filter);
        let selected = self.selected.min(shown.len().saturating_sub(1));
        shown.get(selected).and_then(|(name, _)| name.parse().ok())
    }
}
