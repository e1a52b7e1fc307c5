//! `traceparent` and `tracestate` as a client sends them: what is not of their grammar is not there.

use http::{HeaderMap, HeaderValue};

use super::{TRACEPARENT, TRACESTATE};

/// Who called, in which trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parent {
    /// The trace, never 0.
    pub trace_id: u128,
    /// The caller's span, never 0.
    pub span_id: u64,
    /// What other systems say of the trace.
    pub state: Option<String>,
}

impl Parent {
    /// Reads the headers; a `traceparent` that is missing, repeated or malformed is none, and without
    /// it `tracestate` has no meaning.
    #[must_use]
    pub fn of(headers: &HeaderMap) -> Option<Self> {
        let mut values = headers.get_all(TRACEPARENT).iter();
        let (Some(value), None) = (values.next(), values.next()) else { return None };
        let (trace_id, span_id) = ids(value.to_str().ok()?)?;
        let states: Vec<&str> = headers
            .get_all(TRACESTATE)
            .iter()
            .map(HeaderValue::to_str)
            .collect::<Result<_, _>>()
            .unwrap_or_default();
        Some(Self { trace_id, span_id, state: state(&states.join(",")) })
    }
}

// version "-" trace-id "-" parent-id "-" flags; a later version may have more behind a dash.
fn ids(text: &str) -> Option<(u128, u64)> {
    let fields: Vec<&str> = text.split('-').collect();
    let [version, trace, span, flags, rest @ ..] = &fields[..] else { return None };
    let fits = is_hex(version, 2)
        && *version != "ff"
        && (*version != "00" || rest.is_empty())
        && is_hex(trace, 32)
        && is_hex(span, 16)
        && is_hex(flags, 2);
    if !fits {
        return None;
    }
    let trace_id = u128::from_str_radix(trace, 16).ok().filter(|id| *id != 0)?;
    let span_id = u64::from_str_radix(span, 16).ok().filter(|id| *id != 0)?;
    Some((trace_id, span_id))
}

fn is_hex(text: &str, length: usize) -> bool {
    text.len() == length && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

// All of it or nothing: a list that we cannot read is not one to pass on.
fn state(text: &str) -> Option<String> {
    if text.len() > STATE_BYTES_MAX {
        return None;
    }
    let members: Vec<&str> = text
        .split(',')
        .map(|member| member.trim_matches([' ', '\t']))
        .filter(|it| !it.is_empty())
        .collect();
    let mut keys = Vec::new();
    for member in &members {
        let (key, value) = member.split_once('=')?;
        if !is_key(key) || !is_value(value) || keys.contains(&key) {
            return None;
        }
        keys.push(key);
    }
    (1..=STATE_MEMBERS_MAX).contains(&members.len()).then(|| members.join(","))
}

fn is_key(key: &str) -> bool {
    let part = |part: &str, length_max: usize, digit_first: bool| {
        let first = part.bytes().next();
        (1..=length_max).contains(&part.len())
            && first.is_some_and(|byte| {
                byte.is_ascii_lowercase() || (digit_first && byte.is_ascii_digit())
            })
            && part.bytes().all(|byte| {
                byte.is_ascii_lowercase()
                    || byte.is_ascii_digit()
                    || matches!(byte, b'_' | b'-' | b'*' | b'/')
            })
    };
    match key.split_once('@') {
        Some((tenant, system)) => part(tenant, 241, true) && part(system, 14, false),
        None => part(key, 256, false),
    }
}

fn is_value(value: &str) -> bool {
    (1..=256).contains(&value.len())
        && !value.ends_with(' ')
        && value.bytes().all(|byte| matches!(byte, b' '..=b'~') && byte != b',' && byte != b'=')
}

/// What a party has to pass on at least (W3C Trace Context, 3.3.1.5).
const STATE_BYTES_MAX: usize = 512;
/// Members of a list.
const STATE_MEMBERS_MAX: usize = 32;
