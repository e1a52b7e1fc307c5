//! Redis or Valkey as hosts share it: a connection that has said who we are, and what of its protocol we need.

pub mod resp;

use std::{io, net::SocketAddr};

use bytes::BytesMut;
use tokio::{
    io::{AsyncWriteExt as _, BufReader},
    net::TcpStream,
};

/// Connects, and says who we are where there is a password.
///
/// # Errors
/// It is not there, or refuses.
pub async fn connect(
    address: SocketAddr,
    password: Option<&str>,
) -> io::Result<BufReader<TcpStream>> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let mut stream = BufReader::new(stream);
    if let Some(password) = password {
        let mut bytes = BytesMut::new();
        resp::command(&mut bytes, &[b"AUTH", password.as_bytes()]);
        stream.write_all(&bytes).await?;
        resp::text(&mut stream).await?;
    }
    Ok(stream)
}
