//! Texts of requests in one form and with nothing hidden in them, before they are judged and before their upstream
//! reads them: what was looked at is what the upstream gets.
//!
//! A body is never written anew: a text that changes is replaced where it stands, and every other byte goes on as it
//! came, so that numbers keep their digits and members their order. The path keeps its one form of
//! `request/path.rs`: routes and rules went by it, and it does not change behind them.

mod characters;

mod html;

mod text;

mod marks;

mod json;

mod pairs;

use bytes::Bytes;
use http::{HeaderMap, uri::PathAndQuery};
use http_body::Body as HttpBody;

use self::text::{Cleaner, Rules};
pub use self::{
    marks::{MarkError, Marks},
    text::{Change, Changes},
};
use crate::{
    body::RequestBody,
    policy::{SanitisePolicy, Unwanted, ValidationMode},
    rejection::Rejection,
    request::{path, with_query},
    validate::{
        fault::{Fault, Invalid, Place},
        json::Bounds,
        media::{self, Format},
    },
};

/// What a route does to the texts of its requests.
#[derive(Debug)]
pub struct Sanitise {
    mode: ValidationMode,
    rules: Rules,
    other_bodies: Unwanted,
    body_bytes_max: usize,
    bounds: Bounds,
}

/// What came of it.
#[derive(Clone, Debug)]
pub struct Sanitised {
    /// In a word.
    pub verdict: Verdict,
    /// What was changed, or would have been.
    pub changes: Changes,
    /// Why it is refused, or would have been.
    pub invalid: Option<Invalid>,
}

/// What becomes of a request, as far as its texts go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It goes on as it came.
    Unchanged,
    /// It goes on with texts in another form.
    Changed,
    /// It is refused.
    Refused,
    /// It goes on as it came, though it would have been changed or refused.
    Reported,
    /// It goes on as it came, with a body that nobody looked into.
    Unseen,
}

impl Verdict {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 5] =
        [Self::Unchanged, Self::Changed, Self::Refused, Self::Reported, Self::Unseen];

    /// The value of the metric label.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Unchanged => "unchanged",
            Self::Changed => "changed",
            Self::Refused => "refused",
            Self::Reported => "reported",
            Self::Unseen => "unseen",
        }
    }
}

impl Sanitised {
    /// How the request is refused, where it is.
    #[must_use]
    pub fn refusal(&self) -> Option<Rejection> {
        let refused = self.verdict == Verdict::Refused;
        self.invalid.as_ref().filter(|_| refused).map(|invalid| invalid.fault.rejection())
    }
}

impl Sanitise {
    /// As the policy says.
    ///
    /// # Errors
    /// A pointer that is none.
    pub fn new(policy: &SanitisePolicy) -> Result<Self, MarkError> {
        Ok(Self {
            mode: policy.mode,
            rules: Rules::new(policy)?,
            other_bodies: policy.other_bodies,
            body_bytes_max: policy.body_bytes_max as usize,
            bounds: Bounds { depth: policy.depth_max, values: policy.values_max },
        })
    }

    /// Cleans a request: answers what came of it, and its target where that has changed. Its body is read as far
    /// as that takes; it is all there afterwards, in the form that its upstream is to get.
    ///
    /// # Errors
    /// The body cannot be had.
    pub async fn clean<B>(
        &self,
        target: &PathAndQuery,
        headers: &HeaderMap,
        body: &mut RequestBody<B>,
    ) -> Result<(Sanitised, Option<PathAndQuery>), Rejection>
    where
        B: HttpBody<Data = Bytes, Error = hyper::Error> + Unpin,
    {
        let mut cleaner = Cleaner::new(&self.rules);
        let (target, body_seen) = match self.head(target, &mut cleaner) {
            Ok(target) => (Ok(target), self.body(headers, body, &mut cleaner).await?),
            Err(invalid) => (Err(invalid), Ok(Seen::Whole)),
        };
        let report = self.mode == ValidationMode::Report;
        let (target, unseen, invalid) = match (target, body_seen) {
            (Ok(target), Ok(seen)) => (target, seen == Seen::Not, None),
            (Err(invalid), _) | (_, Err(invalid)) => (None, false, Some(invalid)),
        };
        let changes = if invalid.is_some() { Changes::default() } else { cleaner.changes };
        let verdict = match (&invalid, changes.is_empty()) {
            (Some(_), _) | (None, false) if report => Verdict::Reported,
            (Some(_), _) => Verdict::Refused,
            (None, false) => Verdict::Changed,
            (None, true) if unseen => Verdict::Unseen,
            (None, true) => Verdict::Unchanged,
        };
        Ok((Sanitised { verdict, changes, invalid }, target.filter(|_| !report)))
    }

