//! What is printed: a table to read, or one object of JSON.

use std::{borrow::Cow, fmt};

use serde::Serialize;

use crate::bench::{cases::Case, measure::Sample};

/// One measured value.
#[derive(Debug, Serialize)]
pub struct Row {
    /// Its name.
    pub id: Cow<'static, str>,
    /// What was measured.
    pub value: f64,
    /// In what.
    pub unit: &'static str,
    /// The rate of the receiver that drops without looking, in the same run; or what was asked for.
    pub limit: Option<f64>,
    /// `value / limit` of a rate, the quotient of a comparison.
    pub ratio: Option<f64>,
    /// Whether every check was made, and held.
    pub checked: bool,
}

/// All of them.
#[derive(Debug, Default, Serialize)]
pub struct Report {
    /// In the order of the table.
    pub rows: Vec<Row>,
    /// What drops without looking.
    #[serde(skip)]
    limit: Option<f64>,
    /// What passes without looking.
    #[serde(skip)]
    passing: Option<f64>,
}

impl Row {
    /// A value beside no limit.
    #[must_use]
    pub fn single(
        id: impl Into<Cow<'static, str>>,
        value: f64,
        unit: &'static str,
        checked: bool,
    ) -> Self {
        Self { id: id.into(), value: round(value), unit, limit: None, ratio: None, checked }
    }

    /// A value beside what it was to be.
    #[must_use]
    pub fn beside(
        id: impl Into<Cow<'static, str>>,
        value: f64,
        unit: &'static str,
        asked: f64,
        checked: bool,
    ) -> Self {
        let (limit, ratio) = (Some(round(asked)), Some(round(value / asked)));
        Self { limit, ratio, ..Self::single(id, value, unit, checked) }
    }

    fn rate(case: &Case, limit: Option<f64>) -> Self {
        let value = case.median(Sample::mpps);
        Self {
            limit: limit.map(round),
            ratio: limit.map(|limit| round(value / limit)),
            ..Self::single(case.id, value, "Mpps", case.problems.is_empty())
        }
    }
}

impl Report {
    /// Values beside no limit.
    #[must_use]
    pub fn from_rows(rows: Vec<Row>) -> Self {
        Self { rows, limit: None, passing: None }
    }

    /// The rows of the cases, and the comparisons between them.
    #[must_use]
    pub fn of(cases: &[Case]) -> Self {
        let rate =
            |id| cases.iter().find(|case| case.id == id).map(|case| case.median(Sample::mpps));
        let (limit, passing) = (rate("limit"), rate("limit_pass"));
        let rows = cases
            .iter()
            .filter(|case| !case.id.starts_with("limit_") && case.id != "limit")
            .map(|case| Row::rate(case, limit))
            .collect();
        let mut report = Self { rows, limit, passing };
        for (id, rival) in [("vs_nftables", "nftables_100k"), ("vs_lpm", "lpm_100k")] {
            let found = report.find("v4_all_100k_geo").zip(report.find(rival));
            let versus = found.map(|(ours, theirs)| {
                let quotient = round(ours.value / theirs.value);
                let checked = ours.checked && theirs.checked;
                let row = Row::single(id, quotient, "times", checked);
                Row { limit: limit.map(round), ratio: Some(quotient), ..row }
            });
            report.rows.extend(versus);
        }
        report
    }

    fn find(&self, id: &str) -> Option<&Row> {
        self.rows.iter().find(|row| row.id == id)
    }
}

/// Four digits behind the point: more is noise.
fn round(value: f64) -> f64 {
    (value * 1e4).round() / 1e4
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let (Some(limit), Some(passing)) = (self.limit, self.passing) {
            writeln!(f, "dropping without looking: {limit:.2} Mpps; passing: {passing:.2} Mpps")?;
        }
        writeln!(f, "{:<28} {:>12} {:<6} {:>8}  checked", "row", "value", "unit", "ratio")?;
        for row in &self.rows {
            let ratio = row.ratio.map_or_else(String::new, |ratio| format!("{ratio:.3}"));
            let checked = if row.checked { "yes" } else { "NO" };
            let value = format!("{:.*}", if row.unit == "share" { 4 } else { 2 }, row.value);
            writeln!(f, "{:<28} {value:>12} {:<6} {ratio:>8}  {checked}", row.id, row.unit)?;
        }
        Ok(())
    }
}
