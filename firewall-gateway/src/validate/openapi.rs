//! A document of OpenAPI 3.0 or 3.1, or one operation of it, made ready to judge requests.

use std::collections::BTreeMap;

use http::Method;
use serde_json::{Map, Value, json};

use super::{
    answer::{Answer, Statuses},
    body::{Body, Content},
    dialect::{self, Direction},
    fault::Place,
    json::{self, Bounds},
    media::MediaType,
    parameters::{Parameter, Style},
    paths::{Paths, TemplateError},
    pointer::escaped,
    reference,
    schema::{self, Schemas},
    shape::{Members, Shape},
};
use crate::{
    limits::{
        OPENAPI_DEPTH_MAX, OPENAPI_OPERATIONS_MAX, OPENAPI_VALUES_MAX, VALIDATION_REFERENCES_MAX,
    },
    policy::DocumentPolicy,
    request::METHODS,
    route::Pattern,
};

/// The editions of OpenAPI that are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// 3.0: schemas are a dialect of their own.
    V3_0,
    /// 3.1: schemas are those of JSON Schema 2020-12.
    V3_1,
}

/// What an API takes.
#[derive(Debug)]
pub struct Api {
    operations: Vec<Operation>,
    /// None where the one operation takes every request.
    paths: Option<Paths>,
    base: String,
}

/// What one operation takes.
#[derive(Debug)]
pub struct Operation {
    /// Its parameters.
    pub parameters: Vec<Parameter>,
    /// Names of the query that are credentials, which nothing is said of beside.
    pub credentials: Vec<String>,
    /// Its body.
    pub body: Body,
    /// What it answers, where answers are looked at.
    pub answers: Option<Vec<Answer>>,
}

/// A document that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("#{place}: {message}")]
pub struct DocumentError {
    place: String,
    message: String,
}

impl DocumentError {
    fn new(place: impl Into<String>, message: impl Into<String>) -> Self {
        Self { place: place.into(), message: message.into() }
    }
}

impl Api {
    /// All operations of a document, and what they answer where that is wanted.
    ///
    /// # Errors
    /// What is wrong with it, and where.
    pub fn of_document(policy: &DocumentPolicy, answers: bool) -> Result<Self, DocumentError> {
        let given = parsed(&policy.text)?;
        let mut document = given.clone();
        let version = version(&document)?;
        let base = match &policy.base_path {
            Some(base) => base.clone(),
            None => server_base(&document)?,
        };
        prepare(&mut document, version, Direction::Request)?;
        let registry =
            Schemas::registry(&document).map_err(|error| DocumentError::new("", error))?;
        let maker = Maker { document: &document, schemas: Schemas::new(&document, &registry) };
        let (mut operations, mut paths) = (Vec::new(), Paths::default());
        let mut places = Vec::new();
        let templates = document.get("paths").and_then(Value::as_object);
        for template in templates.into_iter().flatten().map(|(template, _)| template) {
            if template.starts_with("x-") {
                continue;
            }
            let item = maker.resolved(format!("/paths/{}", escaped(template)))?;
            for method in &METHODS {
                let place = format!("{item}/{}", method.as_str().to_ascii_lowercase());
                if document.pointer(&place).is_none() {
                    continue;
                }
                if operations.len() >= OPENAPI_OPERATIONS_MAX {
                    let message = format!("expected at most {OPENAPI_OPERATIONS_MAX} operations");
                    return Err(DocumentError::new("/paths", message));
                }
                let names = paths.enter(template, method.clone(), operations.len());
                let names = names.map_err(|error| match error {
                    TemplateError::Malformed(expected) => {
                        DocumentError::new(&item, format!("expected {expected}, found {template:?}"))
                    }
                    TemplateError::Taken => DocumentError::new(
                        &item,
                        format!("expected one path for each request, found {template:?} beside one like it"),
                    ),
                })?;
                let before = base.matches('/').count();
                let segment = |name: &str| {
                    names.iter().position(|known| known == name).map(|place| place + before)
                };
                operations.push(maker.operation(&item, &place, &segment)?);
                places.push(place);
            }
        }
        if operations.is_empty() {
            return Err(DocumentError::new(
                "/paths",
                "expected at least one operation, found none",
            ));
        }
        if answers {
            enter_answers(given, version, &places, &mut operations)?;
        }
        Ok(Self { operations, paths: Some(paths), base })
    }

    /// One operation that takes every request of a route, and what it answers where that is wanted.
    ///
    /// # Errors
    /// What is wrong with it, and where.
    pub fn of_operation(text: &str, path: &Pattern, answers: bool) -> Result<Self, DocumentError> {
        let operation = parsed(text)?;
        let document = json!({"openapi": "3.1.0", "paths": {"/": {"post": operation}}});
        Self::sole(document, path, INLINE, answers)
    }

