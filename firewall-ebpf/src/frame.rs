//! The frame's bytes: the only pointer arithmetic of the program.

use core::arch::asm;

use aya_ebpf::programs::XdpContext;
use firewall_common::{
    Packet,
    bytes::{Header, PacketBytes},
};

/// No header that is read lies behind this; the verifier wants a bound on every variable offset.
const OFFSET_MAX: usize = 0x3fff;

/// A received frame.
pub struct Frame {
    start: usize,
    end: usize,
}

impl Frame {
    /// The frame, of which the verifier knows no byte yet, whatever was checked of it before: else it
    /// would follow each way that led here by itself.
    #[inline(always)]
    pub fn new(context: &XdpContext) -> Self {
        let mut context = context.ctx;
        // SAFETY: it moves a register to itself, so that the bounds are loaded again.
        unsafe {
            asm!("{context} = {context}", context = inout(reg) context, options(nostack));
        }
        let context = XdpContext::new(context);
        Self { start: context.data(), end: context.data_end() }
    }
}

impl PacketBytes for Frame {
    type Header<const N: usize> = Checked<N>;

    #[inline(always)]
    fn header<const N: usize>(&self, offset: usize) -> Option<Checked<N>> {
        if offset > OFFSET_MAX {
            return None;
        }
        let mut at = self.start + offset;
        // The compiler must not know where `at` came from: it would compare another sum with the end than
        // the one that is read from, and the verifier knows the one that was compared.
        // SAFETY: it moves a register to itself; without an instruction of its own the kernel would
        // refuse the line information.
        unsafe {
            asm!("{at} = {at}", at = inout(reg) at, options(pure, nomem, nostack, preserves_flags));
        }
        if at + N > self.end {
            return None;
        }
        Some(Checked { at })
    }

    #[inline(always)]
    fn length(&self) -> usize {
        self.end - self.start
    }

    #[inline(always)]
    fn settle<'a>(&self, packet: &'a mut Packet) -> &'a mut Packet {
        let mut packet: *mut Packet = packet;
        // SAFETY: it moves a register to itself. What the compiler must believe that it may do with
        // the memory behind it is what any function with a mutable reference may do.
        unsafe {
            asm!("{packet} = {packet}", packet = inout(reg) packet, options(nostack));
            &mut *packet
        }
    }
}

/// `N` bytes from an address on that lie inside the frame.
pub struct Checked<const N: usize> {
    at: usize,
}

/// One load, where a read of an unaligned word would become one for each byte: the BPF target believes
/// that it may not load unaligned words, while the kernel lets it on every machine that Seawall runs on.
macro_rules! load {
    ($width:literal, $at:expr, $offset:expr) => {{
        let value: u64;
        // SAFETY: the caller lies inside of what `Frame::header` checked, and the verifier checks it
        // again; an instruction needs no alignment here.
        unsafe {
            asm!(
                concat!("{value} = *(", $width, " *)({at} + {offset})"),
                value = out(reg) value,
                at = in(reg) $at,
                offset = const $offset,
                options(readonly, nostack),
            );
        }
        value
    }};
}

impl<const N: usize> Header for Checked<N> {
    #[inline(always)]
    fn u8<const AT: usize>(&self) -> u8 {
        const { assert!(AT < N) };
        load!("u8", self.at, AT) as u8
    }

    #[inline(always)]
    fn u16<const AT: usize>(&self) -> u16 {
        const { assert!(AT + 2 <= N) };
        u16::from_be(load!("u16", self.at, AT) as u16)
    }

    #[inline(always)]
    fn u32<const AT: usize>(&self) -> u32 {
        const { assert!(AT + 4 <= N) };
        u32::from_be(load!("u32", self.at, AT) as u32)
    }

    #[inline(always)]
    fn u64<const AT: usize>(&self) -> u64 {
        const { assert!(AT + 8 <= N) };
        u64::from_be(load!("u64", self.at, AT))
    }
}
