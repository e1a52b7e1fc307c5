//! Which XDP program is on an interface, whoever attached it: the kernel is asked by netlink.

use std::{
    fmt, io,
    os::fd::{AsFd as _, AsRawFd as _},
};

use aya::programs::{links::LinkType, loaded_links, loaded_programs};
use netlink_packet_core::{NLM_F_ACK, NLM_F_REQUEST};
use netlink_packet_route::{
    RouteNetlinkMessage,
    link::{InfoKind, LinkAttribute, LinkFlags, LinkInfo, LinkMessage, LinkXdp},
};
use rustix::io::Errno;

use crate::netlink::{ROUTE, exchange, unexpected};

/// In the driver.
const NATIVE: &str = "native";
/// In the network stack.
const GENERIC: &str = "generic";
/// In the network card.
pub const OFFLOAD: &str = "offload";

/// XDP_FLAGS_SKB_MODE, XDP_FLAGS_DRV_MODE and XDP_FLAGS_HW_MODE of linux/if_link.h.
const FLAG_GENERIC: u32 = 1 << 1;
const FLAG_NATIVE: u32 = 1 << 2;
const FLAG_OFFLOAD: u32 = 1 << 3;
/// XDP_FLAGS_REPLACE: only where the program is the expected one.
const FLAG_REPLACE: u32 = 1 << 4;
/// In the place of a program: none.
const NO_PROGRAM: i32 = -1;

/// A program that is attached to an interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttachedProgram {
    /// The kernel's number for it.
    pub id: u32,
    /// Its name, 15 characters at most; empty when it cannot be read.
    pub name: String,
    /// `native`, `generic` or `offload`.
    pub mode: &'static str,
}

impl fmt::Display for AttachedProgram {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, name, mode } = self;
        if name.is_empty() {
            return write!(formatter, "one of unreadable name (id {id}, {mode} mode)");
        }
        write!(formatter, "{name:?} (id {id}, {mode} mode)")
    }
}

/// An interface of this network namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Described {
    /// Whether it is switched on.
    pub up: bool,
    /// Whether it has a carrier too.
    pub running: bool,
    /// Bytes of a packet, without the link header.
    pub mtu: u32,
    /// Receive queues.
    pub rx_queues: u32,
    /// The program on it. Where an offloaded program is beside another, the other.
    pub program: Option<AttachedProgram>,
    /// The other end, where it is one of a pair.
    pub veth_peer: Option<VethPeer>,
}

/// The other end of a veth pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VethPeer {
    /// Its index in its network namespace.
    index: u32,
    /// This namespace's number for that one; nothing where it is this one.
    namespace: Option<i32>,
}

impl VethPeer {
    /// Bytes of a packet that it sends, without the link header.
    ///
    /// # Errors
    ///
    /// Where the kernel does not say: of another namespace it tells whoever administers that too.
    pub fn mtu(&self) -> io::Result<u32> {
        let namespace = self.namespace.map(LinkAttribute::IfNetnsId);
        let request = link(self.index, namespace.into_iter().collect());
        Ok(asked(request)?.mtu)
    }
}

/// The program on an interface of this network namespace. Where an offloaded program is beside
/// another, the other.
///
/// # Errors
///
/// Where there is no such interface, or the kernel's answer cannot be read.
pub fn query(interface_index: u32) -> io::Result<Option<AttachedProgram>> {
    describe(interface_index).map(|described| described.program)
}

/// An interface, as the kernel describes it.
///
/// # Errors
///
/// Where there is no such interface, or the kernel's answer cannot be read.
pub fn describe(interface_index: u32) -> io::Result<Described> {
    asked(link(interface_index, Vec::new()))
}

fn asked(link: LinkMessage) -> io::Result<Described> {
    let request = RouteNetlinkMessage::GetLink(link);
    let Some(RouteNetlinkMessage::NewLink(answer)) = exchange(ROUTE, request, NLM_F_REQUEST)?
    else {
        return Err(unexpected("the description of an interface", "another message"));
    };
    let flags = answer.header.flags;
    let mut described = Described {
        up: flags.contains(LinkFlags::Up),
        running: flags.contains(LinkFlags::Running),
        mtu: 0,
        rx_queues: 0,
        program: None,
        veth_peer: None,
    };
    let (mut is_veth, mut peer, mut namespace) = (false, None, None);
    for attribute in &answer.attributes {
        match attribute {
            LinkAttribute::Mtu(mtu) => described.mtu = *mtu,
            LinkAttribute::NumRxQueues(queues) => described.rx_queues = *queues,
            LinkAttribute::Link(index) => peer = Some(*index),
            LinkAttribute::LinkNetNsId(number) => namespace = Some(*number),
            LinkAttribute::LinkInfo(infos) => {
                is_veth = infos.contains(&LinkInfo::Kind(InfoKind::Veth));
            }
            LinkAttribute::Xdp(attributes) => {
                let found = first(attributes);
                described.program =
                    found.map(|(id, mode)| AttachedProgram { id, name: program_name(id), mode });
            }
            _ => {}
        }
    }
    let peer = peer.filter(|_| is_veth);
    described.veth_peer = peer.map(|index| VethPeer { index, namespace });
    Ok(described)
}

