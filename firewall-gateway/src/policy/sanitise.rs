//! In which form the texts of a route's requests go on.

use serde::{Deserialize, Serialize};

use super::ValidationMode;

/// What is done to texts of the query and of bodies of JSON and forms, and what is refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SanitisePolicy {
    /// Whether it is done, or passes as it came, counted and logged.
    pub mode: ValidationMode,
    /// The form of Unicode that texts are brought to.
    pub unicode: UnicodeForm,
    /// What becomes of control characters and of others that nobody sees.
    pub control_characters: ControlCharacters,
    /// What becomes of a parameter or field that is still percent-encoded after it was decoded.
    pub double_encoding: Unwanted,
    /// JSON pointers to texts that are HTML, with `*` for any member or entry; everything below them too.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub html: Vec<String>,
    /// What becomes of bodies that are neither JSON nor a form, or encoded.
    pub other_bodies: Unwanted,
    /// Bytes of a body of JSON or a form, as it comes and as it goes on; it is held in memory meanwhile.
    pub body_bytes_max: u32,
    /// Objects and lists within each other.
    pub depth_max: u32,
    /// Values of a body, objects and lists among them; fields of forms and parameters of the query likewise.
    pub values_max: u32,
}

impl Default for SanitisePolicy {
    fn default() -> Self {
        Self {
            mode: ValidationMode::Enforce,
            unicode: UnicodeForm::Nfc,
            control_characters: ControlCharacters::Refuse,
            double_encoding: Unwanted::Refuse,
            html: Vec::new(),
            other_bodies: Unwanted::Pass,
            body_bytes_max: 65_536,
            depth_max: 32,
            values_max: 1_024,
        }
    }
}

/// A form of Unicode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UnicodeForm {
    /// Normalization Form C (UAX #15).
    Nfc,
    /// As it came.
    Pass,
}

/// What becomes of control characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ControlCharacters {
    /// The request is refused.
    Refuse,
    /// They are left out, but of a path, which is refused.
    Strip,
    /// They pass.
    Pass,
}

/// What becomes of what is not wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unwanted {
    /// The request is refused.
    Refuse,
    /// It passes.
    Pass,
}
