//! Finds what was changed, removed, reordered, inserted or cut off.

use std::{
    fmt,
    fs::{self, File},
    io,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use serde::Serialize;

use super::{AuditError, Hash, files, head::Head};

mod walk;

use walk::Walk;

/// So many findings are kept; all are counted.
pub const FINDINGS_MAX: usize = 1_000;
/// A record that is being written is waited for.
const TORN_READS_MAX: usize = 3;
const TORN_PAUSE: Duration = Duration::from_millis(50);

/// What is wrong at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// A line is no record.
    Malformed,
    /// A record's bytes are not those of its hash.
    Changed,
    /// A record is sound by itself, and not the one that its neighbour or the head knows.
    Rewritten,
    /// Records are not there.
    Missing,
    /// A record stands in another place than its own.
    Reordered,
    /// A record is there twice, or was never part of the log.
    Inserted,
    /// The last line has no end.
    Torn,
    /// Records are missing at the end.
    Truncated,
    /// The head is missing or is none.
    Head,
}

impl Fault {
    /// As it is written.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::Changed => "changed",
            Self::Rewritten => "rewritten",
            Self::Missing => "missing",
            Self::Reordered => "reordered",
            Self::Inserted => "inserted",
            Self::Torn => "torn",
            Self::Truncated => "truncated",
            Self::Head => "head",
        }
    }
}

/// A fault and its place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What is wrong.
    pub fault: Fault,
    /// In which file.
    pub file: PathBuf,
    /// In which line, counted from 1; 0 where the file has none.
    pub line: u64,
    /// The sequence of the record that is meant, where it is known.
    pub seq: Option<u64>,
    /// What should be there.
    pub expected: String,
    /// What is there.
    pub found: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} line {}", self.file.display(), self.line)?;
        if let Some(seq) = self.seq {
            write!(out, ", record {seq}")?;
        }
        let found = self.found.escape_debug();
        write!(out, ": {}: expected {}, found {found}", self.fault.label(), self.expected)
    }
}

/// What was found in a log.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Verdict {
    /// The files, oldest first.
    pub files: Vec<PathBuf>,
    /// Records that are sound.
    pub records: u64,
    /// The sequence of the first.
    pub first: u64,
    /// The sequence of the last.
    pub last: u64,
    /// The last one's hash: kept on another host, it shows a log that was rewritten whole.
    pub hash: Hash,
    /// Whether a head says where the log ends. Without one, a tail that was cut off is not seen.
    pub head: bool,
    /// What is wrong.
    pub findings: Vec<Finding>,
    /// How much is wrong; more than there are findings where there is too much.
    pub faults: u64,
}

/// Verifies a log: its older files, itself and its head. A daemon may be writing it.
///
/// Where no head is `wanted`, one that is not there is no fault.
///
/// # Errors
///
/// Where a file cannot be read.
pub fn verify(log: &Path, wanted: bool) -> Result<Verdict, AuditError> {
    let mut verdict = once(log, wanted)?;
    for _ in 1..TORN_READS_MAX {
        if verdict.findings.iter().all(|finding| finding.fault != Fault::Torn) {
            break;
        }
        thread::sleep(TORN_PAUSE);
        verdict = once(log, wanted)?;
    }
    Ok(verdict)
}

pub(super) fn once(log: &Path, wanted: bool) -> Result<Verdict, AuditError> {
    // The head first: the log may only grow after it.
    let head = Head::read(log);
    let known = head.as_ref().ok().copied().flatten();
    let older = files::older(log).map_err(|error| AuditError::read(log, &error))?;
    // The file before the older ones are walked: it may be put aside in the meantime.
    let live = match File::open(log) {
        Ok(file) => Some(file),
        // Where the head knows records, it is a finding.
        Err(error) if error.kind() == io::ErrorKind::NotFound && known.is_some() => None,
        Err(error) => return Err(AuditError::read(log, &error)),
    };
    let mut walk = Walk::new(known);
    for (_, path) in older {
        if !same(live.as_ref(), &path) {
            walk_file(&mut walk, &path)?;
        }
    }
    if live.is_some() {
        walk_file(&mut walk, log)?;
    }
    let head = head.and_then(|head| match head {
        None if wanted => Err(io::Error::other("none; --no-head accepts a log without one")),
        _ => Ok(()),
    });
    Ok(walk.end(log, head))
}

fn walk_file(walk: &mut Walk, path: &Path) -> Result<(), AuditError> {
    let read = |error: io::Error| AuditError::read(path, &error);
    let mut lines = files::Lines::open(path).map_err(read)?;
    walk.file(path);
    while let Some(line) = lines.next_line().map_err(read)? {
        walk.line(&line);
    }
    Ok(())
}

fn same(live: Option<&File>, path: &Path) -> bool {
    let live = live.and_then(|live| live.metadata().ok());
    let there = fs::metadata(path).ok();
    live.zip(there)
        .is_some_and(|(live, there)| (live.dev(), live.ino()) == (there.dev(), there.ino()))
}