    /// A body of JSON that must fit a schema, whose `$defs` are its own.
    ///
    /// # Errors
    /// What is wrong with it, and where.
    pub fn of_body(text: &str, path: &Pattern) -> Result<Self, DocumentError> {
        let mut schema = parsed(text)?;
        let defs = schema.as_object_mut().and_then(|schema| schema.remove("$defs"));
        let content = json!({"application/json": {"schema": schema}});
        let operation = json!({"requestBody": {"required": true, "content": content}});
        let mut document = json!({"openapi": "3.1.0", "paths": {"/": {"post": operation}}});
        if let (Some(members), Some(defs)) = (document.as_object_mut(), defs) {
            members.insert("$defs".to_owned(), defs);
        }
        Self::sole(document, path, INLINE_BODY, false)
    }

    // `inside` is where what its author wrote stands.
    fn sole(
        given: Value,
        path: &Pattern,
        inside: &str,
        answers: bool,
    ) -> Result<Self, DocumentError> {
        let mut document = given.clone();
        let inside = |error: DocumentError| DocumentError {
            place: error.place.strip_prefix(inside).unwrap_or(&error.place).to_owned(),
            ..error
        };
        prepare(&mut document, Version::V3_1, Direction::Request).map_err(inside)?;
        let registry =
            Schemas::registry(&document).map_err(|error| DocumentError::new("", error))?;
        let maker = Maker { document: &document, schemas: Schemas::new(&document, &registry) };
        let operation = maker.operation("/paths/~1", INLINE, &|name| path.parameter(name));
        let mut operations = vec![operation.map_err(inside)?];
        if answers {
            let places = [INLINE.to_owned()];
            enter_answers(given, Version::V3_1, &places, &mut operations).map_err(inside)?;
        }
        Ok(Self { operations, paths: None, base: String::new() })
    }

    /// The operation of a request; `path` is in its canonical form.
    #[must_use]
    pub fn find(&self, path: &str, method: &Method) -> Option<&Operation> {
        let place = match &self.paths {
            Some(paths) => paths.find(path.strip_prefix(&self.base)?, method)?,
            None => 0,
        };
        self.operations.get(place)
    }
}

/// Where an operation stands that is written in a route.
const INLINE: &str = "/paths/~1/post";
const INLINE_BODY: &str = "/paths/~1/post/requestBody/content/application~1json/schema";

fn parsed(text: &str) -> Result<Value, DocumentError> {
    let bounds = Bounds { depth: OPENAPI_DEPTH_MAX, values: OPENAPI_VALUES_MAX };
    json::read(text.as_bytes(), bounds).map_err(|invalid| {
        let problem = invalid.problems.into_iter().next();
        let (place, expected) = problem.map(|it| (it.pointer, it.expected)).unwrap_or_default();
        DocumentError::new(place.trim_start_matches('#'), format!("expected {expected}"))
    })
}

fn version(document: &Value) -> Result<Version, DocumentError> {
    let found = document.get("openapi").and_then(Value::as_str).unwrap_or_default();
    match found {
        found if found.starts_with("3.0.") => Ok(Version::V3_0),
        found if found.starts_with("3.1.") => Ok(Version::V3_1),
        _ => Err(DocumentError::new(
            "/openapi",
            format!("expected a document of OpenAPI 3.0 or 3.1, found version {found:?}"),
        )),
    }
}

// What the first server's address says of paths; documents without servers are served at `/`.
fn server_base(document: &Value) -> Result<String, DocumentError> {
    let url = document.pointer("/servers/0/url").and_then(Value::as_str).unwrap_or("/");
    if url.contains('{') {
        let message = "expected a server without variables, or base_path in the configuration";
        return Err(DocumentError::new("/servers/0/url", message));
    }
    let path = match url.split_once("://") {
        Some((_, rest)) => rest.find('/').map_or("", |at| &rest[at..]),
        None => url,
    };
    let path = path.trim_end_matches('/');
    if !path.is_empty() && !path.starts_with('/') {
        let message = format!("expected a URL or a path from /, found {url:?}");
        return Err(DocumentError::new("/servers/0/url", message));
    }
    Ok(path.to_owned())
}

// Schemas mean other things on the way back, so they are made anew.
fn enter_answers(
    mut document: Value,
    version: Version,
    places: &[String],
    operations: &mut [Operation],
) -> Result<(), DocumentError> {
    prepare(&mut document, version, Direction::Response)?;
    let registry = Schemas::registry(&document).map_err(|error| DocumentError::new("", error))?;
    let maker = Maker { document: &document, schemas: Schemas::new(&document, &registry) };
    for (place, operation) in places.iter().zip(operations) {
        operation.answers = Some(maker.answers(place)?);
    }
    Ok(())
}

