//! Who has logged in or out: told at once, so that another worker knows before the browser asks it.

use std::{io, sync::mpsc::Receiver, thread};

use super::{AttendError, channel::Channel, message::FromWorker};
use crate::identity::session::record::SessionChange;

/// Tells of each as it comes.
///
/// # Errors
/// There is no thread to be had.
pub fn tell(waiting: Receiver<SessionChange>) -> Result<(), AttendError> {
    // Packets keep messages apart, whichever thread sends them.
    let channel = Channel::new(io::stdin())?;
    let thread = thread::Builder::new().name("gateway-sessions".to_owned());
    let telling = move || {
        while let Ok(change) = waiting.recv() {
            let message = FromWorker::SessionsChanged(Box::new(change));
            if let Err(error) = channel.send(&message, &[]) {
                // The supervisor is gone, and with it this process.
                tracing::debug!(%error, "changes of sessions cannot be told any more");
                return;
            }
        }
    };
    thread.spawn(telling).map_err(AttendError::Telling)?;
    Ok(())
}
