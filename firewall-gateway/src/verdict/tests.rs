//! Challenges, and what outcomes mean for a request.

use super::*;

fn asks(on_failure: OnFailure) -> Asks {
    let service = Service {
        name: "fraud".into(),
        upstream: 0,
        path: PathAndQuery::from_static("/"),
        form: VerdictForm::Seawall,
        source: SOURCE.to_owned(),
        challenge: challenge(&[]).unwrap(),
        outcomes: Default::default(),
    };
    Asks { service: Arc::new(service), within: Duration::from_millis(1), on_failure }
}

#[test]
fn an_outcome_acts_and_a_failure_does_as_was_said() {
    for (number, outcome) in Outcome::ALL.into_iter().enumerate() {
        assert_eq!(outcome as usize, number);
        let judged = Judged { service: "fraud".into(), outcome, reason: None };
        let answered = match outcome {
            Outcome::Allow => Some(None),
            Outcome::StepUp => Some(Some(Rejection::StepUpRequired)),
            Outcome::Block => Some(Some(Rejection::VerdictBlocked)),
            _ => None,
        };
        for (on_failure, failed) in
            [(OnFailure::Allow, None), (OnFailure::Block, Some(Rejection::VerdictUnavailable))]
        {
            let expected = answered.unwrap_or(failed);
            assert_eq!(asks(on_failure).refuses(&judged), expected, "{outcome:?} {on_failure:?}");
        }
    }
}

#[test]
fn every_failure_to_answer_has_its_outcome() {
    for (error, expected) in [
        (PostError::Late, Outcome::Timeout),
        (PostError::Broken, Outcome::Unreachable),
        (PostError::TooLong, Outcome::Malformed),
        (PostError::Upstream(UpstreamFailure::Connect), Outcome::Unreachable),
        (PostError::Upstream(UpstreamFailure::NoBackend), Outcome::Unreachable),
        (PostError::Upstream(UpstreamFailure::QueueFull), Outcome::Busy),
        (PostError::Upstream(UpstreamFailure::BreakerOpen), Outcome::Skipped),
    ] {
        assert_eq!(Outcome::of_error(error), expected, "{error:?}");
    }
}

#[test]
fn challenges() {
    let plain = "Bearer error=\"insufficient_user_authentication\", \
                 error_description=\"A different authentication is required\"";
    for (values, expected) in [
        (vec![], Some(plain.to_owned())),
        (vec!["urn:mfa"], Some(format!("{plain}, acr_values=\"urn:mfa\""))),
        (vec!["a", "b"], Some(format!("{plain}, acr_values=\"a b\""))),
        (vec!["a\""], None),
        (vec!["a\\b"], None),
        (vec!["a b"], None),
        (vec![""], None),
    ] {
        let values: Vec<String> = values.into_iter().map(str::to_owned).collect();
        let found = challenge(&values);
        assert_eq!(
            found.as_ref().map(|it| it.to_str().unwrap()),
            expected.as_deref(),
            "{values:?}"
        );
    }
}
