//! Every way to damage a log is found, and where.

use super::*;

/// A log of these lines.
fn with(folder: &Folder, lines: &[&str]) -> Verdict {
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    fs::write(folder.log(), text).expect("written");
    verify(&folder.log(), true).expect("it reads")
}

/// Fault, line and sequence of each finding.
fn places(verdict: &Verdict) -> Vec<(Fault, u64, Option<u64>)> {
    verdict.findings.iter().map(|one| (one.fault, one.line, one.seq)).collect()
}

#[test]
fn any_bit_that_flips_is_found_in_its_line() {
    let folder = written(4);
    let sound = fs::read(folder.log()).expect("bytes");
    for at in 0..sound.len() {
        let line = sound[..at].iter().filter(|byte| **byte == b'\n').count() as u64 + 1;
        // Two bits of each byte, all eight over the neighbours.
        for bit in [at % 8, (at + 3) % 8] {
            let mut bytes = sound.clone();
            bytes[at] ^= 1 << bit;
            fs::write(folder.log(), &bytes).expect("written");
            let verdict = verify_without_wait(&folder.log());
            let first = verdict.findings.first().map(|finding| finding.line);
            assert_eq!(first, Some(line), "byte {at} bit {bit}: {:?}", verdict.findings);
        }
    }
}

/// A flipped line feed at the end would be waited for.
fn verify_without_wait(path: &Path) -> Verdict {
    verify::once(path, true).expect("it reads")
}

#[test]
fn any_record_that_is_removed_repeated_or_moved_is_found() {
    const RECORDS: usize = 6;
    let folder = written(RECORDS as u64);
    let text = fs::read_to_string(folder.log()).expect("text");
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(places(&with(&folder, &lines)), []);
    for at in 0..RECORDS {
        let seq = at as u64 + 1;
        let mut removed = lines.clone();
        let line = removed.remove(at);
        let expected = if at + 1 == RECORDS {
            (Fault::Truncated, seq - 1, Some(seq))
        } else {
            (Fault::Missing, seq, Some(seq))
        };
        assert_eq!(places(&with(&folder, &removed)), [expected]);
        for to in 0..RECORDS {
            let mut twice = lines.clone();
            twice.insert(to, line);
            let verdict = with(&folder, &twice);
            assert!(verdict.faults > 0, "{at} twice, at {to}");
            let mut moved = removed.clone();
            moved.insert(to, line);
            let verdict = with(&folder, &moved);
            let found = verdict.findings.iter().any(|one| one.fault == Fault::Reordered);
            assert_eq!(found, at != to, "{at} moved to {to}: {:?}", verdict.findings);
        }
    }
}

#[test]
fn a_record_that_was_forged_with_its_hash_breaks_the_chain() {
    let folder = written(4);
    let text = fs::read_to_string(folder.log()).expect("text");
    let lines: Vec<&str> = text.lines().collect();
    for (at, expected) in [
        (0, (Fault::Rewritten, 2, Some(2))),
        (2, (Fault::Rewritten, 4, Some(4))),
        // No record follows the last one; the head knows its hash.
        (3, (Fault::Rewritten, 4, Some(4))),
    ] {
        let object = lines[at].split(",\"hash\"").next().expect("an object");
        let (forged, _) = chain::seal(&format!("{}}}", object.replace("anna", "hugo")));
        let mut lines = lines.clone();
        lines[at] = &forged;
        assert_eq!(places(&with(&folder, &lines)), [expected]);
    }
}

#[test]
fn foreign_lines_and_missing_files_are_found() {
    let folder = written(3);
    let text = fs::read_to_string(folder.log()).expect("text");
    let lines: Vec<&str> = text.lines().collect();
    let long = "x".repeat(LINE_BYTES_MAX + 100);
    for foreign in ["", "{}", "nonsense", &long, &lines[0].replace("\"seq\":1", "\"seq\":01")] {
        let mut lines = lines.clone();
        lines.insert(1, foreign);
        assert_eq!(places(&with(&folder, &lines)), [(Fault::Malformed, 2, Some(2))], "{foreign}");
    }
    assert_eq!(places(&with(&folder, &[])), [(Fault::Truncated, 0, Some(1))]);
    fs::remove_file(folder.log()).expect("removed");
    assert_eq!(faults(&folder.log()), [Fault::Truncated]);
    with(&folder, &lines);
    fs::write(head::path(&folder.log()), "nonsense\n").expect("written");
    assert_eq!(faults(&folder.log()), [Fault::Head]);
    fs::remove_file(head::path(&folder.log())).expect("removed");
    assert_eq!(faults(&folder.log()), [Fault::Head]);
    assert_eq!(verify(&folder.log(), false).map(|verdict| verdict.faults), Ok(0));
}