    /// Cleans what a request asks for: answers it where it has changed.
    ///
    /// # Errors
    /// What is refused in it.
    pub fn target(&self, target: &PathAndQuery) -> Result<Option<PathAndQuery>, Invalid> {
        self.head(target, &mut Cleaner::new(&self.rules))
    }

    /// Cleans a body that is here: answers it where it has changed.
    ///
    /// # Errors
    /// What is refused in it.
    pub fn whole(&self, headers: &HeaderMap, body: &[u8]) -> Result<Option<String>, Invalid> {
        match format(headers) {
            Some(format) => self.content(format, body, &mut Cleaner::new(&self.rules)),
            None => Ok(None),
        }
    }

    fn head(
        &self,
        target: &PathAndQuery,
        cleaner: &mut Cleaner<'_>,
    ) -> Result<Option<PathAndQuery>, Invalid> {
        // What routes and rules went by is not changed behind them: such a path is refused where others are stripped.
        if cleaner.hides(&path::decoded(target.path())) {
            return Err(text::invalid(Fault::ControlCharacter, Place::Path, None));
        }
        let Some(query) = target.query() else { return Ok(None) };
        let Some(query) = pairs::clean(query, Place::Query, cleaner, self.bounds.values)? else {
            return Ok(None);
        };
        let target = with_query(target.path().to_owned(), Some(&query));
        let expected = "a shorter query";
        let too_long = || Invalid::parameter(Fault::BodyTooLarge, Place::Query, "", expected);
        Ok(Some(target.ok_or_else(too_long)?))
    }

    async fn body<B>(
        &self,
        headers: &HeaderMap,
        body: &mut RequestBody<B>,
        cleaner: &mut Cleaner<'_>,
    ) -> Result<Result<Seen, Invalid>, Rejection>
    where
        B: HttpBody<Data = Bytes, Error = hyper::Error> + Unpin,
    {
        let announced = usize::try_from(body.announced_bytes()).unwrap_or(usize::MAX);
        if body.is_here() && announced == 0 {
            return Ok(Ok(Seen::Whole));
        }
        let Some(format) = format(headers) else {
            return Ok(match self.other_bodies {
                Unwanted::Pass => Ok(Seen::Not),
                Unwanted::Refuse => Err(other_body()),
            });
        };
        // What will be refused in any case is not waited for.
        if let Err(invalid) = self.within_size(announced) {
            return Ok(Err(invalid));
        }
        body.gather(self.body_bytes_max + 1).await?;
        let bytes = body.gathered();
        let length = if body.is_here() { bytes.len() } else { usize::MAX };
        let cleaned = self.within_size(length).and_then(|()| self.content(format, &bytes, cleaner));
        Ok(cleaned.map(|cleaned| {
            if let Some(cleaned) = cleaned
                && self.mode == ValidationMode::Enforce
            {
                body.replace(cleaned.into());
            }
            Seen::Whole
        }))
    }

    fn content(
        &self,
        format: Format,
        body: &[u8],
        cleaner: &mut Cleaner<'_>,
    ) -> Result<Option<String>, Invalid> {
        if body.is_empty() {
            return Ok(None);
        }
        let text = std::str::from_utf8(body).map_err(|error| {
            let expected = format!("UTF-8; the byte at offset {} is none", error.valid_up_to());
            Invalid::whole_body(Fault::NotUtf8, expected)
        })?;
        let cleaned = match format {
            Format::Json => json::clean(text, cleaner, self.bounds)?,
            _ => pairs::clean(text, Place::Body, cleaner, self.bounds.values)?,
        };
        // HTML grows where `&` becomes `&amp;`.
        if let Some(cleaned) = &cleaned {
            self.within_size(cleaned.len())?;
        }
        Ok(cleaned)
    }

    fn within_size(&self, length: usize) -> Result<(), Invalid> {
        if length <= self.body_bytes_max {
            return Ok(());
        }
        let expected = format!("at most {} bytes", self.body_bytes_max);
        Err(Invalid::whole_body(Fault::BodyTooLarge, expected))
    }
}

/// How much of a body was looked into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Seen {
    Whole,
    Not,
}

/// How a body is read; nothing where it is not.
fn format(headers: &HeaderMap) -> Option<Format> {
    if media::is_encoded(headers) {
        return None;
    }
    let given = media::given(headers).filter(media::MediaType::is_utf8)?;
    Some(given.format()).filter(|format| matches!(format, Format::Json | Format::Form))
}

fn other_body() -> Invalid {
    let expected = "a body of JSON or application/x-www-form-urlencoded in UTF-8, not encoded";
    Invalid::whole_body(Fault::ContentType, expected)
}

#[cfg(test)]
mod tests;
