//! What a service answers. What is not a verdict is none, whatever else it may be.

use std::sync::Arc;

use serde::Deserialize;

use super::Outcome;
use crate::{access_log, policy::VerdictForm};

/// Reads an answer.
#[must_use]
pub fn read(form: VerdictForm, body: &[u8]) -> (Outcome, Option<Arc<str>>) {
    let read = match form {
        VerdictForm::Seawall => serde_json::from_slice(body).map(|answer: Answer| {
            let outcome = match answer.verdict {
                Word::Allow => Outcome::Allow,
                Word::StepUp => Outcome::StepUp,
                Word::Block => Outcome::Block,
            };
            (outcome, answer.reason)
        }),
        VerdictForm::Opa => serde_json::from_slice(body).map(|document: Document| {
            let (allow, reason) = match document.result {
                Decided::Plain(allow) => (allow, None),
                Decided::Object { allow, reason } => (allow, reason),
            };
            (if allow { Outcome::Allow } else { Outcome::Block }, reason)
        }),
    };
    match read {
        Ok((outcome, reason)) => {
            (outcome, reason.map(|reason| access_log::text(&reason)).map(Arc::from))
        }
        Err(_) => (Outcome::Malformed, None),
    }
}

#[derive(Deserialize)]
struct Answer {
    verdict: Word,
    reason: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Word {
    Allow,
    StepUp,
    Block,
}

/// Where no rule decides there is no `result`: that is no answer.
#[derive(Deserialize)]
struct Document {
    result: Decided,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Decided {
    Plain(bool),
    Object { allow: bool, reason: Option<String> },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers() {
        use {Outcome::*, VerdictForm::*};
        for (form, body, outcome, reason) in [
            (Seawall, r#"{"verdict":"allow"}"#, Allow, None),
            (
                Seawall,
                r#"{"verdict":"block","reason":"card testing","score":9}"#,
                Block,
                Some("card\\x20testing"),
            ),
            (Seawall, r#"{"verdict":"step_up","reason":null}"#, StepUp, None),
            (
                Seawall,
                "{\"verdict\":\"block\",\"reason\":\"a\\nb\\\"\"}",
                Block,
                Some("a\\x0ab\\x22"),
            ),
            (Seawall, r#"{"verdict":"ALLOW"}"#, Malformed, None),
            (Seawall, r#"{"verdict":true}"#, Malformed, None),
            (Seawall, r#"{"verdict":"block","verdict":"allow"}"#, Malformed, None),
            (Seawall, r#"{"verdict":"allow"} {}"#, Malformed, None),
            (Seawall, r#"{"result":true}"#, Malformed, None),
            (Seawall, "", Malformed, None),
            (Seawall, "allow", Malformed, None),
            (Opa, r#"{"result":true}"#, Allow, None),
            (Opa, r#"{"result":false,"decision_id":"x"}"#, Block, None),
            (Opa, r#"{"result":{"allow":true}}"#, Allow, None),
            (Opa, r#"{"result":{"allow":false,"reason":"hours"}}"#, Block, Some("hours")),
            (Opa, r#"{"result":{}}"#, Malformed, None),
            (Opa, r#"{"result":"true"}"#, Malformed, None),
            (Opa, r#"{"result":1}"#, Malformed, None),
            (Opa, "{}", Malformed, None),
            (Opa, r#"{"verdict":"allow"}"#, Malformed, None),
        ] {
            let read = read(form, body.as_bytes());
            assert_eq!((read.0, read.1.as_deref()), (outcome, reason), "{body}");
        }
    }

    #[test]
    fn a_reason_is_bounded() {
        let body = format!("{{\"verdict\":\"block\",\"reason\":\"{}\"}}", "x".repeat(2_000));
        let (_, reason) = read(VerdictForm::Seawall, body.as_bytes());
        assert_eq!(reason.map(|reason| reason.len()), Some(crate::limits::LOG_TEXT_BYTES_MAX));
    }
}
