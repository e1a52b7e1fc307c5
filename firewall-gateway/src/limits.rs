//! Every size, count and time of the request path, with its unit and its reason.

use serde::{Deserialize, Serialize};

use crate::policy::RouteLimits;

/// The limits an administrator may set; everything else is a constant of this file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Client connections of the whole worker: a descriptor and some 40 KB of TLS and HTTP state each.
    pub connections_max: u32,
    /// Request line and headers of one request. Browsers with many cookies stay under 16 KiB.
    pub header_bytes_max: u32,
    /// Header fields of one request.
    pub headers_max: u32,
    /// Body of one request.
    pub body_bytes_max: u64,
    /// From the first byte of a request to the end of its headers: bounds slow headers.
    pub header_timeout_ms: u64,
    /// From the end of the headers to the end of the body: bounds slow bodies.
    pub body_timeout_ms: u64,
    /// A connection without a request, or a client that takes no byte of its answer.
    pub idle_timeout_ms: u64,
    /// From accept to the end of the TLS handshake.
    pub tls_handshake_timeout_ms: u64,
    /// TCP and TLS to the upstream, and the wait for a free upstream connection.
    pub upstream_connect_timeout_ms: u64,
    /// From the request being sent to the upstream's headers, and between two parts of its body.
    pub upstream_response_timeout_ms: u64,
    /// What is in flight when the worker is told to drain may take this long.
    pub drain_timeout_ms: u64,
    /// A connection that has left HTTP behind, without a byte either way.
    pub tunnel_idle_timeout_ms: u64,
    /// Requests at once on one HTTP/2 connection.
    pub http2_streams_max: u32,
    /// Bytes of a body that are waited for before the upstream is asked; 0 asks at once.
    pub body_gather_bytes: u32,
    /// The slowest that a client may send a body or read its answer, once it has used up a grace.
    pub bytes_per_s_min: u32,
    /// Sessions of all logins: reaching it refuses the next login rather than end a session that holds.
    pub sessions_max: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections_max: 10_000,
            header_bytes_max: 16_384,
            headers_max: 100,
            body_bytes_max: 1_048_576,
            header_timeout_ms: 10_000,
            body_timeout_ms: 30_000,
            idle_timeout_ms: 60_000,
            tls_handshake_timeout_ms: 5_000,
            tunnel_idle_timeout_ms: 300_000,
            upstream_connect_timeout_ms: 2_000,
            upstream_response_timeout_ms: 30_000,
            drain_timeout_ms: 10_000,
            http2_streams_max: 100,
            body_gather_bytes: 16_384,
            bytes_per_s_min: 256,
            sessions_max: 100_000,
        }
    }
}

impl Limits {
    /// Refuses values that would switch a protection off or that the HTTP library cannot hold.
    ///
    /// # Errors
    /// The key, its value and the range it must lie in.
    pub fn validate(&self) -> Result<(), LimitError> {
        let hour_ms = 3_600_000;
        for (key, found, min, max) in [
            ("connections_max", u64::from(self.connections_max), 1, 1_000_000),
            ("header_bytes_max", u64::from(self.header_bytes_max), 1_024, 262_144),
            ("headers_max", u64::from(self.headers_max), 1, 1_000),
            ("body_bytes_max", self.body_bytes_max, 0, 1 << 40),
            ("header_timeout_ms", self.header_timeout_ms, 1, hour_ms),
            ("body_timeout_ms", self.body_timeout_ms, 1, hour_ms),
            ("idle_timeout_ms", self.idle_timeout_ms, 1, hour_ms),
            ("tls_handshake_timeout_ms", self.tls_handshake_timeout_ms, 1, hour_ms),
            ("upstream_connect_timeout_ms", self.upstream_connect_timeout_ms, 1, hour_ms),
            ("upstream_response_timeout_ms", self.upstream_response_timeout_ms, 1, hour_ms),
            ("drain_timeout_ms", self.drain_timeout_ms, 1, hour_ms),
            ("http2_streams_max", u64::from(self.http2_streams_max), 1, 10_000),
            ("body_gather_bytes", u64::from(self.body_gather_bytes), 0, 1_048_576),
            ("tunnel_idle_timeout_ms", self.tunnel_idle_timeout_ms, 1, hour_ms),
            ("bytes_per_s_min", u64::from(self.bytes_per_s_min), 1, 1_048_576),
            ("sessions_max", u64::from(self.sessions_max), 1, 1_000_000),
        ] {
            if !(min..=max).contains(&found) {
                return Err(LimitError { key, found, min, max });
            }
        }
        Ok(())
    }
}

