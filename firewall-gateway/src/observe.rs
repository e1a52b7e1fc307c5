//! Runs on every exit of a request: answered, refused, broken off, or left by the client.

use std::{
    rc::Rc,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Instant,
};

use http::{Method, Uri};

use crate::{
    access_log::{AccessLog, Details, Record},
    authorise::Forbidden,
    behaviour::{
        Behaviour, Ended, Source,
        board::{Standing, Turn},
    },
    body::BodyFate,
    browser::CrossSite,
    clients::{addresses::Seat, forwarded::Origin},
    connection::{Activity, Client, Unread},
    context::{RequestContext, RequestId},
    events::Events,
    figures::{Meter, one},
    identity::Refused,
    login::LoginError,
    rate::{Due, Limited},
    rejection::{Rejection, UpstreamFailure},
    route::Route,
    sanitise::Sanitised,
    trace::export::Tracer,
    validate::{Verdict, fault::Invalid},
};

/// Accompanies one request; its end, and so `drop`, is the end of the request.
///
/// `drop` rather than a call at the end of the pipeline: a client that leaves makes the HTTP
/// library drop the future or the body in the middle, and that exit has to be seen too.
pub struct Observation {
    /// What is known about the request.
    pub context: RequestContext,
    route: Option<usize>,
    status: Option<u16>,
    bytes_out: u64,
    answered: bool,
    fate: Arc<BodyFate>,
    log: Arc<AccessLog>,
    tracer: Option<Tracer>,
    events: Option<Arc<Events>>,
    meter: Arc<Meter>,
    activity: Rc<Activity>,
    unread: Rc<Unread>,
    seat: Option<Seat>,
    /// What it owes its limits.
    pub due: Due,
    behaviour: Option<Arc<Behaviour>>,
    /// Whether the client's own packets brought it here.
    direct: bool,
    offences: Option<Arc<[u16]>>,
}

impl Observation {
    /// Begins with the head of a request.
    #[must_use]
    pub fn begin(
        client: &Client,
        id: RequestId,
        method: Option<Method>,
        uri: Uri,
        fate: Arc<BodyFate>,
        unread: Rc<Unread>,
    ) -> Box<Self> {
        client.activity.request_began();
        // It goes from hand to hand with the answer's body.
        Box::new(Self {
            context: RequestContext {
                id,
                peer: client.peer,
                origin: Origin { client: client.peer.ip().to_canonical(), proxies: Vec::new() },
                country: None,
                ja4: client.ja4.clone(),
                protocol: client.protocol,
                tls_version: client.tls_version,
                certificate: client.certificate.clone(),
                start: Instant::now(),
                method,
                uri,
                route: None,
                identity: None,
                leaks: None,
                denied: None,
                login: None,
                forbidden: None,
                cross_site: None,
                page: None,
                sanitised: None,
                validated: None,
                invalid: None,
                answer_invalid: None,
                limited: None,
                verdict: None,
                choice: None,
                details: Details::default(),
                trace: None,
                upstream_sent: None,
                backend: None,
                upstream_duration: None,
                rejection: None,
                score: None,
                consumer_score: None,
                challenge_page: None,
                retry_after: None,
                allow: None,
                detail: None,
            },
            route: None,
            status: None,
            bytes_out: 0,
            answered: false,
            fate,
            log: client.access_log.clone(),
            tracer: client.tracer.clone(),
            events: client.events.clone(),
            meter: client.meter.clone(),
            activity: client.activity.clone(),
            unread,
            seat: None,
            due: Due::default(),
            behaviour: client.behaviour.clone(),
            direct: client.direct,
            offences: None,
        })
    }

    /// The route is known.
    pub fn routed(&mut self, route: &Route) {
        self.context.route = Some(route.name.clone());
        self.route = Some(route.place);
        self.offences.clone_from(&route.offences);
    }

    /// What the request holds until its end.
    pub fn seat(&mut self, seat: Option<Seat>) {
        self.seat = seat;
    }

    /// The route's place in the policy, where one took the request.
    #[must_use]
    pub fn route(&self) -> Option<usize> {
        self.route
    }

