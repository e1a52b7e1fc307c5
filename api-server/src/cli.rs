//! The command line.

use std::{net::SocketAddr, num::NonZeroU32, path::PathBuf};

use clap::Parser;

use crate::limits::{MESSAGE_BYTES_MAX, RATE_PER_S};

/// Serves GET /v1/message and GET /healthz over TLS.
#[derive(Clone, Debug, Parser)]
#[command(name = "api-server", version)]
pub struct Arguments {
    /// Address and port to listen on.
    #[arg(long, default_value = "127.0.0.1:8443")]
    pub listen: SocketAddr,
    /// The certificate chain, leaf first, in PEM.
    #[arg(long, value_name = "FILE")]
    pub certificate: PathBuf,
    /// The private key of the leaf, in PEM.
    #[arg(long, value_name = "FILE")]
    pub private_key: PathBuf,
    /// What GET /v1/message answers, as one line.
    #[arg(long, value_name = "TEXT", default_value = "Hello from behind the seawall.", value_parser = message)]
    pub message: String,
    /// Requests of the API a second, of all clients together; as many may come at once. Others get 429 and when to come again.
    #[arg(long, value_name = "NUMBER", default_value_t = NonZeroU32::new(RATE_PER_S).unwrap_or(NonZeroU32::MIN))]
    pub rate_per_s: NonZeroU32,
}

fn message(text: &str) -> Result<String, String> {
    if text.len() > MESSAGE_BYTES_MAX {
        return Err(format!("expected at most {MESSAGE_BYTES_MAX} bytes, found {}", text.len()));
    }
    Ok(text.to_owned())
}
