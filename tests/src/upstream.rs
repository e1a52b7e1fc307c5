//! The real `api-server`, on the server's loopback: what the gateway protects.
use anyhow::Result;
