//! Sampled drops, read from the ring buffer.

use std::{
    os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd},
    path::Path,
};

use aya::maps::{Map, MapData, RingBuf};
use firewall_common::{event::Event, maps};

use crate::datapath::error::DatapathError;

/// Readable when there are events.
pub struct EventSource {
    ring: RingBuf<MapData>,
}

impl EventSource {
    /// Opens the ring buffer that is pinned in a folder.
    ///
    /// # Errors
    ///
    /// Where there is none.
    pub fn open(pin_folder: &Path) -> Result<Self, DatapathError> {
        let failed = |source| DatapathError::Map { name: maps::EVENTS, source };
        let data = MapData::from_pin(pin_folder.join(maps::EVENTS)).map_err(failed)?;
        let ring = Map::from_map_data(data).and_then(RingBuf::try_from).map_err(failed)?;
        Ok(Self { ring })
    }

    /// The next event, if there is one. A record that cannot be read is skipped.
    pub fn next_event(&mut self) -> Option<Event> {
        while let Some(record) = self.ring.next() {
            if let Some(event) = Event::parse(&record) {
                return Some(event);
            }
        }
        None
    }
}

impl AsFd for EventSource {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.ring.as_fd()
    }
}

impl AsRawFd for EventSource {
    fn as_raw_fd(&self) -> RawFd {
        self.ring.as_raw_fd()
    }
}
