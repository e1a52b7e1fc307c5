//! Bytes over TLS as they stand, by `openssl s_client`: requests that no proper client would send.

use std::{
    io::Write as _,
    net::SocketAddr,
    path::Path,
    process::{Command, Stdio},
    thread,
};

use anyhow::{Context as _, Result};

use crate::namespace::Namespace;

/// What came back for bytes that were sent.
#[derive(Clone, Debug)]
pub struct Reply {
    /// Everything that the server sent inside TLS.
    pub text: String,
    /// What openssl said of the handshake and the end.
    pub side: String,
}

impl Reply {
    /// The status of the first answer.
    pub fn status(&self) -> Option<u16> {
        self.text.strip_prefix("HTTP/1.1 ")?.split(' ').next()?.parse().ok()
    }

    /// How many answers came.
    pub fn answers(&self) -> usize {
        self.text.matches("HTTP/1.1 ").count()
    }
}

/// Sends `bytes` to a server of this name, and reads until the server ends the connection or
/// `patience_s` seconds have gone by.
pub fn send(
    namespace: &Namespace,
    address: SocketAddr,
    host: &str,
    authority: &Path,
    bytes: &[u8],
    patience_s: u32,
) -> Result<Reply> {
    let mut command = Command::new("timeout");
    command.arg(patience_s.to_string());
    command.args([
        "openssl",
        "s_client",
        "-quiet",
        "-verify_return_error",
        "-servername",
        host,
        "-verify_hostname",
        host,
    ]);
    command.arg("-connect").arg(address.to_string()).arg("-CAfile").arg(authority);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = namespace.spawn(&mut command)?;
    let mut input = child.stdin.take().context("openssl has no input")?;
    let output = thread::scope(|scope| {
        // A server that refuses early closes before it has read everything: that is an answer.
        scope.spawn(move || input.write_all(bytes));
        child.wait_with_output()
    })?;
    Ok(Reply {
        text: String::from_utf8_lossy(&output.stdout).into_owned(),
        side: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}
