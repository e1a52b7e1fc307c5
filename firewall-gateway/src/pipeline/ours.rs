//! A page of our own: nobody's route, so the limits are those that hold everywhere.

use std::{
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;

use super::counted;
use crate::{
    body::{BodyFate, RequestBody},
    connection::Client,
    limits::{LOGOUT_BODY_BYTES_MAX, Limits},
    login::{Login, Page, Visit},
    observe::Observation,
    rate::When,
    rejection::Rejection,
    request::Target,
};

/// Which one.
pub(super) struct Ours<'a> {
    /// Of which login.
    pub login: &'a Login,
    /// What it is for.
    pub page: Page,
    /// Where it was asked for.
    pub target: &'a Target,
}

impl Ours<'_> {
    pub(super) async fn serve(
        &self,
        request: Request<Incoming>,
        client: &Client,
        fate: &Arc<BodyFate>,
        observation: &mut Observation,
    ) -> Result<Response<Bytes>, Rejection> {
        let address = observation.context.origin.client;
        let whence = (address, observation.context.country);
        let asked = counted(None, whence, request.headers(), None);
        let early = client.rates.admit(When::Early, None, &asked, &mut observation.due);
        let wait = early.map_err(|limited| observation.limited(limited))?;
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
        let served = self.page.method();
        if *request.method() != served {
            observation.context.allow = Some(served.to_string());
            return Err(Rejection::MethodNotAllowed);
        }
        let (head, body) = request.into_parts();
        let now = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
        let query = self.target.path.query().unwrap_or_default();
        let visit = Visit { query, headers: &head.headers, address, now };
        let (logins, meter) = (&client.logins, &client.meter);
        let done = match self.page {
            Page::Login => self.login.visit(visit, meter),
            Page::Callback => logins.come_back(self.login, visit, &client.identifier, meter).await,
            Page::Logout => {
                logins
                    .may_leave(visit, &self.target.host)
                    .map_err(|refused| observation.cross_site(refused))?;
                logins.leave(self.login, visit, meter)
            }
            Page::FrontChannel => {
                let may = client.identifier.may_try(address, now);
                may.map_err(|refused| observation.nobody(refused))?;
                let seen = logins.see(self.login, visit, meter);
                if !matches!(seen, Ok((_, 1..))) {
                    client.identifier.tried(address, now);
                }
                seen.map(|(answer, _)| answer)
            }
            Page::BackChannel => {
                let form = form(body, client, fate).await?;
                logins.hear(self.login, &form, visit, &client.identifier, meter)
            }
        };
        done.map_err(|error| observation.login_failed(error))
    }
}

/// A small body, whole.
async fn form(body: Incoming, client: &Client, fate: &Arc<BodyFate>) -> Result<Bytes, Rejection> {
    let limits = Limits { body_bytes_max: LOGOUT_BODY_BYTES_MAX, ..(*client.limits).clone() };
    let deadline = Instant::now() + Duration::from_millis(limits.body_timeout_ms);
    let body = RequestBody::new(body, &limits, deadline.into(), fate.clone())?;
    let read = body.collect().await;
    read.map(|whole| whole.to_bytes())
        .map_err(|_| fate.rejection().unwrap_or(Rejection::BodyMalformed))
}
