//! In which form the texts of a route's requests go on.

use firewall_gateway::{
    limits::SANITISE_HTML_POINTERS_MAX,
    policy::{RouteAction, SanitisePolicy},
    sanitise::Marks,
};
use serde_saphyr::Spanned;

use crate::config::{ConfigError, document::sanitise::SanitiseDocument, valid::Check};

impl Check<'_> {
    pub(super) fn sanitise(
        &self,
        given: Option<Spanned<SanitiseDocument>>,
        action: &RouteAction,
    ) -> Result<Option<SanitisePolicy>, ConfigError> {
        let Some(Spanned { value: given, referenced: place, .. }) = given else { return Ok(None) };
        if !matches!(action, RouteAction::Forward(_)) {
            let message = "sanitise: expected a route to an upstream";
            return self.error(place, message.to_owned());
        }
        let html = match given.html.0 {
            None => Vec::new(),
            Some(html) => {
                let pointers = self.counted("html", 1..=SANITISE_HTML_POINTERS_MAX, html)?;
                for pointer in &pointers {
                    if let Err(error) = Marks::new(std::slice::from_ref(&pointer.value)) {
                        return self.error(pointer.referenced, format!("html: {error}"));
                    }
                }
                self.each_once("html", pointers, |pointer| pointer)?
            }
        };
        let default = SanitisePolicy::default();
        Ok(Some(SanitisePolicy {
            mode: given.mode.unwrap_or(default.mode),
            unicode: given.unicode.unwrap_or(default.unicode),
            control_characters: given.control_characters.unwrap_or(default.control_characters),
            double_encoding: given.double_encoding.unwrap_or(default.double_encoding),
            html,
            other_bodies: given.other_bodies.unwrap_or(default.other_bodies),
            body_bytes_max: given.body_bytes_max.map_or(default.body_bytes_max, |it| it.cast()),
            depth_max: given.depth_max.map_or(default.depth_max, |it| it.cast()),
            values_max: given.values_max.map_or(default.values_max, |it| it.cast()),
        }))
    }
}
