//! One structured line for each request; nothing secret, nothing unbounded, nothing unescaped.

use crate::{
    context::RequestContext,
    limits::{LOG_METHOD_BYTES_MAX, LOG_PATH_BYTES_MAX},
};

/// Writes the line of a request that has ended.
pub fn write(
    context: &RequestContext,
    status: u16,
    bytes_in: u64,
    bytes_out: u64,
    duration_us: u64,
) {
    if !tracing::enabled!(target: "access", tracing::Level::INFO) {
        return;
    }
    let upstream_duration_us =
        context.upstream_duration.map(|spent| u64::try_from(spent.as_micros()).unwrap_or(u64::MAX));
    tracing::info!(
        target: "access",
        request_id = context.id.as_str(),
        peer = %context.peer,
        method = context.method.as_ref().map_or_else(String::new, |name| method(name.as_str())),
        path = path(context.uri.path()),
        route = context.route.as_deref(),
        status,
        protocol = context.protocol.label(),
        tls = context.tls_version,
        bytes_in,
        bytes_out,
        duration_us,
        upstream_duration_us,
        rejection = context.rejection.map(|rejection| rejection.label()),
        "request"
    );
}

// A path as it may stand in a line.
fn path(path: &str) -> String {
    escape(path.as_bytes(), LOG_PATH_BYTES_MAX)
}

// A method as it may stand in a line.
fn method(method: &str) -> String {
    escape(method.as_bytes(), LOG_METHOD_BYTES_MAX)
}

// A line break would forge a line, an escape sequence would steer the reader's terminal.
fn escape(bytes: &[u8], bytes_max: usize) -> String {
    let mut text = String::with_capacity(bytes.len().min(bytes_max));
    for byte in bytes {
        let escaped: String = match byte {
            b'\\' | b'"' | 0..=0x20 | 0x7f..=0xff => format!("\\x{byte:02x}"),
            plain => char::from(*plain).to_string(),
        };
        if text.len() + escaped.len() + CUT.len() > bytes_max {
            text.push_str(CUT);
            break;
        }
        text.push_str(&escaped);
    }
    text
}

const CUT: &str = "...";

#[cfg(test)]
mod tests {
    use super::{LOG_PATH_BYTES_MAX, path};

    #[test]
    fn a_path_is_bounded_and_escaped() {
        let long = "/a".repeat(LOG_PATH_BYTES_MAX);
        assert_eq!(path(&long).len(), LOG_PATH_BYTES_MAX);
        assert!(path(&long).ends_with("..."));
        for (given, expected) in [
            ("/plain/path", "/plain/path"),
            ("/a\r\nb", "/a\\x0d\\x0ab"),
            ("/\u{1b}[31m", "/\\x1b[31m"),
            ("/\"\\", "/\\x22\\x5c"),
            ("/ä", "/\\xc3\\xa4"),
        ] {
            assert_eq!(path(given), expected);
        }
    }
}
