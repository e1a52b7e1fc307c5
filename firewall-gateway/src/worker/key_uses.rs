//! Which API keys and sessions were used, told now and then and never for a request.

use std::{
    io,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use super::{
    channel::{Channel, ChannelError},
    message::FromWorker,
};
use crate::{
    identity::api_key::store::KeyUse,
    limits::{KEY_USE_MESSAGES_MAX, KEY_USES_INTERVAL_MS},
    server::Gateway,
};

/// Looks from a place on for what was used since a minute: uses, and where to go on.
pub type Walk = fn(&Gateway, u32, usize) -> (Vec<KeyUse>, Option<usize>);

/// What was told of the uses of one kind of credential.
pub struct KeyUses {
    walk: Walk,
    message: fn(Vec<KeyUse>) -> FromWorker,
    /// When a walk through all keys began last.
    began: SystemTime,
    at: Instant,
    since_min: u32,
    /// Where a walk goes on that was too long for one go.
    from: Option<usize>,
}

impl KeyUses {
    /// Nothing was told yet.
    pub fn new(walk: Walk, message: fn(Vec<KeyUse>) -> FromWorker) -> Self {
        let began = SystemTime::now();
        Self { walk, message, began, at: Instant::now(), since_min: minute(began), from: None }
    }

    /// Tells what is due; all of it where it is the last time.
    ///
    /// # Errors
    /// The supervisor cannot be told.
    pub fn tell(
        &mut self,
        channel: &Channel<io::Stdin>,
        gateway: &Gateway,
        last: bool,
    ) -> Result<(), ChannelError> {
        let due = self.at.elapsed() >= Duration::from_millis(KEY_USES_INTERVAL_MS);
        let mut from = match self.from {
            Some(from) => from,
            None if due || last => {
                (self.began, self.at) = (SystemTime::now(), Instant::now());
                0
            }
            None => return Ok(()),
        };
        for _ in 0..KEY_USE_MESSAGES_MAX {
            let (uses, next) = (self.walk)(gateway, self.since_min, from);
            if !uses.is_empty() {
                channel.send(&(self.message)(uses), &[])?;
            }
            let Some(next) = next else {
                // What is used within this minute is told again: it costs less than to miss it.
                (self.since_min, self.from) = (minute(self.began), None);
                return Ok(());
            };
            from = next;
        }
        self.from = Some(from);
        Ok(())
    }
}

fn minute(at: SystemTime) -> u32 {
    let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
    u32::try_from(since.as_secs() / 60).unwrap_or(u32::MAX)
}
