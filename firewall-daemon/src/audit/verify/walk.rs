//! One line after the other, each held against the one before.

use std::{
    io, mem,
    path::{Path, PathBuf},
};

use super::{FINDINGS_MAX, Fault, Finding, Verdict};
use crate::audit::{
    Entry, Hash,
    chain::hash_of_line,
    files::Line,
    head::{self, Head},
};

/// What was seen so far.
#[derive(Debug)]
pub struct Walk {
    head: Option<Head>,
    verdict: Verdict,
    line: u64,
    /// The last sound record with the highest sequence.
    last: Option<(u64, Hash)>,
    /// Lines since then whose sequence cannot be trusted.
    opaque: u64,
    /// What the record behind the last of these may name as the one before; empty is anything.
    opaque_hashes: Vec<Hash>,
    missing: Vec<Gap>,
}

/// Records that were not where they belong.
#[derive(Debug)]
struct Gap {
    from: u64,
    to: u64,
    /// How many of them were found elsewhere.
    seen: u64,
    /// Its place among the findings.
    finding: usize,
}

impl Walk {
    pub fn new(head: Option<Head>) -> Self {
        let verdict = Verdict { head: head.is_some(), ..Verdict::default() };
        let (opaque_hashes, missing) = (Vec::new(), Vec::new());
        Self { head, verdict, line: 0, last: None, opaque: 0, opaque_hashes, missing }
    }

    /// The next file begins.
    pub fn file(&mut self, path: &Path) {
        self.verdict.files.push(path.to_path_buf());
        self.line = 0;
    }

    /// The next line.
    pub fn line(&mut self, line: &Line) {
        self.line = line.number;
        let seq = self.next() + self.opaque;
        if !line.ended {
            let found = format!("{} bytes without one", line.bytes.len());
            self.fault(Fault::Torn, Some(seq), "a line feed at the record's end".into(), found);
        }
        match Entry::parse(&line.bytes) {
            Ok(entry) => {
                let computed = hash_of_line(&line.bytes).unwrap_or_default();
                if computed == entry.hash {
                    self.sound(&entry);
                    return;
                }
                let found = format!("bytes whose hash is {computed}");
                self.fault(Fault::Changed, Some(seq), format!("the hash {}", entry.hash), found);
                self.opaque_hashes = vec![computed, entry.hash];
            }
            Err(found) => {
                if line.ended {
                    self.fault(Fault::Malformed, Some(seq), "a record".into(), found);
                }
                self.opaque_hashes.clear();
            }
        }
        self.opaque += 1;
    }

    /// The sequence behind the last sound record.
    fn next(&self) -> u64 {
        let begin = self.head.map_or(1, |head| head.first.max(1));
        self.last.map_or(begin, |(seq, _)| seq + 1)
    }

    fn sound(&mut self, entry: &Entry) {
        let Entry { seq, prev, hash, .. } = *entry;
        self.verdict.records += 1;
        // A file by itself begins anywhere.
        let begins = self.last.is_none() && self.head.is_none();
        let (lo, hi) = (self.next(), self.next() + self.opaque);
        if seq < lo {
            self.late(seq, hi);
            return;
        }
        if seq > hi && !begins {
            self.gap(hi, seq - 1, format!("record {seq}"));
        } else {
            self.linked(seq, prev, lo, hi);
        }
        if let Some(head) = self.head.filter(|head| head.seq == seq && head.hash != hash) {
            let expected = format!("the hash {} that the head knows", head.hash);
            self.fault(Fault::Rewritten, Some(seq), expected, hash.to_string());
        }
        if self.last.is_none() {
            self.verdict.first = seq;
        }
        self.last = Some((seq, hash));
        self.opaque = 0;
        self.opaque_hashes.clear();
    }

    /// Whether a record in its place names the one before.
    fn linked(&mut self, seq: u64, prev: Hash, lo: u64, hi: u64) {
        let expected = match self.last {
            Some((_, hash)) if seq == lo => vec![hash],
            None if seq == 1 => vec![Hash::default()],
            _ if seq == hi && seq > lo => self.opaque_hashes.clone(),
            _ => Vec::new(),
        };
        if let Some(first) = expected.first()
            && !expected.contains(&prev)
        {
            let expected = format!("{first}, the hash of the record before");
            let found = format!("{prev}: one of the two was rewritten");
            self.fault(Fault::Rewritten, Some(seq), expected, found);
        }
    }

    /// A record behind one that should be behind it.
    fn late(&mut self, seq: u64, next: u64) {
        let gap = self.missing.iter_mut().find(|gap| (gap.from..=gap.to).contains(&seq));
        let fault = match gap {
            Some(gap) if gap.seen < gap.to - gap.from + 1 => {
                gap.seen += 1;
                Fault::Reordered
            }
            _ => Fault::Inserted,
        };
        let found = format!("record {seq}, which has its place before");
        self.fault(fault, Some(seq), format!("record {next}"), found);
    }

    fn gap(&mut self, from: u64, to: u64, found: String) {
        let finding = self.verdict.findings.len();
        self.fault(Fault::Missing, Some(from), records(from, to), found);
        if finding < FINDINGS_MAX {
            self.missing.push(Gap { from, to, seen: 0, finding });
        }
    }

    fn fault(&mut self, fault: Fault, seq: Option<u64>, expected: String, found: String) {
        self.verdict.faults += 1;
        if self.verdict.findings.len() < FINDINGS_MAX {
            let file = self.verdict.files.last().cloned().unwrap_or_else(PathBuf::new);
            self.verdict.findings.push(Finding {
                fault,
                file,
                line: self.line,
                seq,
                expected,
                found,
            });
        }
    }

    /// All was seen; the log should end where the head says.
    pub fn end(mut self, log: &Path, head: io::Result<()>) -> Verdict {
        if self.verdict.files.is_empty() {
            self.verdict.files.push(log.to_path_buf());
        }
        let last = self.next() + self.opaque - 1;
        if let Some(head) = self.head.filter(|head| head.seq > last) {
            let found = format!("the end of the log after record {last}");
            self.fault(Fault::Truncated, Some(last + 1), records(last + 1, head.seq), found);
        }
        if let Err(error) = head {
            self.verdict.files.push(head::path(log));
            self.line = 0;
            self.fault(Fault::Head, None, "the log's head".into(), error.to_string());
            self.verdict.files.pop();
        }
        let found_elsewhere: Vec<usize> = mem::take(&mut self.missing)
            .into_iter()
            .filter(|gap| gap.seen == gap.to - gap.from + 1)
            .map(|gap| gap.finding)
            .collect();
        for finding in found_elsewhere.into_iter().rev() {
            self.verdict.findings.remove(finding);
            self.verdict.faults -= 1;
        }
        (self.verdict.last, self.verdict.hash) = self.last.unwrap_or_default();
        self.verdict
    }
}

fn records(from: u64, to: u64) -> String {
    if from == to { format!("record {from}") } else { format!("records {from} to {to}") }
}
