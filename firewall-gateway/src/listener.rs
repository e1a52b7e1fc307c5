//! Listening sockets: bound by the supervisor, served by the worker's threads.

use std::{
    io,
    net::{SocketAddr, TcpListener},
};

use socket2::{Domain, Protocol, SockRef, Socket, Type};

use crate::{
    limits::{LISTEN_ADDRESSES_MAX, LISTEN_BACKLOG, THREADS_MAX},
    worker::message::{LISTENER_SOCKETS_MAX, ListenerShape},
};

/// Binds one socket for each thread and address; runs while the caller still may take low ports.
///
/// With SO_REUSEPORT the kernel spreads connections over the threads' sockets, so that no lock and
/// no accept queue is shared between cores. Sockets of `kept` that listen on one of the addresses
/// serve on, with the connections that wait in them; the others are closed.
///
/// # Errors
/// The address and the kernel's reason; nothing stays bound.
pub fn bind_listeners(
    addresses: &[SocketAddr],
    threads: u16,
    kept: Vec<TcpListener>,
) -> Result<Vec<BoundListener>, BindError> {
    let sockets = addresses.len() * usize::from(threads);
    if addresses.is_empty()
        || addresses.len() > LISTEN_ADDRESSES_MAX
        || threads == 0
        || threads > THREADS_MAX
        || sockets > LISTENER_SOCKETS_MAX
    {
        return Err(BindError::Count { addresses: addresses.len(), threads });
    }
    let mut listeners = Vec::with_capacity(sockets);
    let mut kept: Vec<(SocketAddr, TcpListener)> =
        kept.into_iter().filter_map(|socket| Some((taken_over(&socket)?, socket))).collect();
    let mut resolved = Vec::with_capacity(addresses.len());
    for address in addresses {
        if kept.iter().any(|(kept, _)| kept == address) {
            resolved.push(*address);
            continue;
        }
        // SO_REUSEPORT lets a second daemon of the same user share the port silently; a first bind
        // without it, never listening, finds out whether somebody is there. It also turns port 0
        // into one port for all threads.
        let bound = bind(*address, false).and_then(|probe| probe.local_addr());
        let bound = bound.map_err(|source| BindError::Bind { address: *address, source })?;
        resolved.push(bound.as_socket().unwrap_or(*address));
    }
    for thread in 0..threads {
        for &address in &resolved {
            let socket = match kept.iter().position(|(kept, _)| *kept == address) {
                Some(place) => kept.remove(place).1,
                None => listen(address).map_err(|source| BindError::Bind { address, source })?,
            };
            listeners.push(BoundListener { shape: ListenerShape { thread, address }, socket });
        }
    }
    Ok(listeners)
}

/// A listening socket and what it is for.
#[derive(Debug)]
pub struct BoundListener {
    /// Thread and address.
    pub shape: ListenerShape,
    /// Non-blocking, close-on-exec.
    pub socket: TcpListener,
}

/// Why the gateway cannot listen.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// More sockets than one message to the worker carries, or none.
    #[error(
        "gateway.listen has {addresses} addresses for {threads} threads: expected 1 to {LISTEN_ADDRESSES_MAX} addresses, 1 to {THREADS_MAX} threads and at most {LISTENER_SOCKETS_MAX} of both multiplied; lower gateway.threads"
    )]
    Count {
        /// Addresses asked for.
        addresses: usize,
        /// Threads asked for.
        threads: u16,
    },
    /// The kernel said no.
    #[error(
        "gateway.listen: cannot listen on {address}: {source}; stop what uses the port or choose another"
    )]
    Bind {
        /// The address asked for.
        address: SocketAddr,
        /// The kernel's reason.
        source: io::Error,
    },
}

/// The address of a socket of before, where it is one that can serve on.
fn taken_over(socket: &TcpListener) -> Option<SocketAddr> {
    let listens = SockRef::from(socket).is_listener().is_ok_and(|listens| listens);
    socket.set_nonblocking(true).ok()?;
    socket.local_addr().ok().filter(|_| listens)
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = bind(address, true)?;
    socket.listen(LISTEN_BACKLOG)?;
    Ok(TcpListener::from(socket))
}

fn bind(address: SocketAddr, reuse_port: bool) -> io::Result<Socket> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM.nonblocking().cloexec(),
        Some(Protocol::TCP),
    )?;
    if address.is_ipv6() {
        // [::]:443 beside 0.0.0.0:443 must not collide.
        socket.set_only_v6(true)?;
    }
    // A restart finds connections of the last run in TIME_WAIT.
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(reuse_port)?;
    socket.bind(&address.into())?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[test]
    fn kept_sockets_serve_on() {
        let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let first = bind_listeners(&[any], 2, Vec::new()).unwrap();
        let address = first[0].socket.local_addr().unwrap();
        let waiting = std::net::TcpStream::connect(address).unwrap();
        // As many as there are threads, fewer, and more than there are addresses for.
        let mut kept: Vec<TcpListener> = first.into_iter().map(|one| one.socket).collect();
        for threads in [2, 3, 1] {
            kept.push(TcpListener::bind(any).unwrap());
            let next = bind_listeners(&[address], threads, std::mem::take(&mut kept)).unwrap();
            assert_eq!(next.len(), usize::from(threads));
            for (listener, thread) in next.iter().zip(0..) {
                assert_eq!(listener.socket.local_addr().unwrap(), address);
                assert_eq!(listener.shape, ListenerShape { thread, address });
            }
            kept = next.into_iter().map(|one| one.socket).collect();
            if threads == 2 {
                let accepted = kept.iter().filter(|socket| socket.accept().is_ok()).count();
                assert_eq!(accepted, 1, "the connection that waited is lost");
            }
        }
        drop(waiting);
    }
}
