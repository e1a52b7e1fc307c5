//! Whom to ban: told at once, by a thread of its own. The figures may wait for their beat; an attack does not.

use std::{io, sync::mpsc::Receiver, thread};

use super::{AttendError, channel::Channel, message::FromWorker};
use crate::{behaviour::offence::Offence, limits::OFFENCES_AT_ONCE};

/// Tells of each as it comes; of those that come meanwhile together.
///
/// # Errors
/// There is no thread to be had.
pub fn tell(waiting: Receiver<Offence>) -> Result<(), AttendError> {
    // Packets keep messages apart, whichever thread sends them.
    let channel = Channel::new(io::stdin())?;
    let thread = thread::Builder::new().name("gateway-offences".to_owned());
    let telling = move || {
        while let Ok(first) = waiting.recv() {
            let more = waiting.try_iter().take(OFFENCES_AT_ONCE - 1);
            let offences = std::iter::once(first).chain(more).collect();
            if let Err(error) = channel.send(&FromWorker::Offences(offences), &[]) {
                // The supervisor is gone, and with it this process.
                tracing::debug!(%error, "offences cannot be told any more");
                return;
            }
        }
    };
    thread.spawn(telling).map_err(AttendError::Telling)?;
    Ok(())
}
