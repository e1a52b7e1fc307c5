//! What a service is told of a request. No credential, no cookie, no query, no body.

use std::{net::IpAddr, sync::Arc, time::SystemTime};

use http::{HeaderMap, header};
use serde::Serialize;
use serde_json::json;

use crate::{access_log, context::RequestContext, date};

/// A request, as a service may know it.
#[derive(Serialize)]
pub struct Question<'a> {
    request_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    route: Option<&'a str>,
    method: String,
    host: &'a str,
    path: &'a str,
    client: IpAddr,
    protocol: &'static str,
    tls: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    ja4: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_agent: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    consumer: Option<&'a str>,
    #[serde(skip_serializing_if = "<[Arc<str>]>::is_empty", serialize_with = "texts")]
    scopes: &'a [Arc<str>],
    #[serde(skip_serializing_if = "<[Arc<str>]>::is_empty", serialize_with = "texts")]
    roles: &'a [Arc<str>],
    score: u32,
}

impl<'a> Question<'a> {
    /// About a request for this path of this host.
    #[must_use]
    pub fn new(
        context: &'a RequestContext,
        host: &'a str,
        path: &'a str,
        headers: &HeaderMap,
    ) -> Self {
        let identity = context.identity.as_ref();
        Self {
            request_id: context.id.as_str(),
            route: context.route.as_deref(),
            method: access_log::method(context.method.as_ref()),
            host,
            path,
            client: context.origin.client,
            protocol: context.protocol.label(),
            tls: context.tls_version,
            ja4: context.ja4.as_deref(),
            user_agent: access_log::header(headers, header::USER_AGENT),
            consumer: identity.map(|identity| &*identity.consumer),
            scopes: identity.map_or(&[], |identity| &identity.scopes),
            roles: identity.map_or(&[], |identity| &identity.roles),
            // One that is not worth watching is none.
            score: context.score.unwrap_or_default(),
        }
    }

    /// Whose request it is.
    #[must_use]
    pub fn client(&self) -> IpAddr {
        self.client
    }

    /// As a CloudEvent.
    #[must_use]
    pub fn event(&self, source: &str) -> Vec<u8> {
        let event = json!({
            "specversion": "1.0",
            "id": self.request_id,
            "source": source,
            "type": "seawall.request.verdict",
            "time": date::rfc3339(SystemTime::now()),
            "datacontenttype": "application/json",
            "data": self,
        });
        event.to_string().into_bytes()
    }

    /// As the Data API of the Open Policy Agent takes it.
    #[must_use]
    pub fn input(&self) -> Vec<u8> {
        json!({ "input": self }).to_string().into_bytes()
    }
}

fn texts<S: serde::Serializer>(texts: &&[Arc<str>], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(texts.iter().map(|text| &**text))
}