fn first(attributes: &[LinkXdp]) -> Option<(u32, &'static str)> {
    let id = |mode: &str| {
        attributes.iter().find_map(|attribute| match (attribute, mode) {
            (LinkXdp::DrvProgId(id), NATIVE)
            | (LinkXdp::SkbProgId(id), GENERIC)
            | (LinkXdp::HwProgId(id), OFFLOAD) => Some(*id),
            _ => None,
        })
    };
    [NATIVE, GENERIC, OFFLOAD].into_iter().find_map(|mode| id(mode).map(|id| (id, mode)))
}

/// The kernel names programs only to CAP_SYS_ADMIN.
fn program_name(id: u32) -> String {
    loaded_programs()
        .filter_map(Result::ok)
        .find(|program| program.id() == id)
        .and_then(|program| program.name_as_str().map(str::to_owned))
        .unwrap_or_default()
}

/// Removes a program that [`query`] found: that one, and no other that has taken its place.
///
/// # Errors
///
/// Where it is another by now, or is held by a `bpf_link`: then only who holds the link can let go.
pub fn detach(interface_index: u32, program: &AttachedProgram) -> io::Result<()> {
    let mode = match program.mode {
        NATIVE => FLAG_NATIVE,
        GENERIC => FLAG_GENERIC,
        _ => FLAG_OFFLOAD,
    };
    let held = loaded_programs()
        .filter_map(Result::ok)
        .find(|loaded| loaded.id() == program.id)
        .and_then(|loaded| loaded.fd().ok());
    let mut attributes = vec![LinkXdp::Fd(NO_PROGRAM)];
    match &held {
        Some(expected) => {
            attributes.push(LinkXdp::Flags(mode | FLAG_REPLACE));
            attributes.push(LinkXdp::ExpectedFd(expected.as_fd().as_raw_fd() as u32));
        }
        // Without CAP_SYS_ADMIN it cannot be held, so it cannot be compared.
        None => attributes.push(LinkXdp::Flags(mode)),
    }
    let message = link(interface_index, vec![LinkAttribute::Xdp(attributes)]);
    let request = RouteNetlinkMessage::SetLink(message);
    exchange(ROUTE, request, NLM_F_REQUEST | NLM_F_ACK).map(drop).map_err(|error| {
        match error.raw_os_error().map(Errno::from_raw_os_error) {
            Some(Errno::BUSY) => {
                let message = format!("{program} is held by a bpf_link; {}", link_remedy(program));
                io::Error::new(io::ErrorKind::ResourceBusy, message)
            }
            Some(Errno::EXIST | Errno::NOENT) => io::Error::new(
                io::ErrorKind::AlreadyExists,
                format!("expected {program}, found that another took its place; start again"),
            ),
            _ => error,
        }
    })
}

/// What an operator does to remove a program from an interface.
#[must_use]
pub fn remedy(program: &AttachedProgram, interface: &str) -> String {
    if !links(program.id).is_empty() {
        return format!("it is held by a bpf_link; {}", link_remedy(program));
    }
    let word = match program.mode {
        NATIVE => "xdp",
        GENERIC => "xdpgeneric",
        _ => "xdpoffload",
    };
    format!(
        "`ip link set dev {interface} {word} off` removes it, `replace: true` does so at every start"
    )
}

fn link_remedy(program: &AttachedProgram) -> String {
    let stop = "stop the process that attached it";
    match links(program.id).as_slice() {
        [] => format!("{stop}; `bpftool link` names the link"),
        [link] => format!("{stop}, or remove the link with `bpftool link detach id {link}`"),
        links => format!("{stop}; its links are {links:?}, `bpftool link` says which is here"),
    }
}

/// The links of a program, on any interface: aya does not tell which.
fn links(program_id: u32) -> Vec<u32> {
    loaded_links()
        .filter_map(Result::ok)
        .filter(|link| matches!(link.link_type(), Ok(LinkType::Xdp)))
        .filter(|link| link.program_id() == program_id)
        .map(|link| link.id())
        .collect()
}

fn link(index: u32, attributes: Vec<LinkAttribute>) -> LinkMessage {
    let mut message = LinkMessage::default();
    message.header.index = index;
    message.attributes = attributes;
    message
}