impl Limits {
    /// These limits with those of a route.
    #[must_use]
    pub fn of_route(&self, route: &RouteLimits) -> Self {
        Self {
            body_bytes_max: route.body_bytes_max.unwrap_or(self.body_bytes_max),
            body_timeout_ms: route.body_timeout_ms.unwrap_or(self.body_timeout_ms),
            body_gather_bytes: route.body_gather_bytes.unwrap_or(self.body_gather_bytes),
            upstream_connect_timeout_ms: route
                .upstream_connect_timeout_ms
                .unwrap_or(self.upstream_connect_timeout_ms),
            upstream_response_timeout_ms: route
                .upstream_response_timeout_ms
                .unwrap_or(self.upstream_response_timeout_ms),
            ..self.clone()
        }
    }
}

/// A limit outside its range.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("limits.{key}: expected {min} to {max}, found {found}")]
pub struct LimitError {
    /// The key as it stands in the configuration file.
    pub key: &'static str,
    found: u64,
    min: u64,
    max: u64,
}

/// Of an answer that may be held back for what it says, so much is read before its head is sent.
pub const SCRUB_GATHER_BYTES_MAX: usize = 64 * 1024;

/// And it is waited for so long.
pub const SCRUB_GATHER_TIMEOUT_MS: u64 = 5_000;

/// Bytes of what is said of a token (RFC 7662).
pub const INTROSPECTION_ANSWER_BYTES_MAX: usize = 64 * 1024;

/// Bytes of a country database; the largest city databases have a quarter of it.
pub const COUNTRY_DATABASE_BYTES_MAX: u64 = 512 << 20;

/// Services that may be asked about tokens.
pub const INTROSPECTIONS_MAX: usize = 16;

