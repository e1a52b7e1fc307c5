//! All sessions in one file, as the daemon hands them to a worker: a line of JSON each.

use std::{
    io::{self, BufRead, Write},
    sync::Arc,
};

use super::{
    record::SessionRecord,
    store::{Session, SessionStore},
};
use crate::limits::SESSION_RECORD_BYTES_MAX;

/// Writes a session.
///
/// # Errors
/// It cannot be written.
pub fn write(session: &SessionRecord, file: &mut impl Write) -> io::Result<()> {
    serde_json::to_writer(&mut *file, session)?;
    file.write_all(b"\n")
}

/// Reads what [`write()`] wrote into a store.
///
/// # Errors
/// It cannot be read, or is not that.
pub fn read(mut file: impl BufRead, store: &SessionStore) -> io::Result<()> {
    let (mut sessions, mut line) = (Vec::new(), Vec::new());
    loop {
        line.clear();
        let mut bounded = io::Read::take(&mut file, SESSION_RECORD_BYTES_MAX as u64);
        if bounded.read_until(b'\n', &mut line)? == 0 {
            break;
        }
        sessions.push(Arc::new(Session::new(serde_json::from_slice(&line)?)));
    }
    store.fill(sessions);
    Ok(())
}
