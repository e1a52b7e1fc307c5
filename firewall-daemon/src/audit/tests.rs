//! The log against what crashes, full disks and hands do to it.

use std::{
    fs,
    path::{Path, PathBuf},
    process,
    sync::atomic::{AtomicU32, Ordering},
    thread,
};

use super::*;

mod damage;

/// A folder that is removed with the test.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let next = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("seawall-audit-{}-{next}", process::id()));
        fs::create_dir_all(&path).expect("a folder");
        Self(path)
    }

    fn log(&self) -> PathBuf {
        self.0.join("audit.log")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn ban(number: u64) -> Record {
    let who = Who::User(Peer { name: "anna".into(), uid: 1_000, gid: 100, pid: 7 });
    Record {
        why: format!("reason {number}"),
        before: "none".into(),
        ..Record::new(who, "ban", &format!("203.0.113.{number} for 2h"))
    }
}

/// A log of so many records, closed.
fn written(records: u64) -> Folder {
    let folder = Folder::new();
    let log = Log::open(&folder.log()).expect("a log");
    for number in 1..=records {
        assert_eq!(log.record(&ban(number)), Ok(number));
    }
    folder
}

fn faults(path: &Path) -> Vec<Fault> {
    let verdict = verify(path, true).expect("it reads");
    verdict.findings.iter().map(|finding| finding.fault).collect()
}

fn verbs(path: &Path) -> Vec<String> {
    let mut verbs = Vec::new();
    for file in in_order(path).expect("files") {
        let mut lines = Lines::open(&file).expect("a file");
        while let Some(line) = lines.next_line().expect("a line") {
            verbs.extend(Entry::parse(&line.bytes).map(|entry| entry.verb));
        }
    }
    verbs
}

#[test]
fn records_are_chained_and_go_on_after_a_restart() {
    let folder = written(3);
    let log = Log::open(&folder.log()).expect("a log");
    assert_eq!(log.record(&ban(4)), Ok(4));
    let verdict = verify(&folder.log(), true).expect("it reads");
    assert_eq!((verdict.records, verdict.first, verdict.last, verdict.faults), (4, 1, 4, 0));
    let text = fs::read_to_string(folder.log()).expect("text");
    let first = text.lines().next().expect("a line");
    let who = "\"who\":{\"user\":{\"name\":\"anna\",\"uid\":1000,\"gid\":100,\"pid\":7}}";
    for part in [who, "\"verb\":\"ban\",\"what\":\"203.0.113.1 for 2h\",\"why\":\"reason 1\""] {
        assert!(first.contains(part), "{first}");
    }
    assert!(first.contains(&format!("\"prev\":\"{}\",\"hash\":\"", "0".repeat(64))), "{first}");
    assert!(matches!(Log::open(&folder.log()), Err(AuditError::Busy { .. })), "two writers");
}

#[test]
fn ten_callers_write_a_thousand_records() {
    let folder = Folder::new();
    let log = Log::open(&folder.log()).expect("a log");
    let mut sequences: Vec<u64> = thread::scope(|scope| {
        let write = || (0..100).map(|one| log.record(&ban(one)).expect("it is written")).collect();
        let callers: Vec<_> = (0..10).map(|_| scope.spawn(write)).collect();
        callers.into_iter().flat_map(|one| -> Vec<u64> { one.join().expect("a caller") }).collect()
    });
    sequences.sort_unstable();
    assert_eq!(sequences, (1..=1_000).collect::<Vec<_>>());
    let verdict = verify(&folder.log(), true).expect("it reads");
    assert_eq!((verdict.records, verdict.faults), (1_000, 0));
}

#[test]
fn what_comes_from_outside_is_bounded_and_escaped() {
    let folder = Folder::new();
    let log = Log::open(&folder.log()).expect("a log");
    let foreign = "\u{1b}[2J\n\u{202e}\u{1f600}\"\\".repeat(10_000);
    let record = Record {
        who: Who::Feed(foreign.clone()),
        verb: foreign.clone(),
        what: foreign.clone(),
        why: foreign.clone(),
        before: foreign.clone(),
        after: foreign,
    };
    assert_eq!(log.record(&record), Ok(1));
    let bytes = fs::read(folder.log()).expect("bytes");
    let (end, line) = bytes.split_last().expect("a line");
    assert!(*end == b'\n' && line.iter().all(|byte| (b' '..=b'~').contains(byte)));
    assert!(line.len() <= LINE_BYTES_MAX, "{}", line.len());
    let entry = Entry::parse(line).expect("a record");
    assert!(entry.what.ends_with("...") && entry.what.len() <= TEXT_BYTES_MAX);
    let text = render(&entry);
    assert!(!text.contains('\u{1b}') && !text.contains('\u{202e}'), "{text:?}");
    assert_eq!(faults(&folder.log()), []);
}

#[test]
fn a_full_file_is_put_aside_and_the_oldest_goes() {
    let folder = Folder::new();
    let log = Log::open_bounded(&folder.log(), 1_000).expect("a log");
    for number in 0..60 {
        log.record(&ban(number)).expect("it is written");
    }
    let files = in_order(&folder.log()).expect("files");
    assert_eq!(files.len(), FILES_MAX);
    let verdict = verify(&folder.log(), true).expect("it reads");
    assert_eq!((verdict.faults, verdict.findings), (0, vec![]));
    assert!(verdict.first > 1 && verdict.records == verdict.last - verdict.first + 1);
    drop(log);
    let log = Log::open_bounded(&folder.log(), 1_000).expect("a log");
    assert_eq!(log.record(&ban(60)).map(|seq| seq > verdict.last), Ok(true));
    assert_eq!(faults(&folder.log()), []);
    // One by itself is sound; and one that is gone is missed.
    assert_eq!(verify(&files[3], false).map(|verdict| verdict.faults), Ok(0));
    let kept = in_order(&folder.log()).expect("files");
    fs::remove_file(&kept[0]).expect("removed");
    assert_eq!(faults(&folder.log()), [Fault::Missing]);
    fs::remove_file(&kept[5]).expect("removed");
    assert_eq!(faults(&folder.log()), [Fault::Missing, Fault::Missing]);
}

#[test]
fn a_record_that_a_crash_broke_off_is_put_aside_and_the_chain_goes_on() {
    for (whole, torn) in [(3, "{\"seq\":4,\"at\":"), (0, "{"), (2, "\u{0}\u{0}\u{0}")] {
        let folder = written(whole);
        let mut bytes = fs::read(folder.log()).expect("bytes");
        bytes.extend_from_slice(torn.as_bytes());
        fs::write(folder.log(), bytes).expect("written");
        assert_eq!(faults(&folder.log()), [Fault::Torn], "{torn}");
        let log = Log::open(&folder.log()).expect("a log");
        let aside = folder.0.join(format!("audit.log.torn-{:012}", whole + 1));
        assert_eq!(fs::read_to_string(aside).expect("it is kept"), torn);
        assert_eq!(log.record(&ban(9)), Ok(whole + 2));
        assert_eq!(faults(&folder.log()), [], "{torn}");
        let found = verbs(&folder.log());
        assert_eq!(found[whole as usize..], ["audit repair", "ban"]);
    }
}

#[test]
fn what_was_removed_while_no_daemon_ran_is_recorded_and_stays_a_finding() {
    let folder = written(5);
    let text = fs::read_to_string(folder.log()).expect("text");
    let three: String = text.split_inclusive('\n').take(3).collect();
    fs::write(folder.log(), three).expect("written");
    assert_eq!(faults(&folder.log()), [Fault::Truncated]);
    let log = Log::open(&folder.log()).expect("a log");
    assert_eq!(log.record(&ban(6)), Ok(7));
    assert_eq!(faults(&folder.log()), [Fault::Missing]);
    assert_eq!(verbs(&folder.log()), ["ban", "ban", "ban", "audit repair", "ban"]);
}

#[test]
fn a_damaged_end_is_kept_beside_and_the_chain_goes_on() {
    let folder = written(3);
    let mut bytes = fs::read(folder.log()).expect("bytes");
    let at = bytes.len() - 200;
    bytes[at] ^= 1;
    fs::write(folder.log(), bytes).expect("written");
    let log = Log::open(&folder.log()).expect("a log");
    assert_eq!(log.record(&ban(4)), Ok(5));
    assert_eq!(in_order(&folder.log()).expect("files").len(), 2);
    assert_eq!(faults(&folder.log()), [Fault::Changed]);
}

#[test]
fn a_file_that_is_taken_away_or_written_to_under_the_daemon_is_noticed() {
    let folder = Folder::new();
    let log = Log::open(&folder.log()).expect("a log");
    assert_eq!(log.record(&ban(1)), Ok(1));
    fs::remove_file(folder.log()).expect("removed");
    assert_eq!(faults(&folder.log()), [Fault::Truncated]);
    // One record says that the file was not there, one that the record in it is missing.
    assert_eq!(log.record(&ban(2)), Ok(4));
    assert_eq!(faults(&folder.log()), [Fault::Missing]);
    let mut bytes = fs::read(folder.log()).expect("bytes");
    bytes.extend_from_slice(b"nonsense");
    fs::write(folder.log(), bytes).expect("written");
    assert_eq!(log.record(&ban(3)), Ok(6));
    assert_eq!(faults(&folder.log()), [Fault::Missing, Fault::Torn]);
    assert_eq!(log.figures(), Figures { sequence: 6, ..Figures::default() });
}

#[test]
fn what_cannot_be_written_is_refused_or_owed() {
    let folder = Folder::new();
    let log = Log::open(&folder.log()).expect("a log");
    assert_eq!(log.record(&ban(1)), Ok(1));
    // A folder of the log's name: no file can be written there, not even by root.
    let away = folder.0.join("away");
    fs::rename(folder.log(), &away).expect("moved");
    fs::create_dir(folder.log()).expect("a folder");
    let refused = log.record(&ban(2)).expect_err("it cannot be written");
    assert!(refused.to_string().contains("no change is made without its record"), "{refused}");
    let most = OWED_MAX as u64;
    for number in 0..most + 2 {
        log.record_or_owe(&ban(number)).expect_err("it is owed");
    }
    let figures = Figures { sequence: 1, owed: most, lost: 2, failures: most + 3 };
    assert_eq!(log.figures(), figures);
    fs::remove_dir(folder.log()).expect("removed");
    fs::rename(&away, folder.log()).expect("moved back");
    log.settle().expect("it can be written again");
    assert_eq!(log.figures(), Figures { sequence: most + 2, owed: 0, ..figures });
    assert_eq!(faults(&folder.log()), []);
    assert_eq!(verbs(&folder.log()).last().map(String::as_str), Some("audit lost"));
}
