//! A file: one event a line. What cannot be written is lost at once: a disk that is full stays so.

use std::{cell::Cell, fs::File, io};

use super::{
    event::Teller,
    queue::{Loss, Numbered},
    sender::Sink,
};

/// The file that the supervisor has opened.
pub struct EventFile<W = File> {
    file: W,
    teller: Teller,
    /// The last line has no end.
    torn: bool,
    failing: bool,
}

impl<W: io::Write> EventFile<W> {
    /// Lines at the end of `file`.
    #[must_use]
    pub fn new(file: W, teller: Teller) -> Self {
        Self { file, teller, torn: false, failing: false }
    }

    // How much was written, and whether that is all.
    fn write(&mut self, text: &[u8]) -> (usize, io::Result<()>) {
        let mut written = 0;
        while let Some(rest) = text.get(written..).filter(|rest| !rest.is_empty()) {
            match self.file.write(rest) {
                Ok(0) => return (written, Err(io::ErrorKind::WriteZero.into())),
                Ok(more) => written += more,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return (written, Err(error)),
            }
        }
        (written, Ok(()))
    }
}

impl<W: io::Write> Sink for EventFile<W> {
    async fn deliver(&mut self, batch: &[Numbered], done: &Cell<usize>) -> Result<(), Loss> {
        // Whoever reads the file finds a line that was cut off, and the next one whole.
        let mut text = if self.torn { b"\n".to_vec() } else { Vec::new() };
        let mut ends = vec![text.len()];
        for event in batch {
            event.write(&self.teller, &mut text);
            text.push(b'\n');
            ends.push(text.len());
        }
        let (written, outcome) = self.write(&text);
        let whole = ends.partition_point(|end| *end <= written);
        done.set(whole.saturating_sub(1));
        if written > 0 {
            self.torn = !ends.contains(&written);
        }
        match outcome {
            Ok(()) => self.failing = false,
            Err(error) if !self.failing => {
                tracing::warn!(%error, "events are lost: their file cannot be written");
                self.failing = true;
            }
            Err(_) => {}
        }
        if self.failing { Err(Loss::Unwritten) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::events::{
        decision::Decision,
        event::{Event, tests::ended},
    };

    /// Takes so many bytes at each call, and then fails.
    struct Disk {
        text: Vec<u8>,
        takes: Vec<usize>,
    }

    impl io::Write for Disk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let Some(most) = self.takes.pop() else {
                return Err(io::ErrorKind::StorageFull.into());
            };
            let taken = bytes.get(..most).unwrap_or(bytes);
            self.text.extend_from_slice(taken);
            Ok(taken.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn what_a_disk_does_not_take_is_counted_and_tears_one_line_at_most() {
        let event = Arc::new(Event::of_request(Decision::Refused, ended("/")));
        let batch = [1, 2, 3].map(|sequence| Numbered { sequence, event: event.clone() });
        let teller = Teller { source: "urn:edge".to_owned(), worker: "ab".to_owned() };
        let mut line = Vec::new();
        batch[0].write(&teller, &mut line);
        let bytes = line.len() + 1;
        for (name, takes, expected, whole_lines) in [
            ("well", vec![usize::MAX, 5, 9], Ok(()), 6),
            ("full", vec![], Err(0), 3),
            ("full before the end of a line", vec![bytes + bytes - 2], Err(1), 4),
            ("full at the end of a line", vec![2 * bytes], Err(2), 5),
            ("full in the first line", vec![1], Err(0), 3),
        ] {
            let mut file = EventFile::new(Disk { text: Vec::new(), takes }, teller.clone());
            let done = Cell::new(0);
            let outcome = deliver(&mut file, &batch, &done);
            assert_eq!(outcome.map_err(|_| done.get()), expected, "{name}");
            // There is room again.
            file.file.takes = vec![usize::MAX; 9];
            assert_eq!(deliver(&mut file, &batch, &done), Ok(()), "{name}");
            let text = String::from_utf8(file.file.text).unwrap();
            let json = |line: &&str| serde_json::from_str::<serde_json::Value>(line).is_ok();
            assert_eq!(text.lines().filter(json).count(), whole_lines, "{name}: {text}");
            assert!(text.ends_with('\n'), "{name}");
        }
    }

    fn deliver(
        file: &mut EventFile<Disk>,
        batch: &[Numbered],
        done: &Cell<usize>,
    ) -> Result<(), Loss> {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(file.deliver(batch, done))
    }
}
