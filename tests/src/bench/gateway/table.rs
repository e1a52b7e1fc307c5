//! What was measured of each, beside each other.

use std::fmt;

use serde::Serialize;

use super::{
    contender::Contender,
    load::{Load, Seen},
};

/// What is asked of a row: its ratio to nginx and to HAProxy.
const ASKED: [(&str, f64, Option<f64>); 5] = [
    ("h1_tls_cpu", 0.9, Some(0.85)),
    ("h2_tls_cpu", 0.7, Some(1.0)),
    ("handshakes", 1.3, None),
    ("p99_half_load", 1.0, None),
    ("idle_10k_mib", 1.0, None),
];

/// What is asked of a row whatever rivals do: its value at most.
const ASKED_ALONE: [(&str, f64); 12] = [
    ("api_key_cpu_added", 3.0),
    ("session_cpu_added", 5.0),
    ("jwt_rs256_cached_cpu_added", 5.0),
    ("jwt_es256_cached_cpu_added", 5.0),
    ("jwt_eddsa_cached_cpu_added", 5.0),
    ("jwt_es256_cpu_added", 120.0),
    ("everything_cpu_added", 60.0),
    ("rapid_reset_memory", 64.0),
    ("continuation_memory", 64.0),
    ("settings_memory", 64.0),
    ("ping_memory", 64.0),
    ("zero_window_memory", 128.0),
];

/// One figure of each of the three.
#[derive(Debug, Serialize)]
pub struct Row {
    /// Its name.
    pub id: &'static str,
    /// Ours.
    pub value: f64,
    /// In what.
    pub unit: &'static str,
    /// nginx's, where it does the same.
    pub nginx: Option<f64>,
    /// HAProxy's, likewise.
    pub haproxy: Option<f64>,
    /// Whether every answer was looked at, and right.
    pub checked: bool,
    #[serde(skip)]
    less: bool,
}

impl Row {
    /// The less the better.
    pub fn less(id: &'static str, unit: &'static str, values: Vec<f64>, checked: bool) -> Self {
        Self::new(id, unit, values, checked, true)
    }

    /// The more the better.
    pub fn more(id: &'static str, unit: &'static str, values: Vec<f64>, checked: bool) -> Self {
        Self::new(id, unit, values, checked, false)
    }

    fn new(
        id: &'static str,
        unit: &'static str,
        values: Vec<f64>,
        checked: bool,
        less: bool,
    ) -> Self {
        let value = |place: usize| values.get(place).map(|value| round(*value));
        let ours = value(0).unwrap_or(f64::NAN);
        Self { id, value: ours, unit, nginx: value(1), haproxy: value(2), checked, less }
    }

    /// What is asked of it and does not hold.
    fn missed(&self) -> Option<String> {
        if let Some((_, most)) = ASKED_ALONE.iter().find(|(id, _)| *id == self.id) {
            let held = self.value <= *most;
            return (!held).then(|| format!("{}: asked is {most} {} at most", self.id, self.unit));
        }
        let (_, nginx, haproxy) = ASKED.iter().find(|(id, ..)| *id == self.id)?;
        let holds = |theirs: Option<f64>, asked: f64| {
            theirs.is_some_and(|theirs| match self.less {
                true => self.value <= theirs * asked,
                false => self.value >= theirs * asked,
            })
        };
        let held =
            holds(self.nginx, *nginx) && haproxy.is_none_or(|asked| holds(self.haproxy, asked));
        let asked = haproxy.map_or_else(String::new, |asked| format!(" and {asked} of HAProxy's"));
        (!held).then(|| format!("{}: asked is {nginx} of nginx's{asked}", self.id))
    }
}

/// All of them.
#[derive(Debug, Default, Serialize)]
pub struct Comparison {
    /// In the order in which they were measured.
    pub rows: Vec<Row>,
    #[serde(skip)]
    wrong: Vec<String>,
}

impl Comparison {
    /// Adds a row.
    pub fn push(&mut self, row: Row) {
        eprintln!("{row}");
        self.rows.push(row);
    }

    /// An answer was wrong.
    pub fn wrong(&mut self, what: String) {
        self.wrong.push(what);
    }

    /// Whether a load got all its answers, whole.
    pub fn check(&mut self, seen: &Seen, contender: &Contender, id: &str, load: &Load) -> bool {
        let right =
            seen.ok == load.requests && seen.body_bytes == load.requests * load.bytes as u64;
        if !right {
            let name = contender.name;
            self.wrong(format!("{id}: {name}: {seen:?} of {load:?}"));
        }
        right
    }

    /// Wrong answers. A figure that misses what is asked is said, but is no failure of the benchmark.
    pub fn problems(&self) -> Vec<String> {
        for missed in self.rows.iter().filter_map(Row::missed) {
            eprintln!("missed: {missed}");
        }
        self.wrong.clone()
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, value, unit, nginx, haproxy, checked, .. } = self;
        let checked = if *checked { "yes" } else { "NO" };
        write!(f, "{id:<28} {value:>10.2} {unit:<4}")?;
        for theirs in [nginx, haproxy] {
            match theirs {
                Some(theirs) => write!(f, " {theirs:>10.2} {:>6.2}", value / theirs)?,
                None => write!(f, " {:>10} {:>6}", "", "")?,
            }
        }
        write!(f, "  {checked}")
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:<28} {:>10} {:<4} {:>10} {:>6} {:>10} {:>6}  checked",
            "row", "seawall", "unit", "nginx", "ratio", "haproxy", "ratio"
        )?;
        self.rows.iter().try_for_each(|row| writeln!(f, "{row}"))
    }
}

fn round(value: f64) -> f64 {
    (value * 1e3).round() / 1e3
}
