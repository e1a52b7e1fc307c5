//! What an answer looks like to the client: its headers, whose errors it shows, whether it is
//! compressed. Decided once for each route, when the worker starts.

mod compression;

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

pub use self::compression::{Asked, Compression};
use crate::policy::{
    AnswerPolicy, GatewayPolicy,
    answer::{HeaderAction, HeaderRule, STRICT_HEADERS, UpstreamErrors},
};

/// The rules of all routes.
#[derive(Debug)]
pub struct AnswerTable {
    routes: Box<[Answers]>,
    no_route: Answers,
}

impl AnswerTable {
    /// Prepares the rules of a policy.
    ///
    /// # Errors
    /// The rule that cannot be used.
    pub fn new(policy: &GatewayPolicy) -> Result<Self, AnswerError> {
        let none = AnswerPolicy::default();
        let routes =
            policy.routes.iter().map(|route| Answers::new(&policy.answers, &route.answers));
        Ok(Self {
            routes: routes.collect::<Result<_, _>>()?,
            no_route: Answers::new(&policy.answers, &none)?,
        })
    }

    /// The rules of a route, by its place in the policy.
    #[must_use]
    pub fn of(&self, route: Option<usize>) -> &Answers {
        route.and_then(|place| self.routes.get(place)).unwrap_or(&self.no_route)
    }
}

/// The rules of one route.
#[derive(Debug)]
pub struct Answers {
    headers: Vec<(HeaderName, Action)>,
    replace_errors: bool,
    compression: Option<Compression>,
}

#[derive(Debug)]
enum Action {
    Set(HeaderValue),
    Default(HeaderValue),
    Remove,
}

impl Answers {
    fn new(gateway: &AnswerPolicy, route: &AnswerPolicy) -> Result<Self, AnswerError> {
        let mut headers = Vec::new();
        if route.strict.or(gateway.strict).unwrap_or_default() {
            let strict = STRICT_HEADERS.map(|(name, value)| {
                let value = Action::Default(HeaderValue::from_static(value));
                (HeaderName::from_static(name), value)
            });
            headers.extend(strict);
        }
        for rule in gateway.headers.iter().chain(&route.headers) {
            let (name, action) = parsed(rule)?;
            headers.retain(|(known, _)| *known != name);
            headers.push((name, action));
        }
        let errors = route.upstream_errors.or(gateway.upstream_errors);
        let compression = route.compression.as_ref().or(gateway.compression.as_ref());
        Ok(Self {
            headers,
            replace_errors: errors != Some(UpstreamErrors::Keep),
            compression: compression
                .filter(|policy| !policy.types.is_empty())
                .map(Compression::new),
        })
    }

    /// Sets and removes what the policy names.
    pub fn apply(&self, headers: &mut HeaderMap) {
        for (name, action) in &self.headers {
            match action {
                Action::Set(value) => drop(headers.insert(name, value.clone())),
                Action::Default(value) if !headers.contains_key(name) => {
                    headers.insert(name, value.clone());
                }
                Action::Default(_) => {}
                Action::Remove => drop(headers.remove(name)),
            }
        }
    }

    /// Whether an upstream's answer with this status gives way to ours.
    #[must_use]
    pub fn replaces(&self, status: StatusCode) -> bool {
        self.replace_errors && status.is_server_error()
    }

    /// Whether and how answers are compressed.
    #[must_use]
    pub fn compression(&self) -> Option<&Compression> {
        self.compression.as_ref()
    }
}

/// Checks one rule, as the worker will.
///
/// # Errors
/// What is wrong with it.
pub fn check(rule: &HeaderRule) -> Result<(), AnswerError> {
    parsed(rule).map(drop)
}

fn parsed(rule: &HeaderRule) -> Result<(HeaderName, Action), AnswerError> {
    let name = HeaderName::from_bytes(rule.name.as_bytes())
        .map_err(|_| AnswerError::Name(rule.name.clone()))?;
    if KEPT.contains(&name.as_str()) {
        return Err(AnswerError::Kept(rule.name.clone()));
    }
    let value = |text: &String| {
        HeaderValue::from_str(text).map_err(|_| AnswerError::Value(rule.name.clone(), text.clone()))
    };
    let action = match &rule.action {
        HeaderAction::Set(text) => Action::Set(value(text)?),
        HeaderAction::Default(text) => Action::Default(value(text)?),
        HeaderAction::Remove => Action::Remove,
    };
    Ok((name, action))
}

