//! What is wrong with a request: the fault that is counted, and what its sender is told.

use serde_json::{Value, json};

use super::pointer;
use crate::{limits::VALIDATION_PROBLEMS_MAX, rejection::Rejection};

/// Why a request does not look as it should.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the labels below say what each one is")]
pub enum Fault {
    OperationUnknown,
    ParameterMalformed,
    ContentType,
    ContentEncoding,
    BodyTooLarge,
    TooDeep,
    TooManyValues,
    NotUtf8,
    Syntax,
    TrailingBytes,
    NumberRange,
    MemberRepeated,
    BodyMissing,
    Schema,
    AnswerUnknown,
    ControlCharacter,
    DoubleEncoding,
    TooMuchMarkup,
}

impl Fault {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 18] = [
        Self::OperationUnknown,
        Self::ParameterMalformed,
        Self::ContentType,
        Self::ContentEncoding,
        Self::BodyTooLarge,
        Self::TooDeep,
        Self::TooManyValues,
        Self::NotUtf8,
        Self::Syntax,
        Self::TrailingBytes,
        Self::NumberRange,
        Self::MemberRepeated,
        Self::BodyMissing,
        Self::Schema,
        Self::AnswerUnknown,
        Self::ControlCharacter,
        Self::DoubleEncoding,
        Self::TooMuchMarkup,
    ];

    /// The value of the metric label and of the access log's `denied`.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::OperationUnknown => "operation_unknown",
            Self::ParameterMalformed => "parameter_malformed",
            Self::ContentType => "content_type",
            Self::ContentEncoding => "content_encoding",
            Self::BodyTooLarge => "body_too_large",
            Self::TooDeep => "too_deep",
            Self::TooManyValues => "too_many_values",
            Self::NotUtf8 => "not_utf8",
            Self::Syntax => "syntax",
            Self::TrailingBytes => "trailing_bytes",
            Self::NumberRange => "number_range",
            Self::MemberRepeated => "member_repeated",
            Self::BodyMissing => "body_missing",
            Self::Schema => "schema",
            Self::AnswerUnknown => "answer_unknown",
            Self::ControlCharacter => "control_character",
            Self::DoubleEncoding => "double_encoding",
            Self::TooMuchMarkup => "too_much_markup",
        }
    }

    /// How a request with it is refused.
    #[must_use]
    pub fn rejection(self) -> Rejection {
        match self {
            Self::OperationUnknown => Rejection::OperationUnknown,
            Self::ContentType | Self::ContentEncoding => Rejection::InputUnsupported,
            Self::BodyTooLarge | Self::TooDeep | Self::TooManyValues | Self::TooMuchMarkup => {
                Rejection::InputTooLarge
            }
            Self::ParameterMalformed
            | Self::NotUtf8
            | Self::Syntax
            | Self::TrailingBytes
            | Self::NumberRange
            | Self::MemberRepeated
            | Self::DoubleEncoding => Rejection::InputMalformed,
            Self::BodyMissing | Self::Schema | Self::ControlCharacter => Rejection::InputInvalid,
            Self::AnswerUnknown => Rejection::AnswerInvalid,
        }
    }
}

/// Where something stands in a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs, reason = "the labels below say what each one is")]
pub enum Place {
    Path,
    Query,
    Header,
    Cookie,
    Body,
}

impl Place {
    /// The word of OpenAPI, and in the answer.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Path => "path",
            Self::Query => "query",
            Self::Header => "header",
            Self::Cookie => "cookie",
            Self::Body => "body",
        }
    }

    /// The place that has this name, of those that parameters have.
    #[must_use]
    pub fn of_parameter(name: &str) -> Option<Self> {
        [Self::Path, Self::Query, Self::Header, Self::Cookie]
            .into_iter()
            .find(|place| place.label() == name)
    }
}

/// One thing that is wrong, in words that hold nothing of what was sent but names, and these escaped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where.
    pub place: Place,
    /// Which parameter, as the document has it.
    pub name: Option<String>,
    /// Where in the body or in the parameter's value: a JSON pointer as the fragment of a URI (RFC 6901, 6).
    pub pointer: String,
    /// What was expected.
    pub expected: String,
}

/// Something that does not look as it should.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invalid {
    /// The first fault; it decides what becomes of it.
    pub fault: Fault,
    /// What is wrong, the first things of it; at least one.
    pub problems: Vec<Problem>,
}

impl Invalid {
    /// One fault of a body, at a place in it.
    #[must_use]
    pub fn body(fault: Fault, pointer: String, expected: impl Into<String>) -> Self {
        let (name, expected) = (None, expected.into());
        Self { fault, problems: vec![Problem { place: Place::Body, name, pointer, expected }] }
    }

    /// One fault of a body as a whole.
    #[must_use]
    pub fn whole_body(fault: Fault, expected: impl Into<String>) -> Self {
        Self::body(fault, pointer::ROOT.to_owned(), expected)
    }

    /// One fault of a parameter.
    #[must_use]
    pub fn parameter(fault: Fault, place: Place, name: &str, expected: impl Into<String>) -> Self {
        let (pointer, expected) = (pointer::ROOT.to_owned(), expected.into());
        let name = Some(name.to_owned());
        Self { fault, problems: vec![Problem { place, name, pointer, expected }] }
    }

    /// Adds what another one says, as far as there is room.
    pub fn and(&mut self, other: Self) {
        self.problems.extend(other.problems);
        self.problems.truncate(VALIDATION_PROBLEMS_MAX);
    }

    /// For the member `errors` of an answer.
    #[must_use]
    pub fn errors(&self) -> Value {
        let error = |problem: &Problem| {
            let mut error = json!({
                "in": problem.place.label(),
                "pointer": problem.pointer,
                "expected": problem.expected,
            });
            if let (Some(members), Some(name)) = (error.as_object_mut(), &problem.name) {
                members.insert("name".to_owned(), Value::String(name.clone()));
            }
            error
        };
        Value::Array(self.problems.iter().map(error).collect())
    }

    /// The first problem, for the log: fault, place and pointer.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = format!("invalid:{}", self.fault.label());
        if let Some(problem) = self.problems.first() {
            text.push(':');
            text.push_str(problem.place.label());
            if let Some(name) = &problem.name {
                text.push(':');
                text.push_str(name);
            }
            text.push_str(&problem.pointer);
        }
        text
    }
}
