//! Answers of the upstream, held against what the document says that its operation answers.

use http::{HeaderMap, StatusCode, header};

use super::{
    body::Content,
    fault::{Fault, Invalid},
    media::{Format, MediaType},
};

/// What an operation answers with some statuses.
#[derive(Debug)]
pub struct Answer {
    /// Which statuses.
    pub statuses: Statuses,
    /// What the body may be; anything where nothing is said.
    pub content: Vec<Content>,
}

/// A key of `responses`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Statuses {
    /// Such as `200`.
    One(u16),
    /// Such as `2XX`.
    Class(u16),
    /// `default`.
    Others,
}

/// What is to be done with an answer.
#[derive(Debug)]
pub enum Look<'a> {
    /// Its body is not looked into.
    Past,
    /// Its body is judged.
    Into(&'a Content, MediaType),
}

impl Statuses {
    /// Reads a key of `responses`.
    #[must_use]
    pub fn parse(key: &str) -> Option<Self> {
        if key == "default" {
            return Some(Self::Others);
        }
        let class = key.strip_suffix("XX").and_then(|digit| digit.parse().ok());
        match class {
            Some(class) if (1..=5).contains(&class) => Some(Self::Class(class)),
            Some(_) => None,
            None => key.parse().ok().filter(|status| (100..600).contains(status)).map(Self::One),
        }
    }

    // How exactly it names a status.
    fn names(self, status: u16) -> Option<u8> {
        match self {
            Self::One(one) => (one == status).then_some(2),
            Self::Class(class) => (class == status / 100).then_some(1),
            Self::Others => Some(0),
        }
    }
}

/// Judges the head of an answer.
///
/// # Errors
/// The document has no such answer.
pub fn head<'a>(
    answers: &'a [Answer],
    status: StatusCode,
    headers: &HeaderMap,
    empty: bool,
) -> Result<Look<'a>, Invalid> {
    let named =
        answers.iter().filter_map(|answer| Some((answer.statuses.names(status.as_u16())?, answer)));
    let Some((_, answer)) = named.max_by_key(|(exactness, _)| *exactness) else {
        let expected = "a status that the document has";
        return Err(Invalid::whole_body(Fault::AnswerUnknown, expected));
    };
    if answer.content.is_empty() || empty {
        return Ok(Look::Past);
    }
    let given = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let given = given.and_then(MediaType::parse);
    let taken = given.as_ref().and_then(|given| {
        let ranges = answer.content.iter();
        let named = ranges.filter_map(|content| Some((content.range.names(given)?, content)));
        named.max_by_key(|(exactness, _)| *exactness).map(|(_, content)| content)
    });
    let (Some(content), Some(given)) = (taken, given) else {
        let expected = "a content type that the document has";
        return Err(Invalid::whole_body(Fault::ContentType, expected));
    };
    // What is compressed is not opened, and only JSON is looked into.
    let plain = !headers.contains_key(header::CONTENT_ENCODING);
    Ok(match plain && content.schema.is_some() && given.format() == Format::Json {
        true => Look::Into(content, given),
        false => Look::Past,
    })
}

#[cfg(test)]
mod tests {
    use super::Statuses;

    #[test]
    fn keys_of_responses() {
        for (key, expected) in [
            ("200", Some(Statuses::One(200))),
            ("2XX", Some(Statuses::Class(2))),
            ("default", Some(Statuses::Others)),
            ("6XX", None),
            ("99", None),
            ("2xx", None),
            ("ok", None),
        ] {
            assert_eq!(Statuses::parse(key), expected, "{key}");
        }
        for (statuses, status, expected) in [
            (Statuses::One(200), 200, Some(2)),
            (Statuses::One(200), 201, None),
            (Statuses::Class(2), 299, Some(1)),
            (Statuses::Class(2), 300, None),
            (Statuses::Others, 500, Some(0)),
        ] {
            assert_eq!(statuses.names(status), expected, "{statuses:?} {status}");
        }
    }
}