fn prepare(
    document: &mut Value,
    version: Version,
    direction: Direction,
) -> Result<(), DocumentError> {
    reference::check(document).map_err(|(place, message)| DocumentError::new(place, message))?;
    for place in dialect::convert(document, version, direction) {
        let Some(schema) = document.pointer(&place) else { continue };
        schema::check(schema)
            .map_err(|(inner, message)| DocumentError::new(format!("{place}{inner}"), message))?;
    }
    Ok(())
}

struct Maker<'a> {
    document: &'a Value,
    schemas: Schemas<'a>,
}

type Segment<'a> = dyn Fn(&str) -> Option<usize> + 'a;

impl Maker<'_> {
    /// Where what a place refers to really stands.
    fn resolved(&self, mut place: String) -> Result<String, DocumentError> {
        for _ in 0..VALIDATION_REFERENCES_MAX {
            let object = self.document.pointer(&place);
            match object.and_then(|object| object.get("$ref")).and_then(Value::as_str) {
                None => return Ok(place),
                Some(reference) => {
                    place = reference::place(reference).ok_or_else(|| {
                        DocumentError::new(
                            &place,
                            "expected a reference to a place in this document",
                        )
                    })?;
                }
            }
        }
        Err(DocumentError::new(place, "expected a reference that ends somewhere"))
    }

    fn members(&self, place: &str) -> impl Iterator<Item = (&String, &Value)> {
        self.document.pointer(place).and_then(Value::as_object).into_iter().flatten()
    }

    fn operation(
        &self,
        item: &str,
        place: &str,
        segment: &Segment<'_>,
    ) -> Result<Operation, DocumentError> {
        // Those of the operation take the place of those of the path (OpenAPI 3.1, Operation Object).
        let mut places = BTreeMap::new();
        for list in [format!("{item}/parameters"), format!("{place}/parameters")] {
            let entries = self.document.pointer(&list).and_then(Value::as_array);
            for number in 0..entries.map_or(0, Vec::len) {
                let place = self.resolved(format!("{list}/{number}"))?;
                let (at, name) = self.named(&place)?;
                places.insert((at, name), place);
            }
        }
        let mut parameters = Vec::new();
        for ((at, name), place) in places {
            // Said by what else an operation has (OpenAPI 3.1, Parameter Object).
            let elsewhere = ["accept", "content-type", "authorization"];
            if at == Place::Header && elsewhere.contains(&name.to_ascii_lowercase().as_str()) {
                continue;
            }
            parameters.push(self.parameter(at, name, &place, segment)?);
        }
        let body = match self.document.pointer(&format!("{place}/requestBody")) {
            Some(_) => self.body(&self.resolved(format!("{place}/requestBody"))?)?,
            None => Body::default(),
        };
        Ok(Operation { parameters, credentials: self.credentials(), body, answers: None })
    }

    fn named(&self, place: &str) -> Result<(Place, String), DocumentError> {
        let text =
            |key: &str| self.document.pointer(&format!("{place}/{key}")).and_then(Value::as_str);
        let at = text("in").and_then(Place::of_parameter);
        match (at, text("name")) {
            (Some(at), Some(name)) if !name.is_empty() => Ok((at, name.to_owned())),
            (None, _) => {
                Err(DocumentError::new(place, "in: expected path, query, header or cookie"))
            }
            _ => Err(DocumentError::new(place, "name: expected the name of a parameter")),
        }
    }

    fn parameter(
        &self,
        at: Place,
        name: String,
        place: &str,
        segment: &Segment<'_>,
    ) -> Result<Parameter, DocumentError> {
        let object = self.document.pointer(place).and_then(Value::as_object);
        let object = object.ok_or_else(|| DocumentError::new(place, "expected a parameter"))?;
        let segment = match (at, segment(&name)) {
            (Place::Path, None) => {
                let message = format!("expected {{{name}}} in the path, found none");
                return Err(DocumentError::new(place, message));
            }
            (_, segment) => segment.unwrap_or_default(),
        };
        let (style, schema) = match object.get("content").and_then(Value::as_object) {
            None => (style(at, object, place)?, format!("{place}/schema")),
            Some(content) => match content.keys().next() {
                Some(json) if content.len() == 1 && json == "application/json" => {
                    (Style::Json, format!("{place}/content/{}/schema", escaped(json)))
                }
                _ => {
                    let message = "content: expected application/json alone";
                    return Err(DocumentError::new(place, message));
                }
            },
        };
        let Some(found) = self.document.pointer(&schema) else {
            return Err(DocumentError::new(place, "expected a schema"));
        };
        Ok(Parameter {
            place: at,
            name,
            required: at == Place::Path || object.get("required") == Some(&Value::Bool(true)),
            style,
            shape: Shape::of(self.document, found),
            schema: self.schema(&schema)?,
            segment,
        })
    }

    fn schema(&self, place: &str) -> Result<schema::Schema, DocumentError> {
        self.schemas.at(place).map_err(|message| DocumentError::new(place, message))
    }

    fn body(&self, place: &str) -> Result<Body, DocumentError> {
        let required = self.document.pointer(&format!("{place}/required"));
        let content = self.content(place)?;
        if content.is_empty() {
            return Err(DocumentError::new(place, "content: expected at least one content type"));
        }
        Ok(Body { required: required == Some(&Value::Bool(true)), content })
    }

    fn answers(&self, operation: &str) -> Result<Vec<Answer>, DocumentError> {
        let mut answers = Vec::new();
        for (key, _) in self.members(&format!("{operation}/responses")) {
            let place = format!("{operation}/responses/{}", escaped(key));
            let Some(statuses) = Statuses::parse(key) else {
                if key.starts_with("x-") {
                    continue;
                }
                let message = format!("expected a status, 1XX to 5XX or default, found {key:?}");
                return Err(DocumentError::new(place, message));
            };
            answers.push(Answer { statuses, content: self.content(&self.resolved(place)?)? });
        }
        Ok(answers)
    }

    fn content(&self, place: &str) -> Result<Vec<Content>, DocumentError> {
        let mut content = Vec::new();
        for (name, media) in self.members(&format!("{place}/content")) {
            let at = format!("{place}/content/{}", escaped(name));
            let Some(range) = MediaType::parse(name) else {
                let message = format!("expected a content type, found {name:?}");
                return Err(DocumentError::new(at, message));
            };
            let schema = match media.get("schema") {
                Some(_) => Some(self.schema(&format!("{at}/schema"))?),
                None => None,
            };
            let members = match media.get("schema").map(|schema| Shape::of(self.document, schema)) {
                Some(Shape::Members(members)) => members,
                _ => Members { named: BTreeMap::new() },
            };
            content.push(Content { range, schema, members, encodings: self.encodings(&at)? });
        }
        Ok(content)
    }

    fn encodings(&self, content: &str) -> Result<Vec<(String, Vec<MediaType>)>, DocumentError> {
        let mut encodings = Vec::new();
        for (field, encoding) in self.members(&format!("{content}/encoding")) {
            let Some(text) = encoding.get("contentType").and_then(Value::as_str) else { continue };
            let ranges: Option<Vec<_>> = text.split(',').map(MediaType::parse).collect();
            let ranges = ranges.ok_or_else(|| {
                let at = format!("{content}/encoding/{}/contentType", escaped(field));
                DocumentError::new(at, format!("expected content types, found {text:?}"))
            })?;
            encodings.push((field.clone(), ranges));
        }
        Ok(encodings)
    }

    fn credentials(&self) -> Vec<String> {
        let schemes = self.members("/components/securitySchemes").map(|(_, scheme)| scheme);
        let in_query = schemes.filter(|scheme| scheme.get("in") == Some(&json!("query")));
        in_query.filter_map(|scheme| scheme.get("name")?.as_str().map(str::to_owned)).collect()
    }
}

