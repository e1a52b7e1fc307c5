//! Who may read an answer on another site's page (Fetch standard, 3.2). We answer preflights ourselves, before
//! anything else is asked: a browser sends them without credentials. What the upstream says of it is removed:
//! two answers that differ are what pages get around.

use http::{HeaderMap, HeaderName, HeaderValue, Method, header};

use super::{BrowserError, CrossSite, is_token, origin::Origins};
use crate::policy::CorsPolicy;

/// The rules of a route.
#[derive(Debug)]
pub struct Cors {
    // None is any.
    origins: Option<Origins>,
    methods: Vec<Method>,
    // In lower case.
    headers: Vec<String>,
    credentials: bool,
    allow_methods: HeaderValue,
    allow_headers: Option<HeaderValue>,
    expose_headers: Option<HeaderValue>,
    max_age: HeaderValue,
}

/// What a page's browser asks for, before it sends the request itself.
#[derive(Debug)]
pub struct Preflight {
    /// The method of the request that is to follow.
    pub method: Method,
    origin: HeaderValue,
}

impl Preflight {
    /// A request that is one: `OPTIONS` with one origin and one method that is meant.
    #[must_use]
    pub fn of(method: &Method, headers: &HeaderMap) -> Option<Self> {
        if method != Method::OPTIONS {
            return None;
        }
        let origin = only(headers, &header::ORIGIN)?.clone();
        let meant = only(headers, &header::ACCESS_CONTROL_REQUEST_METHOD)?;
        Some(Self { method: Method::from_bytes(meant.as_bytes()).ok()?, origin })
    }
}

impl Cors {
    /// Prepares the rules.
    ///
    /// # Errors
    /// What is wrong with them.
    pub fn new(policy: &CorsPolicy) -> Result<Self, BrowserError> {
        let any = policy.origins.iter().any(|origin| origin == ANY);
        if any && policy.credentials {
            return Err(BrowserError::AnyWithCredentials);
        }
        if any && policy.origins.len() > 1 {
            return Err(BrowserError::AnyAndNames);
        }
        let shared =
            [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE];
        let method = |name: &String| {
            let method = shared.iter().find(|method| method.as_str() == name);
            method.cloned().ok_or_else(|| BrowserError::Method(name.clone()))
        };
        Ok(Self {
            origins: if any { None } else { Some(Origins::new(&policy.origins)?) },
            methods: policy.methods.iter().map(method).collect::<Result<_, _>>()?,
            headers: policy.headers.iter().map(|name| name.to_ascii_lowercase()).collect(),
            credentials: policy.credentials,
            allow_methods: list("methods", &policy.methods)?.unwrap_or(EMPTY),
            allow_headers: list("headers", &policy.headers)?,
            expose_headers: list("expose", &policy.expose)?,
            max_age: HeaderValue::from(policy.max_age_s),
        })
    }

    /// The headers of the answer to a preflight.
    ///
    /// # Errors
    /// What the page may not do. Its browser is told nothing, which it takes for a no.
    pub fn preflight(
        &self,
        preflight: &Preflight,
        headers: &HeaderMap,
    ) -> Result<HeaderMap, CrossSite> {
        let allowed = self.allowed(&preflight.origin).ok_or(CrossSite::PreflightOrigin)?;
        if !self.methods.contains(&preflight.method) {
            return Err(CrossSite::PreflightMethod);
        }
        let meant = headers.get_all(header::ACCESS_CONTROL_REQUEST_HEADERS);
        for name in meant.iter().flat_map(|value| value.as_bytes().split(|byte| *byte == b',')) {
            let name = name.trim_ascii();
            let known = |known: &String| known.as_bytes().eq_ignore_ascii_case(name);
            if !name.is_empty() && !self.headers.iter().any(known) {
                return Err(CrossSite::PreflightHeader);
            }
        }
        let mut answer = HeaderMap::with_capacity(8);
        answer.insert(header::ACCESS_CONTROL_ALLOW_METHODS, self.allow_methods.clone());
        if let Some(names) = &self.allow_headers {
            answer.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, names.clone());
        }
        answer.insert(header::ACCESS_CONTROL_MAX_AGE, self.max_age.clone());
        self.allow(allowed, &mut answer);
        answer.insert(header::VARY, HeaderValue::from_static(PREFLIGHT_VARY));
        Ok(answer)
    }

    /// Says on any answer who may read it: ours alone counts.
    pub fn mark(&self, origin: Option<&HeaderValue>, headers: &mut HeaderMap) {
        for name in ANSWERS {
            headers.remove(name);
        }
        // A cache must not give one page what was said to another.
        if self.origins.is_some() {
            headers.append(header::VARY, HeaderValue::from_static("Origin"));
        }
        let Some(allowed) = origin.and_then(|origin| self.allowed(origin)) else { return };
        self.allow(allowed, headers);
        if let Some(names) = &self.expose_headers {
            headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, names.clone());
        }
    }

    fn allow(&self, origin: HeaderValue, headers: &mut HeaderMap) {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        if self.credentials {
            headers
                .insert(header::ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        }
    }

    fn allowed(&self, origin: &HeaderValue) -> Option<HeaderValue> {
        match &self.origins {
            None => Some(HeaderValue::from_static(ANY)),
            Some(origins) => origins.contains(origin.to_str().ok()?).then(|| origin.clone()),
        }
    }
}

fn list(key: &'static str, names: &[String]) -> Result<Option<HeaderValue>, BrowserError> {
    if let Some(wrong) = names.iter().find(|name| !is_token(name) || *name == ANY) {
        return Err(BrowserError::Header { key, found: wrong.clone() });
    }
    if names.is_empty() {
        return Ok(None);
    }
    let wrong = |_| BrowserError::Header { key, found: names.join(", ") };
    HeaderValue::try_from(names.join(", ")).map(Some).map_err(wrong)
}

fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a HeaderValue> {
    let mut values = headers.get_all(name).iter();
    values.next().filter(|_| values.next().is_none())
}

const ANY: &str = "*";
const EMPTY: HeaderValue = HeaderValue::from_static("");
const PREFLIGHT_VARY: &str =
    "Origin, Access-Control-Request-Method, Access-Control-Request-Headers";
const ANSWERS: [HeaderName; 6] = [
    header::ACCESS_CONTROL_ALLOW_ORIGIN,
    header::ACCESS_CONTROL_ALLOW_CREDENTIALS,
    header::ACCESS_CONTROL_ALLOW_METHODS,
    header::ACCESS_CONTROL_ALLOW_HEADERS,
    header::ACCESS_CONTROL_EXPOSE_HEADERS,
    header::ACCESS_CONTROL_MAX_AGE,
];
