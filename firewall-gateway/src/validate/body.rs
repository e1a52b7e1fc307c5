//! Bodies: is there one, of a content type that is taken, and does it fit its schema.

use http::HeaderMap;
use serde_json::{Map, Value};

use super::{
    fault::{Fault, Invalid, Place},
    json::{self, Bounds},
    media::{self, Format, MediaType},
    multipart::{self, MultipartError, Part},
    pairs::{self, PairsError},
    pointer,
    schema::Schema,
    shape::{Members, Shape},
};

/// What an operation takes as its body.
#[derive(Debug, Default)]
pub struct Body {
    /// Whether there must be one.
    pub required: bool,
    /// What it may be; nothing where no body is taken.
    pub content: Vec<Content>,
}

/// One content type with what must hold for it.
#[derive(Debug)]
pub struct Content {
    /// The content type, or all of a kind.
    pub range: MediaType,
    /// What must hold.
    pub schema: Option<Schema>,
    /// What a form's fields are to be read as.
    pub members: Members,
    /// Content types of a form's fields, where the document names them.
    pub encodings: Vec<(String, Vec<MediaType>)>,
}

impl Body {
    /// The content type that a request's body has, of those that are taken.
    ///
    /// # Errors
    /// It has another one, or is encoded.
    pub fn content(&self, headers: &HeaderMap) -> Result<(&Content, MediaType), Invalid> {
        if media::is_encoded(headers) {
            let expected = "a body without Content-Encoding";
            return Err(Invalid::whole_body(Fault::ContentEncoding, expected));
        }
        let unknown = || Invalid::whole_body(Fault::ContentType, self.taken());
        let given = media::given(headers).ok_or_else(unknown)?;
        let closest = self
            .content
            .iter()
            .filter_map(|content| Some((content.range.names(&given)?, content)))
            .max_by_key(|(exactness, _)| *exactness);
        match closest {
            Some((_, content)) if given.format() == Format::Other || given.is_utf8() => {
                Ok((content, given))
            }
            Some(_) => Err(Invalid::whole_body(Fault::ContentType, "a body in UTF-8")),
            None => Err(unknown()),
        }
    }

    /// What is taken, in words.
    #[must_use]
    pub fn taken(&self) -> String {
        let name = |content: &Content| format!("{}/{}", content.range.kind, content.range.subtype);
        match self.content.as_slice() {
            [] => "no body".to_owned(),
            several => {
                let names: Vec<String> = several.iter().map(name).collect();
                format!("a body of {}", names.join(" or "))
            }
        }
    }
}

impl Content {
    /// Judges a body of this content type.
    ///
    /// # Errors
    /// It cannot be read, or does not fit.
    pub fn judge(&self, given: &MediaType, body: &[u8], bounds: Bounds) -> Result<(), Invalid> {
        // Something that nobody asked for is not read.
        let Some(schema) = &self.schema else { return Ok(()) };
        let value = match given.format() {
            Format::Json => json::read(body, bounds)?,
            Format::Form => self.form(body, bounds)?,
            Format::Multipart => {
                let boundary = given.parameter("boundary").unwrap_or_default();
                self.multipart(body, boundary, bounds)?
            }
            Format::Text => utf8(body, pointer::ROOT)?.into(),
            Format::Other => return Ok(()),
        };
        schema.judge(&value, Place::Body, None)
    }

    fn form(&self, body: &[u8], bounds: Bounds) -> Result<Value, Invalid> {
        let text = utf8(body, pointer::ROOT)?;
        let pairs = pairs::read(text, bounds.values).map_err(|error| match error {
            PairsError::Malformed => Invalid::whole_body(
                Fault::Syntax,
                "application/x-www-form-urlencoded with escapes of UTF-8",
            ),
            PairsError::TooMany => too_many(bounds),
        })?;
        let mut object = Map::new();
        for pair in &pairs {
            let text = pairs::value(pair.raw).unwrap_or_default();
            let part =
                Part { name: &pair.name, file: false, content_type: None, data: text.as_bytes() };
            self.enter(&mut object, &part, bounds)?;
        }
        Ok(Value::Object(object))
    }

