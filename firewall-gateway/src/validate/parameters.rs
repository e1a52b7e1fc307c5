//! Parameters of the path, the query, headers and cookies: found, read as their style says (OpenAPI 3.1, Parameter
//! Object), and judged.

use std::borrow::Cow;

use http::{HeaderMap, HeaderName, header};
use serde_json::{Map, Value};

use super::{
    fault::{Fault, Invalid, Place},
    json::{self, Bounds},
    pairs::{self, Pair},
    schema::Schema,
    shape::{Members, Shape},
};
use crate::request::path::decoded;

/// One parameter of an operation.
#[derive(Debug)]
pub struct Parameter {
    /// Where it stands.
    pub place: Place,
    /// Its name.
    pub name: String,
    /// Whether it must be there.
    pub required: bool,
    /// How its value is written.
    pub style: Style,
    /// What it is to be read as.
    pub shape: Shape,
    /// What must hold for it.
    pub schema: Schema,
    /// Of the path: which segment it is.
    pub segment: usize,
}

/// How a value is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// As text; what it consists of is apart by this sign.
    Separated(char),
    /// As text; each part is a parameter of its own.
    Exploded,
    /// `name[member]=value`.
    Deep,
    /// As JSON.
    Json,
}

/// What parameters are taken from.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// The path in its canonical form.
    pub path: &'a str,
    /// The pairs of the query.
    pub query: &'a [Pair<'a>],
    /// Headers, cookies among them.
    pub headers: &'a HeaderMap,
    /// For values that are written as JSON.
    pub bounds: Bounds,
}

impl Parameter {
    /// Judges what a request has of it.
    ///
    /// # Errors
    /// It is missing, cannot be read, or does not fit.
    pub fn judge(&self, source: &Source<'_>) -> Result<(), Invalid> {
        let wrong = |fault, expected: &str| {
            Err(Invalid::parameter(fault, self.place, &self.name, expected))
        };
        match self.value(source) {
            Err(expected) => wrong(Fault::ParameterMalformed, expected),
            Ok(None) if self.required => wrong(Fault::Schema, "this parameter"),
            Ok(None) => Ok(()),
            Ok(Some(value)) => self.schema.judge(&value, self.place, Some(&self.name)),
        }
    }

    /// Whether a name of the query belongs to it.
    #[must_use]
    pub fn takes(&self, name: &str) -> bool {
        if self.place != Place::Query {
            return false;
        }
        match (self.style, &self.shape) {
            (Style::Deep, _) => member(&self.name, name).is_some(),
            (Style::Exploded, Shape::Members(members)) => members.named.contains_key(name),
            _ => self.name == name,
        }
    }

    fn value(&self, source: &Source<'_>) -> Result<Option<Value>, &'static str> {
        match self.place {
            Place::Path => {
                let segment = source.path.split('/').nth(self.segment + 1);
                segment.map(|raw| self.one(raw, &decode_segment, source.bounds)).transpose()
            }
            Place::Query => {
                let pairs = source.query.iter().map(|pair| (pair.name.as_ref(), pair.raw));
                self.of_pairs(pairs, &decode_query, source.bounds)
            }
            Place::Cookie => {
                let mut cookies = Vec::new();
                for line in source.headers.get_all(header::COOKIE) {
                    let line = line.to_str().map_err(|_| "cookies in plain characters")?;
                    cookies.extend(line.split(';').filter_map(|pair| pair.trim().split_once('=')));
                }
                self.of_pairs(cookies.into_iter(), &plain, source.bounds)
            }
            Place::Header => {
                let Ok(name) = HeaderName::try_from(self.name.as_str()) else { return Ok(None) };
                let mut lines = Vec::new();
                for value in source.headers.get_all(name) {
                    let text = std::str::from_utf8(value.as_bytes());
                    lines.push(text.map_err(|_| "a header in UTF-8")?);
                }
                match (lines.as_slice(), &self.shape) {
                    ([], _) => Ok(None),
                    ([one], _) => self.one(one, &plain, source.bounds).map(Some),
                    (several, Shape::List(_)) => {
                        self.one(&several.join(","), &plain, source.bounds).map(Some)
                    }
                    _ => Err(ONCE),
                }
            }
            Place::Body => Ok(None),
        }
    }

    // A value that is written in one piece.
    fn one(&self, raw: &str, decode: &Decode, bounds: Bounds) -> Result<Value, &'static str> {
        if self.style == Style::Json {
            let text = decode(raw).ok_or(ESCAPES)?;
            return json::read(text.as_bytes(), bounds).map_err(|_| "JSON that has one meaning");
        }
        let separator = match self.style {
            Style::Separated(separator) => separator,
            _ => ',',
        };
        match &self.shape {
            Shape::One(types) => Ok(types.read(&decode(raw).ok_or(ESCAPES)?)),
            Shape::List(_) if raw.is_empty() => Ok(Value::Array(Vec::new())),
            Shape::List(types) => {
                let entries = parts(raw, separator, decode)?;
                Ok(Value::Array(entries.iter().map(|entry| types.read(entry)).collect()))
            }
            Shape::Members(members) => {
                let parts = parts(raw, separator, decode)?;
                // Exploded: a=1,b=2; else a,1,b,2.
                let pairs: Vec<(&str, &str)> = match self.style {
                    Style::Exploded => parts
                        .iter()
                        .map(|part| part.split_once('=').unwrap_or((part, "")))
                        .collect(),
                    _ => {
                        let pairs = parts.chunks(2);
                        pairs
                            .map(|pair| match pair {
                                [name, value] => (name.as_ref(), value.as_ref()),
                                _ => (pair.first().map_or("", AsRef::as_ref), ""),
                            })
                            .collect()
                    }
                };
                object(pairs.into_iter(), members)
            }
            Shape::Any | Shape::Bytes => Ok(decode(raw).ok_or(ESCAPES)?.into()),
        }
    }

