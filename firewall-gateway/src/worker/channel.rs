//! The channel between supervisor and worker: one JSON message a packet, sockets beside it.

use std::{
    io::{IoSlice, IoSliceMut},
    mem::MaybeUninit,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    time::Duration,
};

use rustix::{
    io::Errno,
    net::{
        RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
        SendAncillaryMessage, SendFlags, SocketType, recvmsg, sendmsg, sockopt,
    },
};
use serde::{Serialize, de::DeserializeOwned};

use super::message::{MESSAGE_BYTES_MAX, MESSAGE_SOCKETS_MAX};

/// One end of a SOCK_SEQPACKET pair: packets keep messages apart, so no length is ever parsed.
#[derive(Debug)]
pub struct Channel<S> {
    socket: S,
}

impl<S: AsFd> Channel<S> {
    /// Takes one end.
    ///
    /// # Errors
    /// It is not a socket that keeps packets apart.
    pub fn new(socket: S) -> Result<Self, ChannelError> {
        match sockopt::socket_type(&socket)? {
            SocketType::SEQPACKET => Ok(Self { socket }),
            _ => Err(ChannelError::NotPackets),
        }
    }

    /// Bounds every later wait in [`Channel::receive`].
    ///
    /// # Errors
    /// The kernel's reason.
    pub fn set_receive_timeout(&self, wait: Duration) -> Result<(), ChannelError> {
        Ok(sockopt::set_socket_timeout(&self.socket, sockopt::Timeout::Recv, Some(wait))?)
    }

    /// Bounds every later wait in [`Channel::send`].
    ///
    /// # Errors
    /// The kernel's reason.
    pub fn set_send_timeout(&self, wait: Duration) -> Result<(), ChannelError> {
        Ok(sockopt::set_socket_timeout(&self.socket, sockopt::Timeout::Send, Some(wait))?)
    }

    /// Sends a message and duplicates of `sockets`.
    ///
    /// # Errors
    /// The message is too large, the other side is gone or took nothing in time.
    pub fn send<M: Serialize>(
        &self,
        message: &M,
        sockets: &[BorrowedFd<'_>],
    ) -> Result<(), ChannelError> {
        let bytes = serde_json::to_vec(message)?;
        if bytes.len() > MESSAGE_BYTES_MAX || sockets.len() > MESSAGE_SOCKETS_MAX {
            return Err(ChannelError::TooLarge { bytes: bytes.len(), sockets: sockets.len() });
        }
        let mut space =
            [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MESSAGE_SOCKETS_MAX))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if !sockets.is_empty() && !control.push(SendAncillaryMessage::ScmRights(sockets)) {
            return Err(ChannelError::TooLarge { bytes: bytes.len(), sockets: sockets.len() });
        }
        loop {
            match sendmsg(&self.socket, &[IoSlice::new(&bytes)], &mut control, SendFlags::NOSIGNAL)
            {
                Err(Errno::INTR) => {}
                sent => return sent.map(drop).map_err(ChannelError::from),
            }
        }
    }

    /// Waits for the next message; `None` when the other side has closed.
    ///
    /// # Errors
    /// No message in time, or one that is cut off or not of this set.
    pub fn receive<M: DeserializeOwned>(&self) -> Result<Option<(M, Vec<OwnedFd>)>, ChannelError> {
        let mut bytes = vec![0u8; MESSAGE_BYTES_MAX];
        let mut space =
            [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MESSAGE_SOCKETS_MAX))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let received = loop {
            let mut parts = [IoSliceMut::new(&mut bytes)];
            match recvmsg(&self.socket, &mut parts, &mut control, RecvFlags::CMSG_CLOEXEC) {
                Err(Errno::INTR) => {}
                received => break received?,
            }
        };
        // Collected first, so that they are closed whatever is wrong with the message.
        let mut sockets = Vec::new();
        for message in control.drain() {
            if let RecvAncillaryMessage::ScmRights(received) = message {
                sockets.extend(received);
            }
        }
        if received.bytes == 0 {
            return Ok(None);
        }
        if received.flags.intersects(ReturnFlags::TRUNC | ReturnFlags::CTRUNC) {
            return Err(ChannelError::CutOff);
        }
        Ok(Some((serde_json::from_slice(&bytes[..received.bytes])?, sockets)))
    }
}

/// Why a message did not get through.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub enum ChannelError {
    #[error("expected a SOCK_SEQPACKET socket, found another kind")]
    NotPackets,
    #[error("no message came in time")]
    TimedOut,
    #[error(
        "a message of {bytes} bytes and {sockets} sockets is over the limit of {MESSAGE_BYTES_MAX} bytes and {MESSAGE_SOCKETS_MAX} sockets; shorten the certificate chains, or name fewer routes and consumers"
    )]
    TooLarge { bytes: usize, sockets: usize },
    #[error("a message was cut off by the kernel")]
    CutOff,
    #[error("a message is not of the agreed form: {0}")]
    Form(#[from] serde_json::Error),
    #[error("the socket failed: {0}")]
    Socket(Errno),
}

impl From<Errno> for ChannelError {
    fn from(error: Errno) -> Self {
        match error {
            Errno::AGAIN => Self::TimedOut,
            other => Self::Socket(other),
        }
    }
}

#[cfg(test)]
mod tests;
