//! The generator: run by `BPF_PROG_TEST_RUN` with live frames, it gives each frame a source and sends
//! it into a veth. The kernel recycles the frames as it finds them, so all that differs between two
//! packets is written each time.

use aya_ebpf::{
    Global,
    bindings::xdp_action,
    macros::{map, xdp},
    maps::{Array, DevMap, PerCpuArray},
    programs::XdpContext,
};

/// 4 or 6. Options are read-only globals, so that no packet pays for the modes that are off.
#[unsafe(no_mangle)]
static FAMILY: Global<u32> = Global::new(4);
/// IPv4 sources are drawn from `BASE` on, out of `SPAN`.
#[unsafe(no_mangle)]
static BASE: Global<u32> = Global::new(0);
#[unsafe(no_mangle)]
static SPAN: Global<u32> = Global::new(0);
/// IPv6 networks are read from [`NETWORKS`], of which there are so many, a power of two; 0: they are
/// drawn from 2000::/3.
#[unsafe(no_mangle)]
static TABLE: Global<u32> = Global::new(0);
/// One in so many packets comes from an established client; 0: none does.
#[unsafe(no_mangle)]
static CLIENT_EVERY: Global<u32> = Global::new(0);

/// Clients are the addresses from here on, one after the other.
const CLIENT_BASE: u32 = 0xcb00_0000;
const CLIENTS: u64 = 1_000;
const TCP: u8 = 6;
const UDP: u8 = 17;

/// Upper halves of IPv6 sources, in random order: reading them in turn costs no memory miss, which
/// on this side would slow the flood down.
#[map]
static NETWORKS: Array<u64> = Array::with_max_entries(1, 0);

/// The interface to send to, looked up here faster than by its number.
#[map]
static TARGET: DevMap = DevMap::with_max_entries(1, 0);

/// Not 0: send no more. A run goes through all its repetitions, and does so quickly then.
#[map]
static STOP: Array<u32> = Array::with_max_entries(1, 0);

/// Two words a CPU: the random state, and the packets sent so far.
#[map]
static STATE: PerCpuArray<[u64; 2]> = PerCpuArray::with_max_entries(1, 0);

#[xdp]
fn generate(context: XdpContext) -> u32 {
    if is_stopped() {
        return xdp_action::XDP_DROP;
    }
    let Some((random, number)) = draw() else { return xdp_action::XDP_ABORTED };
    let written = match FAMILY.load() {
        6 => write_v6(&context, random, number),
        _ => write_v4(&context, random, number),
    };
    if written.is_none() {
        return xdp_action::XDP_ABORTED;
    }
    send()
}

#[inline(always)]
pub fn is_stopped() -> bool {
    // Volatile, as userspace writes it; the map holds for as long as the program.
    // SAFETY: the pointer came from the map and is not null.
    STOP.get_ptr(0).is_none_or(|stop| unsafe { stop.read_volatile() } != 0)
}

/// A random number, and which packet of this CPU's it is for.
#[inline(always)]
pub fn draw() -> Option<(u64, u64)> {
    let state = STATE.get_ptr_mut(0)?;
    // SAFETY: the pointer came from the map, is not null, and is this CPU's own.
    let state = unsafe { &mut *state };
    let random = next(&mut state[0]);
    state[1] += 1;
    Some((random, state[1]))
}

#[inline(always)]
pub fn send() -> u32 {
    TARGET.redirect(0, 0).unwrap_or(xdp_action::XDP_ABORTED)
}

#[inline(always)]
fn write_v4(context: &XdpContext, random: u64, number: u64) -> Option<()> {
    const PROTOCOL: usize = 23;
    const SOURCE: usize = 26;
    let every = u64::from(CLIENT_EVERY.load());
    let (protocol, source) = if every != 0 && number.is_multiple_of(every) {
        // In turn, not at random: no client may exceed its rate by chance.
        (TCP, CLIENT_BASE + (number / every % CLIENTS) as u32)
    } else {
        (UDP, BASE.load() + (((random >> 32) * u64::from(SPAN.load())) >> 32) as u32)
    };
    write(context, PROTOCOL, protocol)?;
    write(context, SOURCE, source.to_be_bytes())
}

#[inline(always)]
fn write_v6(context: &XdpContext, random: u64, number: u64) -> Option<()> {
    const SOURCE: usize = 22;
    let table = TABLE.load();
    let upper = match table {
        0 => random >> 3 | 1 << 61,
        _ => *NETWORKS.get(number as u32 & (table - 1))?,
    };
    write(context, SOURCE, upper.to_be_bytes())?;
    write(context, SOURCE + 8, random.to_be_bytes())
}

#[inline(always)]
pub fn write<T>(context: &XdpContext, offset: usize, value: T) -> Option<()> {
    let at = context.data() + offset;
    if at + size_of::<T>() > context.data_end() {
        return None;
    }
    // SAFETY: `at..at + size` lies inside the frame, as was just compared.
    unsafe { (at as *mut T).write_unaligned(value) };
    Some(())
}

/// xorshift64*: a helper call for random numbers costs more than all of this.
#[inline(always)]
fn next(state: &mut u64) -> u64 {
    let mut word = if *state == 0 { 0x9e37_79b9_7f4a_7c15 } else { *state };
    word ^= word >> 12;
    word ^= word << 25;
    word ^= word >> 27;
    *state = word;
    word.wrapping_mul(0x2545_f491_4f6c_dd1d)
}