/// They say where an answer ends, or are the gateway's own.
const KEPT: [&str; 12] = [
    "connection",
    "content-encoding",
    "content-length",
    "content-range",
    "date",
    "keep-alive",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "x-request-id",
    "set-cookie",
];

/// A rule that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub enum AnswerError {
    #[error("response_headers: expected the name of a header, found {0:?}")]
    Name(String),
    #[error("response_headers: expected a header that a policy may change, found {0:?}")]
    Kept(String),
    #[error("response_headers: expected a value of visible characters for {0}, found {1:?}")]
    Value(String, String),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(name: &str, action: HeaderAction) -> HeaderRule {
        HeaderRule { name: name.to_owned(), action }
    }

    #[test]
    fn a_route_stands_above_the_gateway_and_both_above_the_strict_ones() {
        let gateway = AnswerPolicy {
            strict: Some(true),
            headers: vec![
                rule("Referrer-Policy", HeaderAction::Set("origin".into())),
                rule("X-Mode", HeaderAction::Default("gateway".into())),
                rule("X-Debug", HeaderAction::Remove),
            ],
            ..AnswerPolicy::default()
        };
        let route = AnswerPolicy {
            headers: vec![
                rule("x-mode", HeaderAction::Default("route".into())),
                rule("Content-Security-Policy", HeaderAction::Remove),
            ],
            ..AnswerPolicy::default()
        };
        let loose = AnswerPolicy { strict: Some(false), ..AnswerPolicy::default() };
        let upstream = [
            ("x-debug", "1"),
            ("referrer-policy", "unsafe-url"),
            ("content-security-policy", "default-src *"),
            ("x-content-type-options", "theirs"),
        ];
        let cases: [(&AnswerPolicy, &[(&str, &str)]); 3] = [
            (
                &AnswerPolicy::default(),
                &[
                    ("content-security-policy", "default-src *"),
                    ("cross-origin-opener-policy", "same-origin"),
                    ("cross-origin-resource-policy", "same-origin"),
                    ("permissions-policy", STRICT_HEADERS[6].1),
                    ("referrer-policy", "origin"),
                    ("strict-transport-security", "max-age=31536000"),
                    ("x-content-type-options", "theirs"),
                    ("x-mode", "gateway"),
                ],
            ),
            (
                &route,
                &[
                    ("cross-origin-opener-policy", "same-origin"),
                    ("cross-origin-resource-policy", "same-origin"),
                    ("permissions-policy", STRICT_HEADERS[6].1),
                    ("referrer-policy", "origin"),
                    ("strict-transport-security", "max-age=31536000"),
                    ("x-content-type-options", "theirs"),
                    ("x-mode", "route"),
                ],
            ),
            (
                &loose,
                &[
                    ("content-security-policy", "default-src *"),
                    ("referrer-policy", "origin"),
                    ("x-content-type-options", "theirs"),
                    ("x-mode", "gateway"),
                ],
            ),
        ];
        for (route, expected) in cases {
            let mut headers: HeaderMap = upstream
                .into_iter()
                .map(|(name, value)| {
                    (HeaderName::from_static(name), HeaderValue::from_static(value))
                })
                .collect();
            Answers::new(&gateway, route).unwrap().apply(&mut headers);
            let mut found: Vec<_> = headers
                .iter()
                .map(|(name, value)| (name.as_str(), value.to_str().unwrap()))
                .collect();
            found.sort_unstable();
            assert_eq!(found, expected);
        }
    }

    #[test]
    fn a_rule_that_cannot_be_is_refused() {
        for (given, expected) in [
            (rule("a b", HeaderAction::Remove), AnswerError::Name("a b".into())),
            (
                rule("Content-Length", HeaderAction::Remove),
                AnswerError::Kept("Content-Length".into()),
            ),
            (
                rule("X-A", HeaderAction::Set("a\r\nb".into())),
                AnswerError::Value("X-A".into(), "a\r\nb".into()),
            ),
        ] {
            assert_eq!(check(&given), Err(expected));
        }
    }
}
