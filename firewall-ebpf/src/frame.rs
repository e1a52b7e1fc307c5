//! The frame's bytes: the only pointer arithmetic of the program.

use aya_ebpf::programs::XdpContext;
use firewall_common::bytes::PacketBytes;

/// No header that is read lies behind this; the verifier wants a bound on every variable offset.
const OFFSET_MAX: usize = 0x3fff;

/// A received frame.
pub struct Frame {
    start: usize,
    end: usize,
}

impl Frame {
    #[inline(always)]
    pub fn new(context: &XdpContext) -> Self {
        Self { start: context.data(), end: context.data_end() }
    }
}

impl PacketBytes for Frame {
    #[inline(always)]
    fn read<const N: usize>(&self, offset: usize) -> Option<[u8; N]> {
        if offset > OFFSET_MAX {
            return None;
        }
        let at = self.start + offset;
        if at + N > self.end {
            return None;
        }
        // SAFETY: `at..at + N` lies inside the frame, as was just compared; bytes need no alignment.
        Some(unsafe { *(at as *const [u8; N]) })
    }

    #[inline(always)]
    fn length(&self) -> usize {
        self.end - self.start
    }
}