/// Threads of one worker, and so listening sockets for each address.
pub const THREADS_MAX: u16 = 64;
/// Addresses the gateway listens on.
pub const LISTEN_ADDRESSES_MAX: usize = 16;
/// Connections the kernel completes before `accept`; it caps this at `net.core.somaxconn`.
pub const LISTEN_BACKLOG: i32 = 4_096;
/// How long `accept` rests when the process has no descriptor left: without it the loop would spin.
pub const ACCEPT_PAUSE_MS: u64 = 50;
/// What hyper itself accepts, as a multiple of the limits: up to it a request gets a problem+json
/// from us, beyond it hyper's bare 431 and the end of the connection.
pub const HEADER_HARD_STOP_FACTOR: u32 = 2;
/// hyper parses so many fields without asking for memory; told of another number, it asks for each
/// head. Beyond this many it answers a request with a bare 431, and fails an upstream's response.
pub const HTTP1_HEADERS_INLINE: u32 = 100;
/// hyper's read and write buffer for one HTTP/1 connection must hold the largest header block.
pub const HTTP1_BUFFER_BYTES_MIN: usize = 65_536;
/// HTTP/2 flow control: what one client may have in flight towards us, a stream and a connection.
pub const HTTP2_STREAM_WINDOW_BYTES: u32 = 65_535;
/// See [`HTTP2_STREAM_WINDOW_BYTES`].
pub const HTTP2_CONNECTION_WINDOW_BYTES: u32 = 1_048_576;
/// The smallest value the protocol allows: nothing is gained from larger frames through TLS.
pub const HTTP2_FRAME_BYTES_MAX: u32 = 16_384;
/// Response bytes hyper holds for a stream whose client does not read.
pub const HTTP2_SEND_BUFFER_BYTES: usize = 65_536;
/// A thread that serves so many connections more than another moves a new one to it. One more or less is not worth
/// a wake-up of the other.
pub const SPREAD_DIFFERENCE_MIN: u32 = 2;
/// And where the other serves many, only with more than this part of theirs: many come out even by themselves.
pub const SPREAD_PART_MIN: u32 = 4;
/// Frames of a connection that leave together: what one record of TLS holds.
pub const HTTP2_BATCH_BYTES_MAX: usize = 16_384;
/// HPACK dynamic table: the protocol's default; larger tables are memory a client can make us hold.
pub const HTTP2_HEADER_TABLE_BYTES: u32 = 4_096;
/// Streams reset by the client before we accepted them: rapid reset (CVE-2023-44487).
pub const HTTP2_PENDING_RESETS_MAX: usize = 20;
/// Streams we had to reset for the client's errors: MadeYouReset (CVE-2025-8671).
pub const HTTP2_ERROR_RESETS_MAX: usize = 64;
/// A connection with open streams is asked for a sign of life this often...
pub const HTTP2_PING_INTERVAL_MS: u64 = 20_000;
/// ...and closed when none comes.
pub const HTTP2_PING_TIMEOUT_MS: u64 = 10_000;
/// Frames of one kind that a client may send in a second; a browser that leaves a page resets all its
/// streams at once, and one answer to each of our own SETTINGS and PING comes back.
pub const HTTP2_SETTINGS_PER_S_MAX: u32 = 20;
/// See [`HTTP2_SETTINGS_PER_S_MAX`]; gRPC measures the line with pings.
pub const HTTP2_PINGS_PER_S_MAX: u32 = 60;
/// See [`HTTP2_SETTINGS_PER_S_MAX`].
pub const HTTP2_RESETS_PER_S_MAX: u32 = 200;
/// See [`HTTP2_SETTINGS_PER_S_MAX`]; PRIORITY, PRIORITY_UPDATE and every kind that is not known.
pub const HTTP2_PRIORITIES_PER_S_MAX: u32 = 500;
/// See [`HTTP2_SETTINGS_PER_S_MAX`]; DATA without a byte that does not end its stream.
pub const HTTP2_EMPTY_FRAMES_PER_S_MAX: u32 = 50;
/// See [`HTTP2_SETTINGS_PER_S_MAX`]; the HTTP library bounds those of one header block.
pub const HTTP2_CONTINUATIONS_PER_S_MAX: u32 = 100;
/// See [`HTTP2_SETTINGS_PER_S_MAX`]; what we sent buys more.
pub const HTTP2_WINDOW_UPDATES_PER_S_MAX: u32 = 500;
/// Bytes sent to a client that let it send one WINDOW_UPDATE more, for a stream or the connection.
pub const HTTP2_BYTES_PER_WINDOW_UPDATE: u32 = 512;
/// See [`HTTP2_BYTES_PER_WINDOW_UPDATE`]: as many as can be saved up.
pub const HTTP2_WINDOW_UPDATES_SAVED_MAX: u32 = 65_536;
/// After the last response we read and throw away, or the kernel would answer unread bytes with a
/// reset that makes the client lose the response.
pub const LINGER_BYTES_MAX: usize = 262_144;
/// See [`LINGER_BYTES_MAX`].
pub const LINGER_TIMEOUT_MS: u64 = 1_000;
/// What a client may lose of its body's pace: a stall of this length, or a longer drip.
pub const BODY_STALL_MAX_MS: u64 = 10_000;
/// Bytes of an answer that the kernel holds and has not sent yet, for each connection: what a client
/// does not take is not to lie in our memory, and is to be noticed.
pub const UNSENT_BYTES_MAX: u32 = 262_144;
/// Slots of the table of addresses for each connection: at a quarter full hardly a row is ever full.
pub const ADDRESS_SLOTS_PER_CONNECTION: usize = 4;
/// See [`ADDRESS_SLOTS_PER_CONNECTION`]; 16 KiB.
pub const ADDRESS_SLOTS_MIN: usize = 1_024;
/// See [`ADDRESS_SLOTS_PER_CONNECTION`]; 64 MiB.
pub const ADDRESS_SLOTS_MAX: usize = 4_194_304;
/// Proxies that one request came through: entries of its header that are read, from the right.
pub const FORWARDED_PROXIES_MAX: usize = 16;
/// Prefixes of trusted proxies: every connection is held against all of them.
pub const TRUSTED_PROXIES_MAX: usize = 64;
/// A PROXY header; the addresses take 52 bytes, the rest is room for what is skipped.
pub const PROXY_HEADER_BYTES_MAX: usize = 2_048;
/// A trusted proxy sends its header at once.
pub const PROXY_HEADER_TIMEOUT_MS: u64 = 3_000;
/// A ClientHello, with the head of its record: the largest record there is.
pub const CLIENT_HELLO_BYTES_MAX: usize = 16_384 + 5;
/// A drained HTTP/1 connection without a request may still get one that was on its way when the drain
/// began, as long as a network takes for it; then it is closed.
pub const DRAIN_QUIET_MS: u64 = 1_000;
/// A kept HTTP/1 connection that was quiet so long is parked: it holds its TLS session and no buffer.
pub const PARK_AFTER_MS: u64 = 250;
/// A parked connection's first bytes are read in pieces of at most this size.
pub const WAKE_BYTES: usize = 4_096;
/// Certificates beside the default one: some 10 KB of policy and 20 KB of memory each.
pub const CERTIFICATES_MAX: usize = 1_000;
/// The policy of one worker, with all its certificates: 1,000 of them take some 10 MB.
pub const POLICY_BYTES_MAX: u64 = 32 << 20;
/// Subject of a client's certificate in the upstream's header; a longer one is refused.
pub const CLIENT_SUBJECT_BYTES_MAX: usize = 1_024;
/// Names of a client's certificate in the upstream's header; longer ones are refused.
pub const CLIENT_NAMES_BYTES_MAX: usize = 4_096;
/// Names in one certificate by ACME: what Let's Encrypt takes.
pub const CHALLENGES_MAX: usize = 100;
/// Keys of session tickets that a worker holds: the current one and the one before.
pub const TICKET_KEYS_MAX: usize = 2;
/// Bytes that a tunnel holds each way.
pub const TUNNEL_BUFFER_BYTES: usize = 16_384;
/// Protocols that one route lets its clients change to.
pub const UPGRADES_MAX: usize = 4;
/// Sessions remembered for TLS 1.2 clients without tickets, and for all where there is no ticket key.
pub const TLS_SESSIONS_MAX: usize = 4_096;
/// Below the keep-alive of common API servers (75 s and more): we close first, so no request
/// meets a connection that is just being closed.
pub const UPSTREAM_IDLE_TIMEOUT_MS: u64 = 30_000;
/// Requests at once on one HTTP/2 connection to a backend, where it does not say fewer: what RFC 9113 (6.5.2)
/// asks a server to take at least.
pub const UPSTREAM_HTTP2_STREAMS_MAX: u32 = 100;
/// HTTP/2 flow control: what a backend may have in flight towards us for a request whose client reads slowly.
pub const UPSTREAM_HTTP2_STREAM_WINDOW_BYTES: u32 = 131_072;
/// The same for a connection: all its streams together, or a few slow clients would hold up the others.
pub const UPSTREAM_HTTP2_CONNECTION_WINDOW_BYTES: u32 =
    UPSTREAM_HTTP2_STREAMS_MAX * UPSTREAM_HTTP2_STREAM_WINDOW_BYTES;