    // A value that may be spread over several pairs.
    fn of_pairs<'a>(
        &self,
        pairs: impl Iterator<Item = (&'a str, &'a str)>,
        decode: &Decode,
        bounds: Bounds,
    ) -> Result<Option<Value>, &'static str> {
        let decoded = |raw: &'a str| decode(raw).ok_or(ESCAPES);
        match (self.style, &self.shape) {
            (Style::Deep, Shape::Members(members)) => {
                let mine = pairs
                    .filter_map(|(name, raw)| Some((member(&self.name, name)?, raw)))
                    .map(|(name, raw)| decoded(raw).map(|text| (name, text)))
                    .collect::<Result<Vec<_>, _>>()?;
                if mine.is_empty() {
                    return Ok(None);
                }
                object(mine.iter().map(|(name, value)| (*name, value.as_ref())), members).map(Some)
            }
            (Style::Exploded, Shape::Members(members)) => {
                let mine = pairs
                    .filter(|(name, _)| members.named.contains_key(*name))
                    .map(|(name, raw)| decoded(raw).map(|text| (name, text)))
                    .collect::<Result<Vec<_>, _>>()?;
                if mine.is_empty() {
                    return Ok(None);
                }
                object(mine.iter().map(|(name, value)| (*name, value.as_ref())), members).map(Some)
            }
            (Style::Exploded, Shape::List(types)) => {
                let mine = pairs.filter(|(name, _)| *name == self.name);
                let entries = mine
                    .map(|(_, raw)| decoded(raw).map(|text| types.read(&text)))
                    .collect::<Result<Vec<_>, _>>()?;
                Ok((!entries.is_empty()).then_some(Value::Array(entries)))
            }
            _ => {
                let mut mine = pairs.filter(|(name, _)| *name == self.name);
                let Some((_, raw)) = mine.next() else { return Ok(None) };
                // Of two, some readers take the first and some the last.
                if mine.next().is_some() {
                    return Err(ONCE);
                }
                self.one(raw, decode, bounds).map(Some)
            }
        }
    }
}

type Decode = dyn Fn(&str) -> Option<Cow<'_, str>>;

const ONCE: &str = "this parameter once";
const ESCAPES: &str = "escapes of UTF-8";

fn decode_segment(raw: &str) -> Option<Cow<'_, str>> {
    // The path is in its canonical form.
    Some(decoded(raw))
}

fn decode_query(raw: &str) -> Option<Cow<'_, str>> {
    pairs::value(raw)
}

fn plain(raw: &str) -> Option<Cow<'_, str>> {
    Some(Cow::Borrowed(raw.trim()))
}

// A comma that is escaped is one of a part's own; the other signs stand escaped in a query.
fn parts<'a>(
    raw: &'a str,
    separator: char,
    decode: &Decode,
) -> Result<Vec<Cow<'a, str>>, &'static str> {
    if separator == ',' {
        return raw.split(separator).map(|part| decode(part).ok_or(ESCAPES)).collect();
    }
    let text = decode(raw).ok_or(ESCAPES)?;
    Ok(text.split(separator).map(|part| Cow::Owned(part.to_owned())).collect())
}

// `filter[size]` of `filter` is `size`.
fn member<'a>(parameter: &str, name: &'a str) -> Option<&'a str> {
    name.strip_prefix(parameter)?.strip_prefix('[')?.strip_suffix(']')
}

fn object<'a>(
    pairs: impl Iterator<Item = (&'a str, &'a str)>,
    members: &Members,
) -> Result<Value, &'static str> {
    let mut object = Map::new();
    for (name, text) in pairs {
        let value = match members.shape(name) {
            Shape::One(types) => types.read(text),
            _ => text.into(),
        };
        if object.insert(name.to_owned(), value).is_some() {
            return Err("each member once");
        }
    }
    Ok(Value::Object(object))
}