    /// Nobody was recognised.
    pub fn nobody(&mut self, refused: Refused) -> Rejection {
        self.context.denied = refused.denied();
        if let Refused::Failures(wait) = refused {
            self.context.retry_after = Some(wait);
        }
        if refused == Refused::Unconfirmed {
            self.context.login = Some(LoginError::StoreAway);
        }
        refused.rejection()
    }

    /// Nobody is logged in, or out.
    pub fn login_failed(&mut self, error: LoginError) -> Rejection {
        self.context.login = Some(error);
        error.rejection()
    }

    /// They may not.
    pub fn forbidden(&mut self, forbidden: Forbidden) -> Rejection {
        self.context.forbidden = Some(forbidden);
        Rejection::Forbidden
    }

    /// Another site's page may not.
    pub fn cross_site(&mut self, refused: CrossSite) -> Rejection {
        self.context.cross_site = Some(refused);
        Rejection::CrossSite
    }

    /// They come too often.
    pub fn limited(&mut self, limited: Limited) -> Rejection {
        self.context.retry_after = Some(limited.after);
        self.context.limited = Some(limited.limit);
        Rejection::RateLimited
    }

    /// Its texts are in the form that they go on in.
    ///
    /// # Errors
    /// They do not go on.
    pub fn sanitised(&mut self, sanitised: Sanitised) -> Result<(), Rejection> {
        let refusal = sanitised.refusal();
        self.context.sanitised = Some(Box::new(sanitised));
        refusal.map_or(Ok(()), Err)
    }

    /// It was looked at.
    ///
    /// # Errors
    /// It does not look as it should.
    pub fn validated(
        &mut self,
        verdict: Verdict,
        invalid: Option<Invalid>,
    ) -> Result<(), Rejection> {
        self.context.validated = Some(verdict);
        let rejection = invalid.as_ref().map(|invalid| invalid.fault.rejection());
        self.context.invalid = invalid.map(Box::new);
        match rejection {
            Some(rejection) if verdict == Verdict::Refused => Err(rejection),
            _ => Ok(()),
        }
    }

    /// Its answer was looked at.
    ///
    /// # Errors
    /// It does not look as it should.
    pub fn answer_validated(
        &mut self,
        verdict: Verdict,
        invalid: Option<Invalid>,
    ) -> Result<(), Rejection> {
        let fault = invalid.as_ref().map(|invalid| invalid.fault);
        self.meter.answer_validated(self.route, verdict, fault);
        self.context.answer_invalid = invalid.map(Box::new);
        if verdict == Verdict::Refused { Err(Rejection::AnswerInvalid) } else { Ok(()) }
    }

    /// Its address or its consumer stands so.
    ///
    /// # Errors
    /// It is refused for that, as `rejection` says.
    pub fn stands(&mut self, standing: &Standing, rejection: Rejection) -> Result<(), Rejection> {
        match standing.turn {
            Turn::Served => Ok(()),
            Turn::Spared => {
                self.due.shadow("behaviour".into());
                Ok(())
            }
            Turn::Challenged(wait) | Turn::Refused(wait) => {
                self.context.retry_after = Some(wait);
                Err(rejection)
            }
        }
    }

    /// The status of the answer is known.
    pub fn status(&mut self, status: u16) {
        self.status = Some(status);
    }

    /// The request is refused; the first reason stands.
    pub fn refused(&mut self, rejection: Rejection) {
        self.context.rejection.get_or_insert(rejection);
    }

    /// Body bytes went to the client.
    pub fn sent(&mut self, bytes: u64) {
        self.bytes_out += bytes;
        self.unread.handed();
        self.activity.progressed();
    }

    /// The next body bytes are asked for.
    pub fn asked(&self) {
        self.unread.asked();
    }

    /// A tunnel carried bytes from and to the client.
    pub fn carried(&mut self, bytes_in: u64, bytes_out: u64) {
        self.fate.carried(bytes_in);
        self.bytes_out += bytes_out;
    }

    /// Where it is counted.
    #[must_use]
    pub fn meter(&self) -> &Arc<Meter> {
        &self.meter
    }

    /// Everything was handed to the client's connection.
    pub fn answered(&mut self) {
        self.answered = true;
    }