/// A connection with requests in flight that has brought nothing for so long is asked for a sign of life...
pub const UPSTREAM_HTTP2_PING_INTERVAL_MS: u64 = 20_000;
/// ...and given up when none comes.
pub const UPSTREAM_HTTP2_PING_TIMEOUT_MS: u64 = 5_000;
/// Streams that we reset, for which a backend may still send: its frames are no error meanwhile.
pub const UPSTREAM_HTTP2_RESETS_REMEMBERED_MAX: usize = 64;
/// How often a request is sent to one backend while that refuses it unread, or its connections end under it.
pub const UPSTREAM_SENDS_MAX: u32 = 4;
/// Fields that follow a body.
pub const TRAILERS_MAX: usize = 64;
/// Their names and values together.
pub const TRAILER_BYTES_MAX: usize = 16_384;
/// Header block of an upstream's response; of fields it may have [`HTTP1_HEADERS_INLINE`].
pub const UPSTREAM_HEADER_BYTES_MAX: usize = 65_536;
/// Routes that a worker serves; they travel to it in one message.
pub const ROUTES_MAX: usize = 1_024;
/// Routes with more than one upstream, or with a mirror: their figures travel each second.
pub const ROLLOUTS_MAX: usize = 32;
/// Upstreams of one split.
pub const SHARES_MAX: usize = 8;
/// Headers and cookies that choose an upstream, of one route.
pub const OVERRIDES_MAX: usize = 8;
/// Conditions of one route.
pub const CONDITIONS_MAX: usize = 16;
/// Parts of a canary's window: it ends by so much too early at most.
pub const CANARY_SLOTS: usize = 8;
/// Copies of requests of one route that are in flight; those over it are not sent.
pub const MIRRORS_IN_FLIGHT_MAX: u32 = 64;
/// A copy with its answer takes so long at most: one that hangs is not to hold its place.
pub const MIRROR_TIMEOUT_MS: u64 = 10_000;
/// Of the answer to a copy so much is read, so that its connection can be used again.
pub const MIRROR_ANSWER_BYTES_MAX: usize = 1_048_576;
/// What is left of an answer that gives way to ours is read up to here, so that its connection can be
/// kept...
pub const UPSTREAM_DISCARD_BYTES_MAX: u64 = 65_536;
/// ...and for so long.
pub const UPSTREAM_DISCARD_TIMEOUT_MS: u64 = 1_000;
/// Of 9: more costs twice the time for a few percent.
pub const GZIP_LEVEL: u32 = 4;
/// Compressed bytes that are handed on together.
pub const GZIP_CHUNK_BYTES: usize = 8_192;
/// Bytes that the events of one batch take in memory: one POST to a receiver.
pub const EVENTS_BATCH_BYTES_MAX: usize = 1_048_576;
/// Events that go to a file or to syslog in one go...
pub const EVENTS_LOCAL_BATCH_MAX: usize = 512;
/// ...and how long one waits for others to go along with.
pub const EVENTS_LOCAL_WAIT_MS: u64 = 200;
/// A receiver that does not take events is tried again after this time...
pub const EVENTS_RETRY_MS: u64 = 100;
/// ...and twice as long after each try, up to this.
pub const EVENTS_RETRY_MAX_MS: u64 = 5_000;
/// What all that is left when a worker ends may take: the supervisor waits for it.
pub const EVENTS_END_TIMEOUT_MS: u64 = 1_000;
/// A receiver of events says whether it took them, and need say no more.
pub const WEBHOOK_ANSWER_BYTES_MAX: usize = 65_536;
/// A connection to a receiver of syslog...
pub const SYSLOG_CONNECT_TIMEOUT_MS: u64 = 2_000;
/// ...and how long it may take no byte.
pub const SYSLOG_WRITE_TIMEOUT_MS: u64 = 5_000;
/// Services that are asked for verdicts: their figures travel each second.
pub const VERDICT_SERVICES_MAX: usize = 16;
/// An answer with a verdict.
pub const VERDICT_ANSWER_BYTES_MAX: usize = 4_096;
/// How much longer than its own time a message of ours to an upstream may take, waits for room included.
pub const POST_MARGIN_MS: u64 = 10;
/// What a thread asks the kernel for at once: two TLS records of the largest kind and more.
pub const READ_AHEAD_BYTES: usize = 65_536;
/// Request ids for which a thread fetches randomness at once: 4 KiB.
pub const REQUEST_IDS_AT_ONCE: usize = 256;
/// A request id of a trusted proxy: a shorter one is soon given twice...
pub const REQUEST_ID_BYTES_MIN: usize = 20;
/// ...and no scheme in use makes longer ones.
pub const REQUEST_ID_BYTES_MAX: usize = 128;
/// Requests of one upstream in flight at once, over all threads, where its policy says no other
/// number: some 20 KB of buffers each.
pub const UPSTREAM_REQUESTS_MAX: u32 = 4_096;
/// Requests of one upstream that wait for one of those to end.
pub const QUEUE_MAX: u32 = 1_024;
/// Longer than this a client waits in vain more often than not.
pub const QUEUE_TIMEOUT_MS: u64 = 1_000;
/// Backends of all upstreams of a configuration: they travel to the worker in one message.
pub const BACKENDS_MAX: usize = 256;
/// Retries that a budget may save up while nothing fails.
pub const RETRY_BUDGET_SAVED_MAX: u64 = 1_000;
/// The share of a backend whose slow start begins, in percent of its weight.
pub const SLOW_START_PERCENT_MIN: u64 = 10;
/// Bounded load (consistent hashing): a backend takes so many percent of its fair share at once, then
/// the key goes to its next choice.
pub const HASH_LOAD_PERCENT_MAX: u64 = 150;
/// A backend with fewer requests in flight is never passed over: where little is in flight the fair share is
/// less than one request, and two at once would part a key from its backend.
pub const HASH_IN_FLIGHT_MIN: u32 = 16;
/// A latency that was measured so long ago counts half.
pub const LATENCY_HALF_LIFE_MS: u64 = 1_000;
/// Issuers of tokens; the keys of each travel to a worker in a message.
pub const JWTS_MAX: usize = 16;
/// Credentials that one route takes: each bad token is held against all of them.
pub const AUTHENTICATIONS_MAX: usize = 4;
/// A token; RFC 7519 knows no bound, servers take some 8 KiB of a header.
pub const JWT_TOKEN_BYTES_MAX: usize = 8_192;
/// The header of a token: objects within objects...
pub const JWT_HEADER_DEPTH_MAX: u32 = 3;
/// ...and values, itself among them.
pub const JWT_HEADER_VALUES_MAX: u32 = 32;
/// The claims of a token, likewise: roles of a client in Keycloak stand at the fourth level.
pub const JWT_CLAIMS_DEPTH_MAX: u32 = 8;
/// See [`JWT_CLAIMS_DEPTH_MAX`].
pub const JWT_CLAIMS_VALUES_MAX: u32 = 1_024;
/// A set of keys, likewise.
pub const JWT_KEYS_DEPTH_MAX: u32 = 6;
/// See [`JWT_KEYS_DEPTH_MAX`].
pub const JWT_KEYS_VALUES_MAX: u32 = 4_096;
/// Kinds of token that are taken where nothing is said (RFC 7519, 5.1; RFC 9068, 2.1).
pub const JWT_TYPES: [&str; 2] = ["jwt", "at+jwt"];
/// The name of a key.
pub const JWT_KID_BYTES_MAX: usize = 256;
/// Keys of an issuer: it has two or three, and a few more while they rotate.
pub const JWT_KEYS_MAX: usize = 64;
/// The keys of an issuer as text: twice this, as JSON in JSON may be, is still one message.
pub const JWT_KEYS_TEXT_BYTES_MAX: usize = 65_536;
/// Names of keys that are not there, of each issuer, that are remembered.
pub const JWT_UNKNOWN_KIDS_MAX: usize = 1_024;
/// How long such a name asks for no newer keys.
pub const JWT_UNKNOWN_KID_REST_S: u64 = 60;
/// Tokens that a thread has verified and remembers...
pub const JWT_CACHE_TOKENS_MAX: usize = 4_096;
/// ...and their bytes together; their claims take some five times this.
pub const JWT_CACHE_BYTES_MAX: usize = 4_194_304;
/// Scopes, and likewise roles, of a token...
pub const JWT_GRANTS_MAX: usize = 256;
/// ...and the bytes of each.
pub const JWT_GRANT_BYTES_MAX: usize = 256;
/// The name of a consumer: it stands in log lines.
pub const CONSUMER_BYTES_MAX: usize = 256;
/// Headers that tell backends claims, of one issuer...
pub const CLAIM_HEADERS_MAX: usize = 16;
/// ...and the bytes of each value.
pub const CLAIM_HEADER_BYTES_MAX: usize = 2_048;
/// Documents of APIs of one configuration; they travel to the worker in one message.
pub const OPENAPI_MAX: usize = 16;
/// A document as a file: those of large APIs have some 500 KB.
pub const OPENAPI_BYTES_MAX: u64 = 1 << 20;
/// Objects and lists within each other, of a document...
pub const OPENAPI_DEPTH_MAX: u32 = 64;
/// ...and values.
pub const OPENAPI_VALUES_MAX: u32 = 200_000;
/// Operations of a document.
pub const OPENAPI_OPERATIONS_MAX: usize = 2_000;
/// References that lead to one another.
pub const VALIDATION_REFERENCES_MAX: usize = 16;
/// Schemas that are looked at for the type of one: those within each other may have no end.
pub const VALIDATION_SHAPE_SCHEMAS_MAX: u32 = 256;
/// A pattern of a schema, made ready; those of the linear engine that take more are seldom meant.
pub const VALIDATION_PATTERN_BYTES_MAX: usize = 1 << 20;
/// What is told of one request: the first things that are wrong with it.
pub const VALIDATION_PROBLEMS_MAX: usize = 8;
/// Of a body with more values than this the first thing alone is told: the rest may cost more than the judgement.
pub const VALIDATION_ALL_PROBLEMS_VALUES_MAX: u32 = 256;
/// A pointer in an answer; a longer one points to what it is within.
pub const VALIDATION_POINTER_BYTES_MAX: usize = 256;
/// What was expected, in words: they may quote a schema.
pub const VALIDATION_WORDS_BYTES_MAX: usize = 256;
/// Pointers of one route to texts that are HTML.
pub const SANITISE_HTML_POINTERS_MAX: usize = 16;
/// `<` and `&` in the HTML of one body: what opens, closes or stands for something. Ordinary ones take about 1 us each.
pub const SANITISE_HTML_MARKS_MAX: usize = 1_024;
/// Of the processor, from the first byte of a body that is looked at until its last HTML is read; what was read by then is
/// cleaned after that. Without optimisation everything takes many times as long.
pub const SANITISE_HTML_US_MAX: u64 = if cfg!(debug_assertions) { 100_000 } else { 3_000 };
/// Times that one HTML text is cleaned: what escapes hide in it comes out in the first.
pub const SANITISE_ROUNDS_MAX: usize = 4;
/// The boundary of a form in parts (RFC 2046, 5.1.1).
pub const MULTIPART_BOUNDARY_BYTES_MAX: usize = 70;
/// Headers of one part.
pub const MULTIPART_HEAD_BYTES_MAX: usize = 2_048;
/// Path in an access-log line; the rest is cut and marked.
pub const LOG_PATH_BYTES_MAX: usize = 1_024;
/// Host, user agent and referer in an access-log line, each.
pub const LOG_TEXT_BYTES_MAX: usize = 256;
/// Requests whose spans wait for the collector, some 2 KB each; the spans of one more are dropped.
pub const TRACE_QUEUE_MAX: usize = 2_048;
/// Spans in one request to the collector.
pub const TRACE_BATCH_MAX: usize = 512;
/// How long spans wait for others to go along with.
pub const TRACE_BATCH_WAIT_MS: u64 = 1_000;
/// What the collector may take for a batch, connection included.
pub const TRACE_EXPORT_TIMEOUT_MS: u64 = 1_000;
/// The same for all that is left when a worker ends: the supervisor waits for it.
pub const TRACE_END_TIMEOUT_MS: u64 = 500;
/// Method in an access-log line: the longest registered one has 17 letters.
pub const LOG_METHOD_BYTES_MAX: usize = 32;
/// Rows of figures: routes, and likewise upstreams and backends, of all policies since the daemon started. What is
/// beyond is counted in one row together.
pub const FIGURE_ROWS_MAX: usize = 2_048;
/// Rows in one message: at most some 700 bytes each, so that they stay within a message.
pub const FIGURE_ROWS_AT_ONCE: usize = 128;
/// How often a worker sends its figures.
pub const FIGURES_INTERVAL_MS: u64 = 1_000;
/// How often a thread closes upstream connections that were idle too long.
pub const UPSTREAM_SWEEP_INTERVAL_MS: u64 = 1_000;
/// The first message follows the worker's start at once; a worker without it must not linger.
pub const START_TIMEOUT_MS: u64 = 10_000;
/// Descriptors a worker needs beside its connections: the channel, stderr, one epoll and one event
/// descriptor a thread, and room for what a library opens for a moment.
pub const SPARE_DESCRIPTORS: u64 = 256;
/// Rules of a route.
pub const RULES_MAX: usize = 16;
/// Networks, and likewise times, of one rule.
pub const RULE_ENTRIES_MAX: usize = 64;
/// Origins of other sites that a route knows, for each purpose.
pub const ORIGINS_MAX: usize = 64;
/// Consumers of a policy.
pub const CONSUMERS_MAX: usize = 1_024;
/// Scopes, and likewise roles, networks and routes, of one consumer or one key.
pub const GRANTED_MAX: usize = 32;
/// Bytes of a scope or role of a consumer: all of them fit into one header.
pub const GRANTED_BYTES_MAX: usize = 64;
/// API keys, revoked ones among them that are still remembered: some 110 bytes each in a worker.
pub const API_KEYS_MAX: usize = 1_048_576;
/// Keys that came since the large table was made: each one more costs that many copies.
pub const RECENT_KEYS_MAX: usize = 1_024;
/// Changes of keys in one message: at most some 10 KB each.
pub const KEY_CHANGES_AT_ONCE: usize = 16;
/// Uses of keys in one message.
pub const KEY_USES_AT_ONCE: usize = 2_048;
/// How often a worker tells which keys were used. To the minute is exact enough to find those that nobody
/// uses any more.
pub const KEY_USES_INTERVAL_MS: u64 = 60_000;
/// Messages of uses in one go; the rest is told the next time.
pub const KEY_USE_MESSAGES_MAX: usize = 32;
/// Sessions that were opened or ended and that wait for the supervisor: of one more it cannot be told, so nobody more
/// logs in.
pub const SESSION_CHANGES_WAITING_MAX: usize = 1_024;
/// A session as a line of JSON: its ID token, and texts with bounds of their own.
pub const SESSION_RECORD_BYTES_MAX: usize = 16_384;
/// Changes of sessions in one message: at most [`SESSION_RECORD_BYTES_MAX`] each.
pub const SESSION_CHANGES_AT_ONCE: usize = 8;
/// The provider's name for somebody (OpenID Connect Core 1.0, 2), and for a session of theirs.
pub const SUBJECT_BYTES_MAX: usize = 255;
/// How often sessions that have ended are let go of.
pub const SESSIONS_SWEEP_INTERVAL_MS: u64 = 60_000;
/// Logins of a policy.
pub const LOGINS_MAX: usize = 16;
/// A browser may be about to log in in so many tabs; the next one takes the place of one of these.
pub const LOGIN_TABS_MAX: u8 = 4;
/// A login that was begun ends within so long, or not at all.
pub const LOGIN_PROGRESS_MAX_S: u64 = 600;
/// A path that a browser comes back to after its login; it travels in a cookie.
pub const RETURN_PATH_BYTES_MAX: usize = 1_024;
/// The code that a provider sends, and each other text of its answer.
pub const LOGIN_TEXT_BYTES_MAX: usize = 2_048;
/// Codes of one worker that are being exchanged; over it, people are told to come again.
pub const LOGIN_EXCHANGES_MAX: u32 = 64;
/// From the first packet to the last byte of the token endpoint's answer.
pub const LOGIN_EXCHANGE_TIMEOUT_MS: u64 = 10_000;
/// The answer of a token endpoint: three tokens of the largest kind, and more.
pub const LOGIN_ANSWER_BYTES_MAX: usize = 65_536;
/// How long a login waits for the provider's new key, which is asked for once a second.
pub const LOGIN_KEYS_WAIT_MS: u64 = 3_000;
/// How often it looks whether it is there.
pub const LOGIN_KEYS_BEAT_MS: u64 = 100;
/// A logout token is as long as any, and its form a little longer.
pub const LOGOUT_BODY_BYTES_MAX: u64 = 16_384;
/// A logout token that was issued longer ago is of no use to anyone but who caught it.
pub const LOGOUT_TOKEN_AGE_MAX_S: u64 = 300;
/// What a provider says of itself.
pub const DISCOVERY_BYTES_MAX: usize = 65_536;
/// Addresses of a token endpoint that are tried.
pub const LOGIN_ADDRESSES_MAX: usize = 8;
/// A credential in a request that is no token: more than ten times what a key has.
pub const CREDENTIAL_BYTES_MAX: usize = 1_024;
/// Slots of the table of failures: addresses, networks and consumers. 16 bytes each, 1 MiB.
pub const FAILURE_SLOTS: usize = 65_536;
/// Slots of the table of scores: 40 bytes each, 5 MiB, where behaviour is scored.
pub const BEHAVIOUR_SLOTS: usize = 131_072;
/// Slots of the table of consumers' scores: 40 bytes each, 640 KiB.
pub const CONSUMER_SCORE_SLOTS: usize = 16_384;
/// Slots of the table of consumers' countries: 24 bytes each, 1.5 MiB, where travel is looked at.
pub const TRAVEL_SLOTS: usize = 65_536;
/// Slots of the table of addresses that limits refuse: 16 bytes each, 256 KiB, where such are told to the kernel.
pub const BUDGET_SLOTS: usize = 16_384;
/// How long a challenge may be worked on: a slow telephone needs some ten seconds for the default one.
pub const CHALLENGE_S: u64 = 300;
/// The number that solves a challenge: a browser counts no further than this exactly.
pub const CHALLENGE_NUMBER_DIGITS_MAX: usize = 16;
/// Offences that wait for the supervisor: some 300 bytes each. Of one more it is not told; who offends again is
/// told of again.
pub const OFFENCES_WAITING_MAX: usize = 4_096;
/// Offences in one message: at most some 1,000 bytes each.
pub const OFFENCES_AT_ONCE: usize = 64;
/// How long who is to be banned is refused here meanwhile, and not told of again.
pub const OFFENCE_PAUSE_MS: u64 = 5_000;
/// Paths that scanners ask for: each refusal is held against all of them.
pub const SCANNER_PATHS_MAX: usize = 64;
/// The longest of these.
pub const SCANNER_PATH_BYTES_MAX: usize = 128;
/// Networks whose offences count for nothing: each offence is held against all of them.
pub const EXEMPT_MAX: usize = 64;
/// The longest name of a consumer that is exempt.
pub const EXEMPT_CONSUMER_BYTES_MAX: usize = 256;
/// How often a worker that drains looks whether it has.
pub const DRAIN_BEAT_MS: u64 = 10;
/// Limits of rates in a configuration: their figures travel each second.
pub const RATE_LIMITS_MAX: usize = 32;
/// Limits of one route: a request holds the slots of all of them at once.
pub const RATE_LIMITS_OF_ROUTE_MAX: usize = 8;
/// Requests that one sliding-window log remembers, of all its keys: 16 bytes each.
pub const RATE_LOG_ENTRIES_MAX: u64 = 4_194_304;
/// Keys in a row of a limit's table: those that are looked through under one lock.
pub const RATE_ROW_SLOTS: usize = 16;
/// Requests that wait to be asked about at the store; one more is decided by this host.
pub const RATE_STORE_QUEUE_MAX: usize = 4_096;
/// Requests that are asked about in one go.
pub const RATE_STORE_BATCH_MAX: usize = 512;
/// A store that is away is tried again after this time...
pub const REDIS_RETRY_MS: u64 = 50;
/// ...and twice as long after each try, up to this.
pub const REDIS_RETRY_MAX_MS: u64 = 1_000;
/// A line of the store's answer: it has numbers, and words where something is wrong.
pub const RATE_STORE_LINE_BYTES_MAX: usize = 512;
/// A text of the store's answer: it has the name of a script.
pub const RATE_STORE_TEXT_BYTES_MAX: usize = 1_024;
/// Refusals of the store that are remembered: some 150 bytes each.
pub const RATE_STORE_REFUSED_MAX: usize = 65_536;
