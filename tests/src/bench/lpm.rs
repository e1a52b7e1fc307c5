//! The rival that most XDP firewalls are: a kernel LPM trie with every listed prefix.

use std::path::Path;

use anyhow::{Context as _, Result};
use aya::maps::lpm_trie::{Key, LpmTrie};
use ipnetwork::IpNetwork;

use crate::bench::receiver::Program;

/// Loads it, element by element: the trie takes them in no other way.
pub fn load(object: &Path, denied: &[IpNetwork]) -> Result<Program> {
    let labels = &["drop other", "drop unlisted", "drop listed"];
    let mut program = Program::load(object, "lpm", "LPM_COUNTS", labels)?;
    let map = program.ebpf.map_mut("DENIED").context("the object has no DENIED")?;
    let mut trie = LpmTrie::<_, [u8; 4], u32>::try_from(map)?;
    for network in denied {
        if let IpNetwork::V4(network) = network {
            let key = Key::new(u32::from(network.prefix()), network.network().octets());
            trie.insert(&key, 1, 0)?;
        }
    }
    Ok(program)
}
