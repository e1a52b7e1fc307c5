//! One line for each request that has ended; nothing secret, nothing unbounded, nothing unescaped.

mod masked;

use std::{
    fs::File,
    io::{self, Write as _},
    time::SystemTime,
};

use http::{HeaderMap, HeaderName, Method, Uri, header};

use crate::{
    context::{Protocol, RequestContext},
    date,
    limits::{LOG_METHOD_BYTES_MAX, LOG_PATH_BYTES_MAX, LOG_TEXT_BYTES_MAX},
    policy::access_log::{AccessField, AccessFormat, AccessLogPolicy},
    verdict::Outcome,
};

/// Where lines go, and what they hold.
#[derive(Debug)]
pub struct AccessLog {
    policy: AccessLogPolicy,
    file: Option<File>,
    /// Others want to know who the client says it is.
    told_on: bool,
}

/// What a line may hold beside what every request has; taken only where it is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Details {
    host: Option<String>,
    query: Option<String>,
    user_agent: Option<String>,
    referer: Option<String>,
}

/// A request that has ended.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    /// What is known of it.
    pub context: &'a RequestContext,
    /// The answer's status.
    pub status: u16,
    /// Body bytes from the client.
    pub bytes_in: u64,
    /// Body bytes to the client.
    pub bytes_out: u64,
    /// From the end of the headers to the last byte of the answer.
    pub duration_us: u64,
}

impl Details {
    /// Who the client says it is, escaped.
    #[must_use]
    pub fn user_agent(&self) -> Option<&str> {
        self.user_agent.as_deref()
    }
}

impl AccessLog {
    /// A log into `file`, or to standard error.
    #[must_use]
    pub fn new(policy: &AccessLogPolicy, file: Option<File>) -> Self {
        Self { policy: policy.clone(), file, told_on: false }
    }

    /// The same, whose details are told to others too where that is so.
    #[must_use]
    pub fn told_on(self, told_on: bool) -> Self {
        Self { told_on, ..self }
    }

    /// What lines of this log need of a request's head.
    #[must_use]
    pub fn details(&self, uri: &Uri, headers: &HeaderMap) -> Details {
        if self.policy.format == AccessFormat::Off {
            let user_agent = self.told_on.then(|| header(headers, header::USER_AGENT)).flatten();
            return Details { user_agent, ..Details::default() };
        }
        let combined = self.policy.format == AccessFormat::Combined;
        let wants = |field| self.policy.fields.contains(&field);
        Details {
            host: wants(AccessField::Host)
                .then(|| {
                    let authority = uri.authority().map(|it| it.as_str().as_bytes());
                    let named = headers.get(header::HOST).map(|value| value.as_bytes());
                    authority.or(named).map(|host| escape(host, LOG_TEXT_BYTES_MAX))
                })
                .flatten(),
            query: wants(AccessField::Query).then(|| uri.query()).flatten().map(query),
            user_agent: (combined || self.told_on || wants(AccessField::UserAgent))
                .then(|| header(headers, header::USER_AGENT))
                .flatten(),
            // Without its query: a page's address may hold what its reader was sent in secret.
            referer: (combined || wants(AccessField::Referer))
                .then(|| header(headers, header::REFERER))
                .flatten()
                .map(|page| page.split(['?', '#']).next().unwrap_or_default().to_owned()),
        }
    }

    /// Writes the line of a request.
    ///
    /// # Errors
    /// It could not be written: the disk is full, or nobody reads.
    pub fn write(&self, record: &Record<'_>) -> io::Result<()> {
        if self.policy.format == AccessFormat::Off {
            return Ok(());
        }
        let line = line(&self.policy, record, SystemTime::now());
        // In one piece, so that lines of threads do not mix.
        match &self.file {
            Some(file) => (&mut &*file).write_all(line.as_bytes()),
            None => io::stderr().lock().write_all(line.as_bytes()),
        }
    }
}

/// The line of a request, with its end.
#[must_use]
pub fn line(policy: &AccessLogPolicy, record: &Record<'_>, at: SystemTime) -> String {
    match policy.format {
        AccessFormat::Off => String::new(),
        AccessFormat::Json => json(&policy.fields, record, at),
        AccessFormat::Combined => combined(record, at),
    }
}

/// A path as it may stand in a line.
#[must_use]
pub fn path(path: &str) -> String {
    escape(path.as_bytes(), LOG_PATH_BYTES_MAX)
}

/// A method as it may stand in a line; nothing where the head was not whole.
#[must_use]
pub fn method(method: Option<&Method>) -> String {
    escape(method.map_or("", Method::as_str).as_bytes(), LOG_METHOD_BYTES_MAX)
}

/// A query as it may stand in a line: without what may be secret.
#[must_use]
pub fn query(query: &str) -> String {
    escape(masked::query(query).as_bytes(), LOG_PATH_BYTES_MAX)
}

/// A name or a reason as it may stand in a line.
#[must_use]
pub fn text(text: &str) -> String {
    escape(text.as_bytes(), LOG_TEXT_BYTES_MAX)
}

/// A header as it may stand in a line.
#[must_use]
pub fn header(headers: &HeaderMap, name: HeaderName) -> Option<String> {
    headers.get(name).map(|value| escape(value.as_bytes(), LOG_TEXT_BYTES_MAX))
}

