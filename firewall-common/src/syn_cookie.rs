//! The answer to a segment that opens a connection, with a SYN cookie as its sequence number (RFC 4987,
//! 3.6). The kernel makes the cookie and knows it again in the client's acknowledgement.
//!
//! The only option is the segment size: window scale and selective acknowledgements would have to hide
//! in a timestamp whose offset the kernel alone knows. Connections made during a flood do without.
//!
//! Headers are words in network byte order: the checksum is the same in any order (RFC 1071, 2B).

/// Words of an IPv4 answer from its IP header on.
pub const REPLY_V4_WORDS: usize = V4_WORDS + TCP_WORDS;
/// Words of an IPv6 answer from its IP header on.
pub const REPLY_V6_WORDS: usize = V6_WORDS + TCP_WORDS;
/// Words of an IPv4 header without options.
pub const V4_WORDS: usize = 5;
/// Words of an IPv6 header.
pub const V6_WORDS: usize = 10;
/// Words of a TCP header without options.
pub const HEAD_WORDS: usize = 5;

const TCP_WORDS: usize = HEAD_WORDS + 1;
const TCP_BYTES: u32 = 4 * TCP_WORDS as u32;
const TCP: u32 = 6;
const HOPS: u32 = 64;
/// Length in words, SYN and ACK, and the largest window that needs no scale.
const FLAGS_AND_WINDOW: u32 = (TCP_WORDS as u32) << 28 | 0x12 << 16 | 0xffff;
/// The option of the segment size: Ethernet's 1,500 bytes without the headers.
const SEGMENT_SIZE_V4: u32 = 0x0204_0000 | 1_460;
const SEGMENT_SIZE_V6: u32 = 0x0204_0000 | 1_440;

/// The answer to an IPv4 segment.
#[must_use]
#[inline(always)]
pub fn reply_v4(
    ip: &[u32; V4_WORDS],
    tcp: &[u32; HEAD_WORDS],
    cookie: u32,
) -> [u32; REPLY_V4_WORDS] {
    let length = ((0x4500 << 16) | (4 * REPLY_V4_WORDS as u32)).to_be();
    let do_not_fragment = 0x4000_u32.to_be();
    let carries = (HOPS << 24 | TCP << 16).to_be();
    let (source, destination) = (ip[4], ip[3]);
    let header = sum(&[length, do_not_fragment, carries, source, destination]);
    let carries = with_checksum(carries, header);
    let pseudo_header = sum(&[source, destination, (TCP << 16 | TCP_BYTES).to_be()]);
    let [a, b, c, d, e, f] = segment(tcp, cookie, SEGMENT_SIZE_V4, pseudo_header);
    [length, do_not_fragment, carries, source, destination, a, b, c, d, e, f]
}

/// The answer to an IPv6 segment.
#[must_use]
#[inline(always)]
pub fn reply_v6(
    ip: &[u32; V6_WORDS],
    tcp: &[u32; HEAD_WORDS],
    cookie: u32,
) -> [u32; REPLY_V6_WORDS] {
    let [_, _, d0, d1, d2, d3, s0, s1, s2, s3] = *ip;
    let version = (6_u32 << 28).to_be();
    let carries = (TCP_BYTES << 16 | TCP << 8 | HOPS).to_be();
    let numbers = [TCP.to_be(), TCP_BYTES.to_be()];
    let pseudo_header = sum(&[s0, s1, s2, s3, d0, d1, d2, d3]) + sum(&numbers);
    let [a, b, c, d, e, f] = segment(tcp, cookie, SEGMENT_SIZE_V6, pseudo_header);
    [version, carries, s0, s1, s2, s3, d0, d1, d2, d3, a, b, c, d, e, f]
}

/// RFC 9293, 3.1.
#[inline(always)]
fn segment(
    tcp: &[u32; HEAD_WORDS],
    cookie: u32,
    segment_size: u32,
    pseudo_header: u64,
) -> [u32; TCP_WORDS] {
    let ports = tcp[0].rotate_left(16);
    let cookie = cookie.to_be();
    let expected = u32::from_be(tcp[1]).wrapping_add(1).to_be();
    let flags = FLAGS_AND_WINDOW.to_be();
    let size = segment_size.to_be();
    let total = pseudo_header + sum(&[ports, cookie, expected, flags, size]);
    let [high, low] = fold(total).to_ne_bytes();
    [ports, cookie, expected, flags, u32::from_ne_bytes([high, low, 0, 0]), size]
}