    // Whether the upstream did something wrong, where that is known.
    fn upstream_erred(&self, status: u16) -> Option<bool> {
        match self.context.rejection {
            None => Some(status >= 500),
            Some(
                Rejection::UpstreamBusy
                | Rejection::UpstreamFailed
                | Rejection::UpstreamTimeout
                | Rejection::AnswerInvalid,
            ) => Some(true),
            Some(_) => None,
        }
    }

    /// Who sent it, as far as that is known.
    #[must_use]
    pub fn source(&self) -> Source<'_> {
        let context = &self.context;
        Source {
            address: context.origin.client,
            direct: self.direct && context.origin.proxies.is_empty(),
            request: context.id.as_str(),
            consumer: context.identity.as_ref().map(|identity| &*identity.consumer),
        }
    }

    // What this end says of the client.
    fn judge(&self, status: u16) {
        let Some(behaviour) = &self.behaviour else { return };
        let context = &self.context;
        let source = self.source();
        behaviour.ended(
            &source,
            &Ended {
                status,
                rejection: context.rejection,
                denied: context.denied,
                offences: self.offences.as_deref().unwrap_or_default(),
                path: context.uri.path(),
                limited: context.limited.as_deref().zip(context.retry_after),
            },
        );
    }

    /// The upstream failed: what the client is told, where it was told nothing yet.
    pub fn upstream_failed(&mut self, failure: UpstreamFailure) -> Rejection {
        // Where the client's body was the cause, the upstream did nothing wrong.
        let rejection = match self.fate.rejection() {
            Some(rejection) => rejection,
            None => {
                self.meter.upstream_failure(failure);
                failure.rejection()
            }
        };
        self.refused(rejection);
        self.context.rejection.unwrap_or(rejection)
    }
}

impl Drop for Observation {
    fn drop(&mut self) {
        if self.unread.is_cut() {
            self.refused(Rejection::SlowRead);
        } else if !self.answered {
            let rejection = self.fate.rejection().unwrap_or_else(|| self.activity.cut());
            self.refused(rejection);
        }
        let refused = self.context.rejection.map(|rejection| rejection.status().as_u16());
        let status = self.status.or(refused).unwrap_or(CLIENT_GONE);
        let duration_us =
            u64::try_from(self.context.start.elapsed().as_micros()).unwrap_or(u64::MAX);
        let bytes_in = self.fate.bytes();
        self.meter.request(self.context.protocol, status, duration_us, self.route);
        if let Some(rejection) = self.context.rejection {
            self.meter.rejection(rejection);
        }
        if let Some(denied) = self.context.denied {
            self.meter.denied(denied);
        }
        if let Some(error) = self.context.login {
            self.meter.login_failed(error);
        }
        if let Some(identity) = &self.context.identity {
            self.meter.authenticated(identity.method);
        }
        if let Some(forbidden) = &self.context.forbidden {
            self.meter.forbidden(forbidden.kind);
        }
        if let Some(refused) = self.context.cross_site {
            self.meter.cross_site(refused);
        }
        if let Some(sanitised) = &self.context.sanitised {
            self.meter.sanitised(sanitised);
        }
        if let Some(verdict) = self.context.validated {
            let fault = self.context.invalid.as_ref().map(|invalid| invalid.fault);
            self.meter.validated(self.route, verdict, fault);
        }
        self.due.settle(bytes_in.saturating_add(self.bytes_out), status);
        self.judge(status);
        // Where the client or we ended the request, nothing is known about the upstream.
        if let (Some(choice), Some(error)) = (&self.context.choice, self.upstream_erred(status)) {
            choice.ended(error);
        }
        self.meter.bytes_in.fetch_add(bytes_in, Relaxed);
        self.meter.bytes_out.fetch_add(self.bytes_out, Relaxed);
        let (context, bytes_out) = (&self.context, self.bytes_out);
        let record = Record { context, status, bytes_in, bytes_out, duration_us };
        if self.log.write(&record).is_err() {
            one(&self.meter.access_lines_lost);
        }
        if let Some(events) = &self.events {
            events.ended(&record, self.due.shadowed());
        }
        if let (Some(tracer), Some(trace)) = (&self.tracer, &context.trace) {
            tracer.record(trace, &record);
        }
        self.activity.request_ended();
    }
}

/// Not a registered status: what nginx and others log for a client that left before an answer.
const CLIENT_GONE: u16 = 499;
