//! Log lines of the XDP program, passed on as ours.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};

use aya_log::EbpfLogger;
use log::{Log, Metadata, Record};

use crate::datapath::{error::DatapathError, generation::Generation};

/// Readable when there are lines.
pub struct KernelLogSource {
    logger: EbpfLogger<Forward>,
}

impl KernelLogSource {
    pub(super) fn open(generation: &mut Generation) -> Result<Option<Self>, DatapathError> {
        if !generation.logs() {
            return Ok(None);
        }
        let logger = EbpfLogger::init_with_logger(generation.ebpf_mut(), Forward)?;
        Ok(Some(Self { logger }))
    }

    /// Passes on the lines that are there.
    pub fn flush(&mut self) {
        self.logger.flush();
    }
}

impl AsFd for KernelLogSource {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.logger.as_fd()
    }
}

impl AsRawFd for KernelLogSource {
    fn as_raw_fd(&self) -> RawFd {
        self.logger.as_raw_fd()
    }
}

/// The program logs at debug level alone, and says itself which packet it means.
struct Forward;

impl Log for Forward {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        tracing::debug!(target: "xdp", line = %record.args(), "packet judged");
    }

    fn flush(&self) {}
}
