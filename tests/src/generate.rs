//! Generated policies and frames. Their addresses and ports lie close together, so that lists
//! nest and touch, and packets meet them often.

mod packet;
mod policy;
#[cfg(test)]
mod tests;

use std::net::{Ipv4Addr, Ipv6Addr};

use crate::{oracle::Networks, random::Random};

pub use packet::frame;
pub use policy::{Limiting, policy, policy_with};

/// The ports of rules, limits and services; frames are sent to them and to their neighbours.
const PORTS: [u16; 8] = [22, 53, 80, 443, 443, 8000, 8005, 8010];

/// A few networks of both families.
pub fn networks(random: &mut Random, count: u64) -> Networks {
    (0..count)
        .map(|_| {
            let v4 = random.below(2) == 0;
            let (all, long) = if v4 { (32, 29) } else { (128, 120) };
            let length = match random.below(10) {
                0 => random.below(all + 1),
                1 | 2 => all / 2 + random.below(all * 3 / 8 + 1),
                3 if !v4 => 64,
                4 if !v4 => 60 + random.below(8),
                _ => long + random.below(all - long + 1),
            } as u32;
            if v4 {
                let mask = u32::MAX.checked_shl(32 - length).unwrap_or(0);
                (Ipv4Addr::from_bits(address_v4(random).to_bits() & mask).into(), length)
            } else {
                let mask = u128::MAX.checked_shl(128 - length).unwrap_or(0);
                (Ipv6Addr::from_bits(address_v6(random).to_bits() & mask).into(), length)
            }
        })
        .collect()
}

/// One of these.
fn one_of<T: Copy>(random: &mut Random, choices: &[T]) -> T {
    choices[random.below(choices.len() as u64) as usize]
}

/// True so many times in so many.
fn chance(random: &mut Random, times: u64, of: u64) -> bool {
    random.below(of) < times
}

fn address_v4(random: &mut Random) -> Ipv4Addr {
    let any = random.next_u64() as u32;
    Ipv4Addr::from_bits(match random.below(8) {
        0 => any,
        1 | 2 => 0xcb00_7100 | any & 0xff,
        3 => 0xcb00_0000 | any & 0xf_ffff,
        _ => 0xcb00_7100 | any & 0x1f,
    })
}

/// Never a mapped one: networks are not written so.
fn address_v6(random: &mut Random) -> Ipv6Addr {
    let any = u128::from(random.next_u64()) << 64 | u128::from(random.next_u64());
    let documentation = 0x2001_0db8_u128 << 96;
    Ipv6Addr::from_bits(match random.below(9) {
        0 => any | 1 << 127,
        // Beside the mapped addresses, and an IPv4 address in other clothes: compatible, translated, 6to4.
        8 => {
            let v4 = u128::from(address_v4(random).to_bits());
            let translated = 0x0064_ff9b << 96 | v4;
            let six_to_four = 0x2002 << 112 | v4 << 80;
            let beside = [0xfffe << 32 | v4, 0x1_0000 << 32 | v4];
            one_of(random, &[v4, translated, six_to_four, beside[0], beside[1]])
        }
        1 | 2 => documentation | any & 0xff,
        3 | 4 => documentation | (any & 0x3) << 64 | any & 0x7,
        5 => documentation | (any & 0xffff) << 64,
        6 => 0xfe80 << 112 | any & 0xff,
        _ => 0x3fff << 112 | any & 0xffff,
    })
}
