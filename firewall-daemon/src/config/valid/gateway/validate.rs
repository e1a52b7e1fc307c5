//! Documents of APIs, each named by a route; and what a route holds its requests against.

use firewall_gateway::{
    limits::OPENAPI_MAX,
    policy::{Against, RouteAction, RoutePolicy, ValidationPolicy},
    route::Pattern,
    validate::Validation,
};
use serde_json::Value;
use serde_saphyr::{Location, Spanned};

use crate::config::{
    ConfigError, OpenApiConfig,
    document::{
        Entries,
        validate::{OpenApiDocument, ValidateDocument},
    },
    scalar::Given,
    valid::Check,
};

impl Check<'_> {
    pub(super) fn openapi(
        &self,
        documents: Given<Entries<OpenApiDocument>>,
    ) -> Result<Vec<OpenApiConfig>, ConfigError> {
        let Some(documents) = documents.0 else { return Ok(Vec::new()) };
        let mut checked: Vec<OpenApiConfig> = Vec::new();
        for document in self.counted("openapi", 1..=OPENAPI_MAX, documents)? {
            let document = document.value;
            self.new_name(&document.name, checked.iter().map(|other| &other.name))?;
            checked.push(OpenApiConfig {
                name: document.name.value.0,
                file: self.file(document.file),
                base_path: document.base_path.map(|path| self.base_path(path)).transpose()?,
            });
        }
        Ok(checked)
    }

    fn base_path(&self, path: Spanned<String>) -> Result<String, ConfigError> {
        let text = path.value.trim_end_matches('/');
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte);
        if !path.value.starts_with('/') || text.contains("//") || !text.bytes().all(plain) {
            let message = format!(
                "base_path: expected a path from / of letters, digits, -, ., _ and ~, found {:?}",
                path.value
            );
            return self.error(path.referenced, message);
        }
        Ok(text.to_owned())
    }

    pub(super) fn validation(
        &self,
        given: Option<Spanned<ValidateDocument>>,
        path: &Pattern,
        action: &RouteAction,
        documents: &[OpenApiConfig],
    ) -> Result<Option<ValidationPolicy>, ConfigError> {
        let Some(Spanned { value: given, referenced: place, .. }) = given else { return Ok(None) };
        if !matches!(action, RouteAction::Forward(_)) {
            let message = "validate: expected a route to an upstream";
            return self.error(place, message.to_owned());
        }
        let json = |value: Spanned<Value>| value.value.to_string();
        let against = match (given.openapi, given.operation, given.body) {
            (Some(name), None, None) => {
                let (place, name) = (name.referenced, name.value.0);
                if !documents.iter().any(|document| document.name == name) {
                    let message =
                        format!("openapi: expected a name of gateway.openapi, found {name:?}");
                    return self.error(place, message);
                }
                Against::Document(name)
            }
            (None, Some(operation), None) => Against::Operation(json(operation)),
            (None, None, Some(body)) => Against::Body(json(body)),
            (openapi, operation, body) => {
                let several =
                    [openapi.is_some(), operation.is_some(), body.is_some()].contains(&true);
                let found = if several { "more than one" } else { "none of them" };
                let message =
                    format!("validate: expected one of openapi, operation and body, found {found}");
                return self.error(place, message);
            }
        };
        if let (Some(undocumented), Against::Operation(_) | Against::Body(_)) =
            (&given.undocumented, &against)
        {
            let message = "undocumented: expected it with openapi alone; what is written in a \
                           route holds for all its requests";
            return self.error(undocumented.referenced, message.to_owned());
        }
        if let (Some(responses), Against::Body(_)) = (&given.responses, &against) {
            let message =
                "responses: expected it with openapi or operation, which say what is answered";
            return self.error(responses.referenced, message.to_owned());
        }
        let mut default = ValidationPolicy::new(against);
        default.responses = given.responses.map(|given| given.value);
        // A document is a file, which is read where it is needed.
        if !matches!(default.against, Against::Document(_))
            && let Err(error) = Validation::new(&default, path, &[])
        {
            return self.error(place, format!("validate: {error}"));
        }
        Ok(Some(ValidationPolicy {
            mode: given.mode.unwrap_or(default.mode),
            undocumented: given.undocumented.map_or(default.undocumented, |given| given.value),
            undocumented_query: given.undocumented_query.unwrap_or(default.undocumented_query),
            body_bytes_max: given.body_bytes_max.map_or(default.body_bytes_max, |it| it.cast()),
            depth_max: given.depth_max.map_or(default.depth_max, |it| it.cast()),
            values_max: given.values_max.map_or(default.values_max, |it| it.cast()),
            ..default
        }))
    }

    /// A document that no route names protects nothing.
    pub(super) fn openapi_acts(
        &self,
        place: Location,
        documents: &[OpenApiConfig],
        routes: &[RoutePolicy],
    ) -> Result<(), ConfigError> {
        let named = |document: &OpenApiConfig| {
            let mut validations = routes.iter().filter_map(|route| route.validate.as_ref());
            validations.any(|it| it.against == Against::Document(document.name.clone()))
        };
        match documents.iter().find(|document| !named(document)) {
            None => Ok(()),
            Some(document) => {
                let message = format!(
                    "openapi: expected a route that names {0:?}, found none; write validate: \
                     {{openapi: {0}}} in gateway.routes, or remove it",
                    document.name
                );
                self.error(place, message)
            }
        }
    }
}
