//! The kernel asked by netlink: one request, one answer.

use std::{io, time::Duration};

use netlink_packet_core::{
    NetlinkDeserializable, NetlinkHeader, NetlinkMessage, NetlinkPayload, NetlinkSerializable,
};
use rustix::net::{
    AddressFamily, Protocol, RecvFlags, SendFlags, SocketFlags, SocketType, recv, send,
    socket_with,
    sockopt::{Timeout, set_socket_timeout},
};

pub mod xdp_features;

/// An answer about one thing may have so many bytes; the kernel's have some two thousand.
const ANSWER_BYTES_MAX: usize = 64 << 10;
/// The kernel answers before it returns from the request: this bound is for what cannot happen.
const ANSWER_WAIT: Duration = Duration::from_secs(2);

/// The protocol that routes and interfaces are asked by: that of number 0, which none stands for.
pub const ROUTE: Option<Protocol> = None;

/// One request, one answer; none of content where the kernel only acknowledges.
///
/// # Errors
///
/// Where the kernel refuses, or its answer cannot be read.
pub fn exchange<M: NetlinkSerializable + NetlinkDeserializable>(
    protocol: Option<Protocol>,
    message: M,
    flags: u16,
) -> io::Result<Option<M>> {
    let mut header = NetlinkHeader::default();
    header.flags = flags;
    let mut request = NetlinkMessage::new(header, NetlinkPayload::InnerMessage(message));
    request.finalize();
    let mut bytes = vec![0; request.buffer_len()];
    request.serialize(&mut bytes);

    let (family, kind) = (AddressFamily::NETLINK, SocketType::RAW);
    let socket = socket_with(family, kind, SocketFlags::CLOEXEC, protocol)?;
    set_socket_timeout(&socket, Timeout::Recv, Some(ANSWER_WAIT))?;
    send(&socket, &bytes, SendFlags::empty())?;
    let mut answer = vec![0; ANSWER_BYTES_MAX];
    let (kept, length) = recv(&socket, &mut answer[..], RecvFlags::TRUNC)?;
    if length > kept {
        let expected = format!("an answer of at most {ANSWER_BYTES_MAX} bytes");
        return Err(unexpected(&expected, &format!("one of {length}")));
    }
    let answer = NetlinkMessage::<M>::deserialize(&answer[..kept])
        .map_err(|error| unexpected("a netlink message", &error.to_string()))?;
    match answer.payload {
        NetlinkPayload::InnerMessage(message) => Ok(Some(message)),
        NetlinkPayload::Error(error) if error.code.is_none() => Ok(None),
        NetlinkPayload::Error(error) => Err(error.to_io()),
        _ => Err(unexpected("an answer", "a netlink message of another kind")),
    }
}

/// An answer that is none.
pub fn unexpected(expected: &str, found: &str) -> io::Error {
    let message = format!("netlink: expected {expected}, found {found}");
    io::Error::new(io::ErrorKind::InvalidData, message)
}
