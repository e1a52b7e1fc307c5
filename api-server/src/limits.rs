//! The server's own limits: it does not rely on what stands in front of it.

/// Connections at once.
pub const CONNECTIONS_MAX: usize = 1_024;
/// Request line and headers: a gateway adds a handful to what browsers send.
pub const HEADER_BYTES_MAX: usize = 32_768;
/// Header fields of one request.
pub const HEADERS_MAX: usize = 128;
/// No route takes a body; a small one is read and ignored, so that the connection can go on.
pub const BODY_BYTES_MAX: u64 = 65_536;
/// From the first byte a connection may be without a complete request head: idle time included.
pub const HEADER_TIMEOUT_MS: u64 = 120_000;
/// From the head of a request to its answer, body included.
pub const REQUEST_TIMEOUT_MS: u64 = 10_000;
/// From accept to the end of the TLS handshake.
pub const TLS_HANDSHAKE_TIMEOUT_MS: u64 = 5_000;
/// A whole connection: it bounds a client that reads its answer one byte at a time.
pub const CONNECTION_TIMEOUT_MS: u64 = 3_600_000;
/// Requests at once on one HTTP/2 connection.
pub const HTTP2_STREAMS_MAX: u32 = 100;
/// Streams reset by the client before they were accepted (CVE-2023-44487).
pub const HTTP2_PENDING_RESETS_MAX: usize = 20;
/// Streams reset for the client's errors (CVE-2025-8671).
pub const HTTP2_ERROR_RESETS_MAX: usize = 64;
/// Requests a second, of all clients together, where `--rate-per-s` says nothing else: more than one thread serves.
pub const RATE_PER_S: u32 = 50_000;
/// After SIGTERM, what is in flight may take this long.
pub const DRAIN_TIMEOUT_MS: u64 = 5_000;
/// How long `accept` rests when no descriptor is left: without it the loop would spin.
pub const ACCEPT_PAUSE_MS: u64 = 50;
/// The message of GET /v1/message.
pub const MESSAGE_BYTES_MAX: usize = 4_096;
