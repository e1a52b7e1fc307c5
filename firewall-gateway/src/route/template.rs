//! Paths that are made from the path of a request: for a rewrite, and for a redirect.

use http::{HeaderValue, StatusCode, uri::Uri};

use super::{Pattern, PatternError, pattern::Segment};

/// A path made of texts, of `{name}` as the route's pattern found it, and of a last `*` for what the
/// pattern's `*` took. Only whole segments of a canonical path go in, so that what comes out is one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    pieces: Vec<Piece>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    // The segment of the path at this place.
    Segment(usize),
    // All segments from this place on.
    Rest(usize),
}

impl Template {
    /// Reads a template for paths that fit `pattern`.
    ///
    /// # Errors
    /// What was expected, and what was found.
    pub fn parse(text: &str, pattern: &Pattern) -> Result<Self, TemplateError> {
        let shape = Pattern::parse(text)?;
        let mut pieces = Vec::new();
        for segment in shape.segments {
            pieces.push(match segment {
                Segment::Literal(text) => Piece::Text(text),
                Segment::Parameter(name) => {
                    let same = |known: &Segment| matches!(known, Segment::Parameter(known) if *known == name);
                    match pattern.segments.iter().position(same) {
                        Some(place) => Piece::Segment(place),
                        None => return Err(TemplateError::Parameter { name }),
                    }
                }
            });
        }
        if shape.open {
            if !pattern.open {
                return Err(TemplateError::Rest);
            }
            pieces.push(Piece::Rest(pattern.segments.len()));
        }
        Ok(Self { pieces })
    }

    /// The path made from one that fits the pattern.
    #[must_use]
    pub fn fill(&self, path: &str) -> String {
        let mut filled = String::with_capacity(path.len());
        let found = || path.split('/').skip(1);
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => {
                    filled.push('/');
                    filled.push_str(text);
                }
                Piece::Segment(place) => {
                    filled.push('/');
                    filled.push_str(found().nth(*place).unwrap_or_default());
                }
                Piece::Rest(place) => {
                    for segment in found().skip(*place) {
                        filled.push('/');
                        filled.push_str(segment);
                    }
                }
            }
        }
        if filled.is_empty() {
            filled.push('/');
        }
        filled
    }
}

/// Where a client is sent, with its query: `https://host/path`, or a path of the same host. The host
/// is that of the policy, whatever the request says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redirect {
    /// The answer's status.
    pub status: StatusCode,
    origin: String,
    path: Template,
}

impl Redirect {
    /// Reads where to, for paths that fit `pattern`.
    ///
    /// # Errors
    /// What was expected, and what was found.
    pub fn parse(to: &str, status: u16, pattern: &Pattern) -> Result<Self, TemplateError> {
        let wrong = || TemplateError::Target { found: to.to_owned() };
        let status = [301, 302, 307, 308]
            .contains(&status)
            .then(|| StatusCode::from_u16(status).ok())
            .flatten()
            .ok_or(TemplateError::Status { found: status })?;
        let (origin, path) = match to.split_once("://") {
            Some((scheme, rest)) if ["https", "http"].contains(&scheme) => {
                let end = rest.find('/').ok_or_else(wrong)?;
                to.split_at(scheme.len() + "://".len() + end)
            }
            Some(_) => return Err(wrong()),
            None => ("", to),
        };
        if !origin.is_empty() {
            let uri: Uri = origin.parse().map_err(|_| wrong())?;
            let plain = |authority: &str| !authority.contains(['@', '{', '*']);
            if !uri.authority().is_some_and(|host| plain(host.as_str())) {
                return Err(wrong());
            }
        }
        Ok(Self { status, origin: origin.to_owned(), path: Template::parse(path, pattern)? })
    }

    /// The value of `Location`; nothing where the query has bytes that no header can hold.
    #[must_use]
    pub fn location(&self, path: &str, query: Option<&str>) -> Option<HeaderValue> {
        let mut location = self.origin.clone() + &self.path.fill(path);
        if let Some(query) = query {
            location.push('?');
            location.push_str(query);
        }
        HeaderValue::from_str(&location).ok()
    }
}

