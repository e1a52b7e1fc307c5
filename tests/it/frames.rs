//! Traffic for tests: frames out of a packet socket.

use std::{
    os::fd::AsRawFd as _,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use anyhow::{Context as _, Result};
use nix::{
    ifaddrs::getifaddrs,
    sys::socket::{AddressFamily, LinkAddr, MsgFlags, SockFlag, SockType, sendto, socket},
};
use seawall_tests::{bench::link::SENDER, switching::Traffic};

/// Frames out of a packet socket, some ten thousand a second.
pub struct Frames {
    frames: Vec<Vec<u8>>,
    stopped: AtomicBool,
}

impl Frames {
    /// These, over and over.
    pub fn new(frames: Vec<Vec<u8>>) -> Self {
        Self { frames, stopped: false.into() }
    }
}

impl Traffic for Frames {
    fn send(&self) -> Result<()> {
        // So many at once, with a pause behind: the other end's queue holds 256.
        const BURST: usize = 64;
        const PAUSE: Duration = Duration::from_millis(1);
        let target = sender()?;
        // Protocol 0: it sends, and is handed nothing.
        let socket = socket(AddressFamily::Packet, SockType::Raw, SockFlag::empty(), None)?;
        for burst in self.frames.chunks(BURST).cycle() {
            if self.stopped.load(Ordering::Relaxed) {
                break;
            }
            for frame in burst {
                // A full queue refuses some; what arrives is counted where it arrives.
                let _ = sendto(socket.as_raw_fd(), frame, &target, MsgFlags::empty());
            }
            thread::sleep(PAUSE);
        }
        Ok(())
    }

    fn stop(&self) -> Result<()> {
        self.stopped.store(true, Ordering::Relaxed);
        Ok(())
    }
}

fn sender() -> Result<LinkAddr> {
    let mut addresses = getifaddrs()?.filter(|address| address.interface_name == SENDER);
    let found = addresses.find_map(|address| address.address?.as_link_addr().copied());
    found.with_context(|| format!("{SENDER} has no link address"))
}
