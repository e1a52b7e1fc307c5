//! The guard: a policy that would cut off whoever steers the host, or the host from its gateway or its
//! resolvers, does not come into force.
//!
//! `packet.protected` is compiled into the policy and outranks every rule. What is found on the host by
//! itself does not: an address that lets itself in because somebody was once logged in from it would be
//! a hole. It is asked about instead, before a policy comes into force.

use std::{fmt, net::IpAddr};

use serde::{Deserialize, Serialize};

mod found;
mod judge;

pub use found::{PEERS_MAX, Peer, SSH_PORT, addresses, peers};
pub use judge::{Judge, Said};

use crate::explain::{Question, Subject, Traffic};
use firewall_common::{Reason, Verdict};

/// The TCP session that a command was typed in, as `SSH_CONNECTION` tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Session {
    /// Where the administrator sits.
    pub peer: IpAddr,
    /// The port on this host.
    pub port: u16,
}

impl Session {
    /// Reads `PEER PEER_PORT ADDRESS PORT`, as sshd writes it; nothing where it is something else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let words: Vec<&str> = text.split_ascii_whitespace().collect();
        let [peer, _, _, port] = words.as_slice() else { return None };
        // A link-local peer carries its interface.
        let peer = peer.split('%').next()?.parse().ok()?;
        Some(Self { peer, port: port.parse().ok()? })
    }
}

/// Why an address is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// The one who runs the command.
    Caller,
    /// Somebody who is logged in by SSH.
    SshPeer,
    /// The default gateway.
    Gateway,
    /// A resolver of /etc/resolv.conf.
    Resolver,
}

impl fmt::Display for Why {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Caller => "the SSH session that this command was typed in",
            Self::SshPeer => "an SSH session to this host",
            Self::Gateway => "a default gateway of this host",
            Self::Resolver => "a resolver of /etc/resolv.conf",
        })
    }
}

/// An address that no policy may cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Protected {
    /// The address.
    pub address: IpAddr,
    /// Why.
    pub why: Why,
    /// The port that it speaks to, where it is an SSH session's.
    pub port: Option<u16>,
}

/// An address that a policy would cut.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cut {
    /// The address.
    pub address: IpAddr,
    /// Why it is protected.
    pub why: Why,
    /// What of it is dropped.
    pub traffic: String,
    /// The list, country or rule that would drop it.
    pub by: String,
}

impl fmt::Display for Cut {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { address, why, traffic, by } = self;
        write!(formatter, "{by} would drop {traffic} from {address}, {why}")
    }
}

/// What a protected address sends: in words, and as a frame.
#[must_use]
pub fn probes(protected: &Protected) -> Vec<(String, Vec<u8>)> {
    let Protected { address, why, port } = *protected;
    let ask = |protocol, port: Option<u16>| {
        Question::new(&Subject::Address { source: address, protocol, port })
            .map(|question| question.frame)
            .unwrap_or_default()
    };
    match why {
        Why::Caller | Why::SshPeer => {
            let port = port.unwrap_or(SSH_PORT);
            let opening = ask(Traffic::Tcp, Some(port));
            vec![
                (format!("TCP to port {port}"), going_on(opening.clone())),
                (format!("a new TCP connection to port {port}"), opening),
            ]
        }
        Why::Gateway => vec![("an echo request".to_owned(), ask(Traffic::Icmp, None))],
        Why::Resolver => {
            vec![("a DNS answer".to_owned(), ask(Traffic::Udp, Some(ANSWERS_TO)))]
        }
    }
}

/// A port that resolvers answer to: one of those that a host asks from.
const ANSWERS_TO: u16 = 40_000;

/// The frame of a connection that is open already: ACK in place of SYN.
#[must_use]
pub fn going_on(mut frame: Vec<u8>) -> Vec<u8> {
    const ACK: u8 = 0x10;
    // The header is the frame's end, and its flags stand seven bytes before that.
    let flags = frame.len().checked_sub(7).and_then(|at| frame.get_mut(at));
    if let Some(flags) = flags {
        *flags = ACK;
    }
    frame
}

/// Which of these addresses a policy would cut, each once. Pure.
#[must_use]
pub fn cuts(judge: &Judge<'_>, protected: &[Protected]) -> Vec<Cut> {
    protected.iter().filter_map(|one| cut(judge, one)).collect()
}

fn cut(judge: &Judge<'_>, protected: &Protected) -> Option<Cut> {
    probes(protected).into_iter().find_map(|(traffic, frame)| {
        let said = judge.says(&frame);
        if !is_cut(protected.why, said.verdict, said.reason) {
            return None;
        }
        let Protected { address, why, .. } = *protected;
        Some(Cut { address, why, traffic, by: said.by(address) })
    })
}

/// Whether this drop cuts it. A host lives with a gateway that it does not answer; it does not with one
/// that is on a list, whose errors are lost too.
#[must_use]
pub fn is_cut(why: Why, verdict: Verdict, reason: Reason) -> bool {
    let listed = matches!(reason, Reason::Deny | Reason::Geo);
    verdict == Verdict::Drop && (why != Why::Gateway || listed)
}

/// The sentences of a refusal.
#[must_use]
pub fn refusal(cuts: &[Cut]) -> String {
    let named: Vec<String> = cuts.iter().take(NAMED_MAX).map(ToString::to_string).collect();
    let more = match cuts.len().saturating_sub(NAMED_MAX) {
        0 => String::new(),
        more => format!("; and {more} more"),
    };
    format!(
        "it would cut protected addresses: {}{more}. Let them in by packet.protected or packet.allow, \
         or use `seawall apply FILE --no-guard --confirm 60s`, which takes itself back",
        named.join("; ")
    )
}

/// So many cuts are named in a refusal.
const NAMED_MAX: usize = 8;

#[cfg(test)]
mod tests;