/// Text that is no template.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs, reason = "the messages say it")]
pub enum TemplateError {
    #[error(transparent)]
    Path(#[from] PatternError),
    #[error("expected parameters of the route's path, found {{{name}}}, which is none")]
    Parameter { name: String },
    #[error("expected a path without *, found one; the route's path has none to take it from")]
    Rest,
    #[error(
        "expected https://HOST/PATH, http://HOST/PATH or /PATH with a host of its own, found {found:?}"
    )]
    Target { found: String },
    #[error("expected 301, 302, 307 or 308, found {found}")]
    Status { found: u16 },
}

#[cfg(test)]
mod tests {
    use super::{Redirect, Template};
    use crate::{request::path, route::Pattern};

    #[test]
    fn paths_made_of_paths() {
        for (pattern, template, path, expected) in [
            ("/users/{id}", "/v2/users/{id}", "/users/7", "/v2/users/7"),
            ("/u/{a}/k/{b}", "/{b}/of/{a}", "/u/1/k/2", "/2/of/1"),
            ("/api/*", "/*", "/api/a/b", "/a/b"),
            ("/api/*", "/*", "/api/", "/"),
            ("/api/*", "/*", "/api", "/"),
            ("/api/*", "/v2/*", "/api", "/v2"),
            ("/api/*", "/v2/*", "/api/", "/v2/"),
            ("/*", "/v2/*", "/", "/v2/"),
            ("/*", "/v2/*", "/caf%C3%A9/b", "/v2/caf%C3%A9/b"),
            ("/{t}/api/*", "/*", "/a/api/x/y/", "/x/y/"),
            ("/old", "/new/", "/old", "/new/"),
        ] {
            let pattern = Pattern::parse(pattern).unwrap();
            let made = Template::parse(template, &pattern).unwrap().fill(path);
            assert_eq!(made, expected, "{template} {path}");
            assert_eq!(path::canonical(&made).as_deref(), Some(expected));
        }
    }

    #[test]
    fn what_is_no_template() {
        for (pattern, template, expected) in [
            ("/a", "v2", "begins with /"),
            ("/a", "/{id}", "found {id}, which is none"),
            ("/a", "/*", "the route's path has none"),
            ("/a", "//b", "no empty segment"),
        ] {
            let pattern = Pattern::parse(pattern).unwrap();
            let error = Template::parse(template, &pattern).unwrap_err().to_string();
            assert!(error.contains(expected), "{template}: {error}");
        }
    }

    #[test]
    fn a_redirect_has_a_host_of_its_own() {
        let pattern = Pattern::parse("/{first}/*").unwrap();
        for (to, expected) in [
            ("https://new.example/{first}/*", Ok("https://new.example/x.example/y?q=//z")),
            ("http://new.example:8080/*", Ok("http://new.example:8080/y?q=//z")),
            ("/b/{first}", Ok("/b/x.example?q=//z")),
            ("https://{first}/*", Err("with a host of its own")),
            ("https://new.example@{first}/*", Err("with a host of its own")),
            ("https://u@new.example/*", Err("with a host of its own")),
            ("https://new.example", Err("with a host of its own")),
            ("https:///*", Err("with a host of its own")),
            ("ftp://new.example/*", Err("with a host of its own")),
            ("//new.example/*", Err("no empty segment")),
            ("new.example/*", Err("begins with /")),
        ] {
            let found = Redirect::parse(to, 308, &pattern);
            match (found, expected) {
                (Ok(redirect), Ok(location)) => {
                    let found = redirect.location("/x.example/y", Some("q=//z")).unwrap();
                    assert_eq!(found, location, "{to}");
                }
                (Err(error), Err(words)) => {
                    assert!(error.to_string().contains(words), "{to}: {error}");
                }
                (found, _) => panic!("{to}: {found:?}"),
            }
        }
        let error = Redirect::parse("/a", 300, &pattern).unwrap_err().to_string();
        assert_eq!(error, "expected 301, 302, 307 or 308, found 300");
    }
}