/// What exactly is wrong with a request, beside the name of its refusal.
#[must_use]
pub fn why(context: &RequestContext) -> Option<String> {
    if let Some(invalid) = context.sanitised.as_ref().and_then(|it| it.invalid.as_ref()) {
        return Some(text(&invalid.text()));
    }
    if let Some(invalid) = &context.invalid {
        return Some(text(&invalid.text()));
    }
    if let Some(invalid) = &context.answer_invalid {
        return Some(text(&format!("answer:{}", invalid.text())));
    }
    match (context.denied, &context.forbidden, &context.limited, context.cross_site) {
        (Some(denied), ..) => Some(denied.label().to_owned()),
        (None, Some(forbidden), ..) => Some(text(&forbidden.text)),
        (None, None, Some(limited), _) => Some(format!("limit:{limited}")),
        (None, None, None, Some(cross_site)) => Some(cross_site.label().to_owned()),
        (None, None, None, None) => {
            if let Some(error) = context.login {
                return Some(error.label().to_owned());
            }
            let judged = context.verdict.as_ref().filter(|it| it.outcome != Outcome::Allow)?;
            let reason = judged.reason.iter().map(|reason| format!(":{reason}"));
            let reason: String = reason.collect();
            Some(format!("verdict:{}:{}{reason}", judged.service, judged.outcome.label()))
        }
    }
}

fn json(fields: &[AccessField], record: &Record<'_>, at: SystemTime) -> String {
    let mut line = format!("{{\"timestamp\":\"{}\",\"target\":\"access\"", date::rfc3339(at));
    for field in fields {
        if let Some(value) = value(*field, record) {
            line.push_str(",\"");
            line.push_str(field.name());
            line.push_str("\":");
            line.push_str(&value);
        }
    }
    line.push_str("}\n");
    line
}

// A value as JSON; nothing where the request has none.
fn value(field: AccessField, record: &Record<'_>) -> Option<String> {
    let context = record.context;
    // Escaped before, so there is nothing that JSON would have to escape but the backslash.
    let quoted = |text: &str| format!("\"{}\"", text.replace('\\', "\\\\"));
    let number = |number: u64| number.to_string();
    Some(match field {
        AccessField::RequestId => quoted(context.id.as_str()),
        AccessField::TraceId => quoted(&context.trace.as_ref()?.trace_id()),
        AccessField::Peer => quoted(&context.peer.to_string()),
        AccessField::Client => quoted(&context.origin.client.to_string()),
        AccessField::Method => quoted(&method(context.method.as_ref())),
        AccessField::Host => quoted(context.details.host.as_deref()?),
        AccessField::Path => quoted(&path(context.uri.path())),
        AccessField::Query => quoted(context.details.query.as_deref()?),
        AccessField::Route => quoted(context.route.as_deref()?),
        AccessField::Backend => quoted(&context.backend?.to_string()),
        AccessField::Status => number(record.status.into()),
        AccessField::Protocol => quoted(context.protocol.label()),
        AccessField::Tls => quoted(context.tls_version),
        AccessField::Ja4 => quoted(context.ja4.as_deref()?),
        AccessField::BytesIn => number(record.bytes_in),
        AccessField::BytesOut => number(record.bytes_out),
        AccessField::DurationUs => number(record.duration_us),
        AccessField::UpstreamDurationUs => {
            let spent = context.upstream_duration?;
            number(u64::try_from(spent.as_micros()).unwrap_or(u64::MAX))
        }
        AccessField::Rejection => quoted(context.rejection?.label()),
        AccessField::Denied => quoted(&why(context)?),
        AccessField::Sanitised => {
            let changes = context.sanitised.as_ref()?.changes;
            quoted(&(!changes.is_empty()).then(|| changes.text())?)
        }
        AccessField::Leaks => {
            quoted(&context.leaks.as_ref().filter(|leaks| !leaks.is_empty())?.text())
        }
        AccessField::Credential => quoted(&text(&context.identity.as_ref()?.credential)),
        AccessField::Consumer => quoted(&text(&context.identity.as_ref()?.consumer)),
        AccessField::Score => number(context.score?.into()),
        AccessField::ConsumerScore => number(context.consumer_score?.into()),
        AccessField::UserAgent => quoted(context.details.user_agent.as_deref()?),
        AccessField::Referer => quoted(context.details.referer.as_deref()?),
    })
}

fn combined(record: &Record<'_>, at: SystemTime) -> String {
    let context = record.context;
    let version = match context.protocol {
        Protocol::Http1 => "HTTP/1.1",
        Protocol::Http2 => "HTTP/2.0",
    };
    let details = &context.details;
    let query = details.query.as_ref().map(|query| format!("?{query}")).unwrap_or_default();
    format!(
        "{client} - - [{time}] \"{method} {path}{query} {version}\" {status} {bytes} \"{referer}\" \"{agent}\"\n",
        client = context.origin.client,
        time = date::common_log(at),
        method = method(context.method.as_ref()),
        path = path(context.uri.path()),
        status = record.status,
        bytes = record.bytes_out,
        referer = details.referer.as_deref().unwrap_or("-"),
        agent = details.user_agent.as_deref().unwrap_or("-"),
    )
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
mod tests;