    fn multipart(&self, body: &[u8], boundary: &str, bounds: Bounds) -> Result<Value, Invalid> {
        let parts =
            multipart::read(body, boundary, bounds.values).map_err(|error| match error {
                MultipartError::Malformed(expected) => Invalid::whole_body(Fault::Syntax, expected),
                MultipartError::TooMany => too_many(bounds),
            })?;
        let mut object = Map::new();
        for part in &parts {
            self.enter(&mut object, part, bounds)?;
        }
        Ok(Value::Object(object))
    }

    // Puts a field where it belongs: a list of them where its schema is one.
    fn enter(
        &self,
        object: &mut Map<String, Value>,
        part: &Part<'_>,
        bounds: Bounds,
    ) -> Result<(), Invalid> {
        let shape = self.members.shape(part.name);
        let value = self.field(part, shape, bounds)?;
        match (object.get_mut(part.name), shape) {
            (None, Shape::List(_)) => drop(object.insert(part.name.to_owned(), vec![value].into())),
            (Some(Value::Array(list)), Shape::List(_)) => list.push(value),
            (None, _) => drop(object.insert(part.name.to_owned(), value)),
            (Some(_), _) => {
                let expected = "each field once";
                return Err(Invalid::body(Fault::MemberRepeated, at(part.name), expected));
            }
        }
        Ok(())
    }

    fn field(&self, part: &Part<'_>, shape: &Shape, bounds: Bounds) -> Result<Value, Invalid> {
        let wrong_type = |expected: &str| {
            Err(Invalid::body(Fault::ContentType, at(part.name), expected.to_owned()))
        };
        let given = match part.content_type {
            None => None,
            Some(text) => match MediaType::parse(text) {
                Some(given) => Some(given),
                None => return wrong_type("a content type"),
            },
        };
        let named = self.encodings.iter().find(|(name, _)| name == part.name);
        let taken = named.map(|(_, ranges)| ranges.as_slice()).unwrap_or_default();
        if let Some(given) = &given
            && !taken.is_empty()
            && !taken.iter().any(|range| range.names(given).is_some())
        {
            return wrong_type("one of the content types that the document names");
        }
        let format = given.as_ref().or(taken.first()).map(MediaType::format);
        let json = matches!((format, shape), (Some(Format::Json), _) | (None, Shape::Members(_)));
        if json {
            return json::read(part.data, bounds).map_err(|invalid| within(invalid, part.name));
        }
        match shape {
            // A character for each byte: the schema bounds its length.
            Shape::Bytes => Ok(Value::String(part.data.iter().copied().map(char::from).collect())),
            Shape::Any if part.file => {
                Ok(Value::String(part.data.iter().copied().map(char::from).collect()))
            }
            Shape::One(types) | Shape::List(types) => {
                Ok(types.read(utf8(part.data, &at(part.name))?))
            }
            Shape::Any | Shape::Members(_) => Ok(utf8(part.data, &at(part.name))?.into()),
        }
    }
}

fn at(name: &str) -> String {
    pointer::fragment("", Some(name))
}

fn within(mut invalid: Invalid, name: &str) -> Invalid {
    for problem in &mut invalid.problems {
        let inner = problem.pointer.trim_start_matches('#').to_owned();
        problem.pointer = at(name) + &inner;
    }
    invalid
}

fn utf8<'a>(bytes: &'a [u8], at: &str) -> Result<&'a str, Invalid> {
    std::str::from_utf8(bytes).map_err(|error| {
        let expected = format!("UTF-8; the byte at offset {} is none", error.valid_up_to());
        Invalid::body(Fault::NotUtf8, at.to_owned(), expected)
    })
}

fn too_many(bounds: Bounds) -> Invalid {
    let expected = format!("at most {} fields", bounds.values);
    Invalid::whole_body(Fault::TooManyValues, expected)
}
