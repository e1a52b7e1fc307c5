//! What an answer says, held against what it should say and should not.

use http::response::Parts;

use crate::{
    connection::Client,
    observe::Observation,
    rejection::Rejection,
    response::UpstreamBody,
    route::Route,
    scrub::Leaks,
    validate::{Answer, Validation},
};

/// What the answer of an operation is held against.
pub(super) type Judged<'a> = Option<(&'a Validation, &'a [Answer])>;

/// Looks at an answer before it is let out; gives its body back, from which nothing was taken.
pub(super) async fn look(
    route: &Route,
    judged: Judged<'_>,
    head: &Parts,
    mut body: UpstreamBody,
    observation: &mut Observation,
    client: &Client,
) -> Result<UpstreamBody, Rejection> {
    if let Some((validation, answers)) = judged {
        let outcome = validation.judge_answer(answers, head, &mut body).await;
        let (verdict, invalid) = outcome.map_err(|failure| observation.upstream_failed(failure))?;
        observation.answer_validated(verdict, invalid)?;
    }
    let Some(scrub) = &route.scrub else { return Ok(body) };
    let leaks = observation.context.leaks.insert(Leaks::default());
    body = body.scrubbed(scrub.of(&head.headers, leaks, &client.meter));
    if scrub.blocks() {
        body.look_ahead().await.map_err(|failure| observation.upstream_failed(failure))?;
        if observation.context.leaks.as_ref().is_some_and(|leaks| !leaks.is_empty()) {
            body.discard();
            return Err(Rejection::LeakBlocked);
        }
    }
    Ok(body)
}
