//! Finds the operation of a path, however many a document has: segment by segment, texts before parameters.

use std::collections::HashMap;

use http::Method;

use crate::request::path::decoded;

/// Operations by their paths and methods; each is a place in a list.
#[derive(Debug, Default)]
pub struct Paths {
    texts: HashMap<String, Paths>,
    parameter: Option<Box<Paths>>,
    operations: Vec<(Method, usize)>,
}

/// A template of a path that is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TemplateError {
    /// What was expected.
    Malformed(&'static str),
    /// Another one takes the same requests.
    Taken,
}

impl Paths {
    /// Enters an operation; answers which segment each parameter is.
    ///
    /// # Errors
    /// The template is none, or takes what another one takes.
    pub fn enter(
        &mut self,
        template: &str,
        method: Method,
        operation: usize,
    ) -> Result<Vec<String>, TemplateError> {
        use TemplateError::Malformed;
        let rest = template.strip_prefix('/').ok_or(Malformed("a path that begins with /"))?;
        let (mut node, mut names) = (self, Vec::new());
        for segment in rest.split('/') {
            let name = segment.strip_prefix('{').and_then(|name| name.strip_suffix('}'));
            node = match name {
                Some(name) if !name.is_empty() && !name.contains(['{', '}']) => {
                    names.push(name.to_owned());
                    node.parameter.get_or_insert_default()
                }
                None if !segment.contains(['{', '}']) => {
                    names.push(String::new());
                    node.texts.entry(decoded(segment).into_owned()).or_default()
                }
                _ => return Err(Malformed("{name} as a segment of its own")),
            };
        }
        if node.operations.iter().any(|(known, _)| *known == method) {
            return Err(TemplateError::Taken);
        }
        node.operations.push((method, operation));
        Ok(names)
    }

    /// The operation of a request; `path` is in its canonical form.
    #[must_use]
    pub fn find(&self, path: &str, method: &Method) -> Option<usize> {
        let segments: Vec<&str> = path.strip_prefix('/')?.split('/').collect();
        let operations = self.below(&segments)?;
        let of = |method: &Method| {
            operations.iter().find(|(known, _)| known == method).map(|(_, operation)| *operation)
        };
        // A HEAD is a GET without its answer's body (RFC 9110, 9.3.2).
        of(method).or_else(|| (method == Method::HEAD).then(|| of(&Method::GET)).flatten())
    }

    fn below(&self, segments: &[&str]) -> Option<&[(Method, usize)]> {
        let Some((segment, rest)) = segments.split_first() else {
            return (!self.operations.is_empty()).then_some(&self.operations);
        };
        let text = self.texts.get(decoded(segment).as_ref()).and_then(|node| node.below(rest));
        text.or_else(|| match &self.parameter {
            Some(node) if !segment.is_empty() => node.below(rest),
            _ => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use http::Method;

    use super::{Paths, TemplateError};

    #[test]
    fn the_closest_template_has_the_request() {
        let mut paths = Paths::default();
        for (number, (template, method)) in [
            ("/", Method::GET),
            ("/orders", Method::GET),
            ("/orders", Method::POST),
            ("/orders/{id}", Method::GET),
            ("/orders/mine", Method::GET),
            ("/orders/{id}/lines/{line}", Method::PUT),
            ("/orders/mine/all", Method::GET),
            ("/caf\u{e9}/", Method::GET),
        ]
        .into_iter()
        .enumerate()
        {
            paths.enter(template, method, number).unwrap();
        }
        for (method, path, expected) in [
            ("GET", "/", Some(0)),
            ("GET", "/orders", Some(1)),
            ("HEAD", "/orders", Some(1)),
            ("POST", "/orders", Some(2)),
            ("PUT", "/orders", None),
            ("GET", "/orders/7", Some(3)),
            ("GET", "/orders/mine", Some(4)),
            ("PUT", "/orders/7/lines/1", Some(5)),
            // What begins like a text may still be a parameter.
            ("PUT", "/orders/mine/lines/1", Some(5)),
            ("GET", "/orders/mine/all", Some(6)),
            ("GET", "/orders/", None),
            ("GET", "/orders//lines/1", None),
            ("GET", "/Orders", None),
            ("GET", "/caf%C3%A9/", Some(7)),
            ("GET", "/caf%C3%A9", None),
        ] {
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            assert_eq!(paths.find(path, &method), expected, "{method} {path}");
        }
    }

    #[test]
    fn templates_that_are_none() {
        for (template, expected) in [
            ("orders", TemplateError::Malformed("a path that begins with /")),
            ("/a/{}", TemplateError::Malformed("{name} as a segment of its own")),
            ("/a/{b}.json", TemplateError::Malformed("{name} as a segment of its own")),
            ("/a/x{b}", TemplateError::Malformed("{name} as a segment of its own")),
            ("/b/{other}", TemplateError::Taken),
        ] {
            let mut paths = Paths::default();
            paths.enter("/b/{one}", Method::GET, 0).unwrap();
            assert_eq!(paths.enter(template, Method::GET, 1), Err(expected), "{template}");
        }
    }
}