/// The word with a checksum in its second half.
#[inline(always)]
fn with_checksum(word: u32, total: u64) -> u32 {
    let ([first, second, ..], [high, low]) = (word.to_ne_bytes(), fold(total).to_ne_bytes());
    u32::from_ne_bytes([first, second, high, low])
}

/// Not yet folded.
#[inline(always)]
fn sum<const N: usize>(words: &[u32; N]) -> u64 {
    let mut total = 0;
    for word in words {
        total += u64::from(*word);
    }
    total
}

/// The one's complement of the one's complement sum.
#[inline(always)]
fn fold(total: u64) -> u16 {
    let mut total = (total & 0xffff_ffff) + (total >> 32);
    total = (total & 0xffff) + (total >> 16);
    total = (total & 0xffff) + (total >> 16);
    total = (total & 0xffff) + (total >> 16);
    !(total as u16)
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use super::*;

    const SEGMENT: [u8; 20] = [
        0x9c, 0x40, 0x01, 0xbb, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0x50, 2, 0xff, 0xff, 0, 0, 0, 0,
    ];

    fn words<const N: usize>(bytes: &[u8]) -> [u32; N] {
        let mut words = [0; N];
        for (word, bytes) in words.iter_mut().zip(bytes.chunks(4)) {
            *word = u32::from_ne_bytes(bytes.try_into().expect("four bytes"));
        }
        words
    }

    fn bytes(words: &[u32]) -> Vec<u8> {
        words.iter().flat_map(|word| word.to_ne_bytes()).collect()
    }

    /// The checksum over everything, itself included, is all ones.
    fn is_sound(parts: &[&[u8]]) -> bool {
        let words = parts.iter().flat_map(|part| part.chunks(2));
        let total: u32 = words.map(|word| u32::from(word[0]) << 8 | u32::from(word[1])).sum();
        (total & 0xffff) + (total >> 16) == 0xffff
    }

    #[test]
    fn the_answer_goes_back_and_its_sums_are_right() {
        let mut ip = [0_u8; 20];
        (ip[0], ip[9]) = (0x45, 6);
        ip[12..16].copy_from_slice(&[198, 51, 100, 7]);
        ip[16..20].copy_from_slice(&[192, 0, 2, 1]);
        let reply = bytes(&reply_v4(&words(&ip), &words(&SEGMENT), 0x1234_5678));
        assert_eq!(&reply[..9], &[0x45, 0, 0, 44, 0, 0, 0x40, 0, 64]);
        assert_eq!(&reply[12..20], &[192, 0, 2, 1, 198, 51, 100, 7]);
        assert!(is_sound(&[&reply[..20]]));
        assert!(is_sound(&[&reply[12..20], &[0, 6, 0, 24], &reply[20..]]));
        let head = [0x01, 0xbb, 0x9c, 0x40, 0x12, 0x34, 0x56, 0x78, 0, 0, 0, 0, 0x60, 0x12];
        assert_eq!(&reply[20..34], &head, "the number after the last is the first");
        assert_eq!(&reply[40..], &[2, 4, 0x05, 0xb4]);

        let mut ip = [0_u8; 40];
        ip[8..24].copy_from_slice(&[7; 16]);
        ip[24..40].copy_from_slice(&[9; 16]);
        let reply = bytes(&reply_v6(&words(&ip), &words(&SEGMENT), 1));
        assert_eq!(&reply[..8], &[0x60, 0, 0, 0, 0, 24, 6, 64]);
        assert_eq!((&reply[8..24], &reply[24..40]), (&[9; 16][..], &[7; 16][..]));
        assert!(is_sound(&[&reply[8..40], &[0, 0, 0, 24, 0, 0, 0, 6], &reply[40..]]));
    }
}