// OpenAPI 3.1, Parameter Object: style and explode, and what holds where they are not said.
fn style(at: Place, object: &Map<String, Value>, place: &str) -> Result<Style, DocumentError> {
    let given = object.get("style").and_then(Value::as_str);
    let style = given.unwrap_or(match at {
        Place::Query | Place::Cookie => "form",
        _ => "simple",
    });
    let exploded = match object.get("explode") {
        Some(Value::Bool(exploded)) => *exploded,
        _ => style == "form",
    };
    match (at, style, exploded) {
        (Place::Query | Place::Cookie, "form", true)
        | (Place::Path | Place::Header, "simple", true) => Ok(Style::Exploded),
        (Place::Query | Place::Cookie, "form", false)
        | (Place::Path | Place::Header, "simple", false) => Ok(Style::Separated(',')),
        (Place::Query, "spaceDelimited", false) => Ok(Style::Separated(' ')),
        (Place::Query, "pipeDelimited", false) => Ok(Style::Separated('|')),
        (Place::Query, "deepObject", _) => Ok(Style::Deep),
        _ => {
            let message = format!(
                "style: expected form, spaceDelimited, pipeDelimited (these without explode) or \
                 deepObject in a query, form in a cookie, simple elsewhere, found {style:?}"
            );
            Err(DocumentError::new(place, message))
        }
    }
}

#[cfg(test)]
mod tests;
