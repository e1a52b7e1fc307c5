//! Runs on every exit of a request: answered, refused, broken off, or left by the client.

use std::{
    rc::Rc,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Instant,
};

use http::{Method, Uri};

use crate::{
    access_log,
    body::BodyFate,
    connection::{Activity, Client},
    context::{RequestContext, RequestId},
    figures::Meter,
    rejection::{Rejection, UpstreamFailure},
};

/// Accompanies one request; its end, and so `drop`, is the end of the request.
///
/// `drop` rather than a call at the end of the pipeline: a client that leaves makes the HTTP
/// library drop the future or the body in the middle, and that exit has to be seen too.
pub struct Observation {
    /// What is known about the request.
    pub context: RequestContext,
    status: Option<u16>,
    bytes_out: u64,
    answered: bool,
    fate: Arc<BodyFate>,
    meter: Arc<Meter>,
    activity: Rc<Activity>,
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
    ) -> Box<Self> {
        client.activity.request_began();
        // It goes from hand to hand with the answer's body.
        Box::new(Self {
            context: RequestContext {
                id,
                peer: client.peer,
                protocol: client.protocol,
                tls_version: client.tls_version,
                start: Instant::now(),
                method,
                uri,
                route: None,
                upstream_duration: None,
                rejection: None,
            },
            status: None,
            bytes_out: 0,
            answered: false,
            fate,
            meter: client.meter.clone(),
            activity: client.activity.clone(),
        })
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
        self.activity.progressed();
    }

    /// Everything was handed to the client's connection.
    pub fn answered(&mut self) {
        self.answered = true;
    }

    /// The upstream failed.
    pub fn upstream_failed(&mut self, failure: UpstreamFailure) {
        // Where the client's body was the cause, the upstream did nothing wrong.
        let rejection = match self.fate.rejection() {
            Some(rejection) => rejection,
            None => {
                self.meter.upstream_failure(failure);
                failure.rejection()
            }
        };
        self.refused(rejection);
    }
}

impl Drop for Observation {
    fn drop(&mut self) {
        if !self.answered {
            let rejection = self.fate.rejection().unwrap_or_else(|| self.activity.cut());
            self.refused(rejection);
        }
        let refused = self.context.rejection.map(|rejection| rejection.status().as_u16());
        let status = self.status.or(refused).unwrap_or(CLIENT_GONE);
        let duration_us =
            u64::try_from(self.context.start.elapsed().as_micros()).unwrap_or(u64::MAX);
        let bytes_in = self.fate.bytes();
        self.meter.request(self.context.protocol, status, duration_us);
        if let Some(rejection) = self.context.rejection {
            self.meter.rejection(rejection);
        }
        self.meter.bytes_in.fetch_add(bytes_in, Relaxed);
        self.meter.bytes_out.fetch_add(self.bytes_out, Relaxed);
        access_log::write(&self.context, status, bytes_in, self.bytes_out, duration_us);
        self.activity.request_ended();
    }
}

/// Not a registered status: what nginx and others log for a client that left before an answer.
const CLIENT_GONE: u16 = 499;
