//! What the policy in force says of a packet, and why: the question, and the answer in words.

use std::{fmt, net::IpAddr};

use serde::{Deserialize, Serialize};

use crate::{
    datapath::{
        DatapathError,
        explain::{FRAME_BYTES_MAX, FRAME_BYTES_MIN},
    },
    hex,
};

mod probe;
mod origin;
mod judged;
mod next;
mod text;

pub use crate::hex::HexError;
pub use judged::{Facts, Question};
pub use origin::Origin;
pub use text::{render, shown};

/// What is asked about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Subject {
    /// Typical traffic from an address.
    Address {
        /// Who it is from.
        source: IpAddr,
        /// What it carries.
        protocol: Traffic,
        /// Where it goes, or [`PORT_DEFAULT`]; ICMP has none.
        port: Option<u16>,
    },
    /// A frame, in hexadecimal, from the Ethernet header on.
    Packet {
        /// Two digits a byte; white space and colons are passed over.
        hex: String,
    },
}

impl Subject {
    /// A frame.
    #[must_use]
    pub fn packet(frame: &[u8]) -> Self {
        Self::Packet { hex: hex::write(frame) }
    }
}

/// Where traffic goes that does not say: HTTPS is what is most often protected.
pub const PORT_DEFAULT: u16 = 443;

/// What the traffic from an address is taken to be.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, clap::ValueEnum,
)]
#[serde(rename_all = "snake_case")]
pub enum Traffic {
    /// A segment that opens a TCP connection.
    Tcp,
    /// A UDP datagram.
    Udp,
    /// An echo request of ICMP or ICMPv6.
    Icmp,
}

impl fmt::Display for Traffic {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Icmp => "icmp",
        })
    }
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum ExplainError {
    /// The packet is not hexadecimal.
    #[error("packet: {0}")]
    Hex(#[from] HexError),
    /// A port where there is none.
    #[error("port: expected none with icmp, which has none, found {found}")]
    Port {
        /// The port.
        found: u16,
    },
    /// The kernel runs no such frame.
    #[error(
        "packet: expected a frame of {FRAME_BYTES_MIN} to {FRAME_BYTES_MAX} bytes, from the Ethernet header on, found {found}"
    )]
    Length {
        /// How many bytes it has.
        found: usize,
    },
    /// The kernel does not answer.
    #[error(transparent)]
    Datapath(#[from] DatapathError),
}

impl ExplainError {
    /// 2 where the packet is wrong, 1 where the kernel does not answer.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Hex(_) | Self::Port { .. } | Self::Length { .. } => 2,
            Self::Datapath(_) => 1,
        }
    }
}

/// What the policy in force says of a packet.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explanation {
    /// What the packet was taken to be, where an address was asked about.
    pub assumed: Option<String>,
    /// Number of the generation that judged it.
    pub generation: u64,
    /// `pass`, `drop`, `reply` or `shadow`.
    pub verdict: String,
    /// Why.
    pub reason: String,
    /// The stage that decided.
    pub stage: String,
    /// What the packet carries.
    pub protocol: String,
    /// Who the packet says it is from.
    pub source: Option<IpAddr>,
    /// Who is inside its tunnel.
    pub inner: Option<IpAddr>,
    /// Which of the two decided; nothing where no table was asked.
    pub address: Option<IpAddr>,
    /// The list that holds this address.
    pub list: Option<String>,
    /// The longest prefix of that list that holds it; of the country database, where no list does.
    pub prefix: Option<String>,
    /// The country of this address, where it is known.
    pub country: Option<String>,
    /// The autonomous system in whose network it is, where a database is configured that says so.
    pub asn: Option<u32>,
    /// Whose that is.
    pub organisation: Option<String>,
    /// The rule that decided.
    pub rule: Option<String>,
    /// What is in shadow and would drop it: `policy`, `list NAME`, `country CODE`.
    pub shadow: Option<String>,
    /// The ban of the source, or of who is inside its tunnel.
    pub ban: Option<BanStatus>,
    /// What would happen next.
    pub next: String,
}

/// A ban in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BanStatus {
    /// Who is banned: an IPv6 address with its /64.
    pub source: IpAddr,
    /// How long it goes on.
    pub left_s: u64,
    /// Who banned it, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub who: Option<String>,
    /// Why, likewise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}
