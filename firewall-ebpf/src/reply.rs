//! Answers a segment that opens a connection with a SYN cookie, in its own frame.

use aya_ebpf::{
    EbpfContext as _,
    helpers::{
        bpf_tcp_raw_gen_syncookie_ipv4, bpf_tcp_raw_gen_syncookie_ipv6, bpf_xdp_adjust_tail,
        bpf_xdp_load_bytes, bpf_xdp_store_bytes,
    },
    programs::XdpContext,
};
use firewall_common::syn_cookie::{
    HEAD_WORDS, REPLY_V4_WORDS, REPLY_V6_WORDS, V4_WORDS, V6_WORDS, reply_v4, reply_v6,
};

/// Words of the longest TCP header.
const TCP_WORDS_MAX: usize = 15;
const HEAD_BYTES: u32 = 4 * HEAD_WORDS as u32;

/// Writes the answer to a segment into its frame of `length` bytes, where its IP header begins at the
/// lower half of `at` and its TCP header at the upper half, and returns whether it can be sent. The
/// kernel makes the cookie (`bpf_tcp_raw_gen_syncookie_*`, 6.0) and knows it again, where `tcp_syncookies` is 2 or its own
/// queue overflowed. A function of its own, for a stack of its own.
#[inline(never)]
pub fn write(context: &XdpContext, version: u8, at: u32, length: u64) -> bool {
    let (network, transport) = (at & 0xffff, at >> 16);
    let frame_length = length as u32;
    let mut tcp = [0_u32; TCP_WORDS_MAX];
    if !load(context, transport, &mut tcp, HEAD_BYTES) {
        return false;
    }
    let length = u32::from_be(tcp[3]) >> 28 << 2;
    // The parser saw the header whole; the verifier did not.
    if !(HEAD_BYTES..=4 * TCP_WORDS_MAX as u32).contains(&length) {
        return false;
    }
    if !load(context, transport, &mut tcp, length) {
        return false;
    }
    let tcp_header = tcp.as_mut_ptr().cast();
    let ip_words = if version == 4 { V4_WORDS } else { V6_WORDS };
    let mut ip = [0_u32; V6_WORDS];
    if !load(context, network, &mut ip, 4 * ip_words as u32) {
        return false;
    }
    let ip_header = ip.as_mut_ptr();
    // SAFETY: both headers are whole, in buffers of our own.
    let cookie = unsafe {
        if version == 4 {
            bpf_tcp_raw_gen_syncookie_ipv4(ip_header.cast(), tcp_header, length)
        } else {
            bpf_tcp_raw_gen_syncookie_ipv6(ip_header.cast(), tcp_header, length)
        }
    };
    if cookie < 0 {
        return false;
    }
    let mut reply = [0_u32; REPLY_V6_WORDS];
    let words = if version == 4 {
        let [ip @ .., _, _, _, _, _] = &ip;
        for (to, from) in reply.iter_mut().zip(reply_v4(ip, head(&tcp), cookie as u32)) {
            *to = from;
        }
        REPLY_V4_WORDS
    } else {
        reply = reply_v6(&ip, head(&tcp), cookie as u32);
        REPLY_V6_WORDS
    };
    // The segment was read; its buffer serves once more, since the stack is small.
    let size = 4 * words as u32;
    let delta = (network + size) as i32 - frame_length as i32;
    send(context, network, &reply, size, &mut tcp, delta)
}

/// The part of a TCP header that every segment has.
#[inline(always)]
fn head(tcp: &[u32; TCP_WORDS_MAX]) -> &[u32; HEAD_WORDS] {
    let [head @ .., _, _, _, _, _, _, _, _, _, _] = tcp;
    head
}

/// Writes the reply behind the link header, which goes back to where it came from, tags and all.
#[inline(always)]
fn send(
    context: &XdpContext,
    network: u32,
    reply: &[u32; REPLY_V6_WORDS],
    size: u32,
    link: &mut [u32; TCP_WORDS_MAX],
    delta: i32,
) -> bool {
    // SAFETY: the context is the program's own; no pointer into the frame is used behind this.
    if unsafe { bpf_xdp_adjust_tail(context.as_ptr().cast(), delta) } != 0 {
        return false;
    }
    // Two addresses of six bytes each: one and a half words.
    if !load(context, 0, link, 12) {
        return false;
    }
    let [a, b, c, ..] = link;
    let ([a0, a1, a2, a3], [b0, b1, b2, b3], [c0, c1, c2, c3]) =
        (a.to_ne_bytes(), b.to_ne_bytes(), c.to_ne_bytes());
    *a = u32::from_ne_bytes([b2, b3, c0, c1]);
    *b = u32::from_ne_bytes([c2, c3, a0, a1]);
    *c = u32::from_ne_bytes([a2, a3, b0, b1]);
    store(context, 0, link, 12) && store(context, network, reply, size)
}

/// Loads the first `size` bytes of the words.
#[inline(always)]
fn load<const N: usize>(context: &XdpContext, at: u32, words: &mut [u32; N], size: u32) -> bool {
    // SAFETY: the callers ask for no more bytes than the words have.
    unsafe { bpf_xdp_load_bytes(context.as_ptr().cast(), at, words.as_mut_ptr().cast(), size) == 0 }
}

/// Stores the first `size` bytes of the words.
#[inline(always)]
fn store<const N: usize>(context: &XdpContext, at: u32, words: &[u32; N], size: u32) -> bool {
    let from = words.as_ptr().cast_mut().cast();
    // SAFETY: the callers store no more bytes than the words have.
    unsafe { bpf_xdp_store_bytes(context.as_ptr().cast(), at, from, size) == 0 }
}
