//! Reading a frame without trusting its length: one bounds check a header, then fixed places in it.

use crate::packet::Packet;

/// A frame's bytes. Every header is checked against the end of the frame.
pub trait PacketBytes {
    /// `N` bytes that lie inside the frame.
    type Header<const N: usize>: Header;

    /// The `N` bytes at `offset`, or nothing where the frame ends before them.
    fn header<const N: usize>(&self, offset: usize) -> Option<Self::Header<N>>;

    /// The frame's length in bytes, link header included.
    fn length(&self) -> usize;

    /// Makes the compiler and the kernel's verifier forget how a packet came to be what it is. Without
    /// it the verifier follows every way through the parser to the end of the program: it walked ten
    /// times the instructions.
    #[inline(always)]
    fn settle<'a>(&self, packet: &'a mut Packet) -> &'a mut Packet {
        packet
    }
}

/// Fields in network byte order; a place outside the header does not compile.
pub trait Header {
    /// The byte at `AT`.
    fn u8<const AT: usize>(&self) -> u8;
    /// The two bytes at `AT`.
    fn u16<const AT: usize>(&self) -> u16;
    /// The four bytes at `AT`.
    fn u32<const AT: usize>(&self) -> u32;
    /// The eight bytes at `AT`.
    fn u64<const AT: usize>(&self) -> u64;
}

impl PacketBytes for &[u8] {
    type Header<const N: usize> = [u8; N];

    fn header<const N: usize>(&self, offset: usize) -> Option<[u8; N]> {
        self.get(offset..offset.checked_add(N)?)?.try_into().ok()
    }

    fn length(&self) -> usize {
        self.len()
    }
}

impl<const N: usize> Header for [u8; N] {
    fn u8<const AT: usize>(&self) -> u8 {
        u8::from_be_bytes(field(self, AT))
    }

    fn u16<const AT: usize>(&self) -> u16 {
        u16::from_be_bytes(field(self, AT))
    }

    fn u32<const AT: usize>(&self) -> u32 {
        u32::from_be_bytes(field(self, AT))
    }

    fn u64<const AT: usize>(&self) -> u64 {
        u64::from_be_bytes(field(self, AT))
    }
}

/// The place was checked when the caller was compiled, so that what lies outside is never asked for.
fn field<const M: usize>(header: &[u8], at: usize) -> [u8; M] {
    let mut bytes = [0; M];
    for (to, from) in bytes.iter_mut().zip(header.iter().skip(at)) {
        *to = *from;
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_stop_at_the_end() {
        let frame: &[u8] = &[1, 2, 3, 4, 5, 6, 7, 8, 9];
        assert_eq!(frame.header::<2>(7), Some([8, 9]));
        assert_eq!(frame.header::<3>(7), None);
        assert_eq!(frame.header::<1>(usize::MAX), None);
        assert_eq!(frame.length(), 9);
        let header = frame.header::<9>(0).expect("all of it");
        assert_eq!((header.u8::<8>(), header.u16::<1>()), (9, 0x0203));
        assert_eq!((header.u32::<2>(), header.u64::<1>()), (0x0304_0506, 0x0203_0405_0607_0809));
    }
}
