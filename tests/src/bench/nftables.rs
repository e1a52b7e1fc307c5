//! The rival that every distribution has: an nftables interval set, asked at the netdev ingress hook,
//! the earliest that nftables has.

use std::{
    fmt::Write as _,
    io::Write as _,
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, ensure};
use ipnetwork::IpNetwork;
use serde_json::Value;

use crate::bench::{
    link::{self, RECEIVER},
    receiver::{Counts, Receiver},
};

/// The table with its set is there from the start; only the chain comes and goes.
pub struct Nftables;

impl Nftables {
    /// Loads the set.
    pub fn load(denied: &[IpNetwork]) -> Result<Self> {
        let mut script = String::from(
            "table netdev bench {\n counter listed {}\n counter unlisted {}\n set denied {\n \
             type ipv4_addr\n flags interval\n auto-merge\n elements = {",
        );
        for network in denied {
            write!(script, "{network},")?;
        }
        script.push_str("}\n }\n}\n");
        nft(&script)?;
        Ok(Self)
    }
}

impl Receiver for Nftables {
    /// Unlisted packets are dropped as well, by a rule of their own: what passes would cost the network
    /// stack, which is not compared here.
    fn attach(&mut self) -> Result<()> {
        nft(&format!(
            "table netdev bench {{\n chain ingress {{\n type filter hook ingress device {RECEIVER} \
             priority 0\n ip saddr @denied counter name listed drop\n counter name unlisted drop\n \
             }}\n}}\n"
        ))
    }

    fn detach(&mut self) -> Result<()> {
        nft("delete chain netdev bench ingress\n")
    }

    fn counts(&self) -> Result<Counts> {
        let output = Command::new("nft").args(["-j", "list", "counters"]).output()?;
        let answer: Value = serde_json::from_slice(&output.stdout).context("nft: expected JSON")?;
        let objects = answer["nftables"].as_array().context("nft: expected a list")?;
        Ok(objects
            .iter()
            .map(|object| &object["counter"])
            .filter_map(|counter| Some((counter["name"].as_str()?, counter["packets"].as_u64()?)))
            .map(|(name, packets)| (format!("drop {name}"), packets))
            .collect())
    }

    /// The interface's count, since nft takes longer to answer than a sample to be taken; the check of a
    /// sample shows that the two agree.
    fn disposed(&self) -> Result<u64> {
        Ok(link::statistics()?.packets)
    }

    fn is_xdp(&self) -> bool {
        false
    }
}

fn nft(script: &str) -> Result<()> {
    let mut child = Command::new("nft")
        .args(["-f", "-"])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context("could not start nft: the Debian package is nftables")?;
    if let Some(mut input) = child.stdin.take() {
        input.write_all(script.as_bytes()).context("nft closed its input")?;
    }
    let output = child.wait_with_output()?;
    let wrote = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "nft: {}", wrote.lines().next().unwrap_or_default());
    Ok(())
}
