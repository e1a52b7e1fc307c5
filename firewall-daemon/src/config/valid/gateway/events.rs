//! Events and verdict services: each has somewhere to go, and each service somebody who asks it.

use firewall_gateway::{
    events::Decision,
    limits::VERDICT_SERVICES_MAX,
    policy::{
        EventsPolicy, OnFailure, RoutePolicy, SyslogPolicy, VerdictForm, VerdictPolicy,
        VerdictServicePolicy, WebhookPolicy,
    },
};
use serde_saphyr::{Location, Spanned};

use crate::config::{
    ConfigError, EventsSinks, UpstreamConfig,
    document::{
        Entries,
        events::{
            FormWord, GatewayEventsDocument, OnFailureWord, RouteVerdictDocument, SyslogDocument,
            VerdictServiceDocument, WebhookDocument,
        },
    },
    scalar::{Given, Name},
    valid::Check,
};

/// Events of one sink that wait, where nothing else is said: some 0.7 KB each.
const QUEUE_MAX: u32 = 16_384;
/// Their bytes, likewise.
const QUEUE_BYTES_MAX: u64 = 32 << 20;
/// Events of one batch, likewise...
const BATCH_MAX: u32 = 500;
/// ...and how long one waits for others.
const BATCH_WAIT_MS: u64 = 1_000;
/// How long one attempt takes, likewise...
const WEBHOOK_TIMEOUT_MS: u64 = 5_000;
/// ...and how long a batch is tried.
const GIVE_UP_S: u64 = 300;
/// RFC 5424, table 1: local use 0.
const FACILITY: u8 = 16;
/// How long a verdict is waited for, likewise.
const VERDICT_TIMEOUT_MS: u64 = 100;
/// Classes of authentication that a client is told.
const ACR_VALUES_MAX: usize = 8;
/// Bytes of one of them, and of the `source` of events.
const NAME_BYTES_MAX: usize = 256;
/// Bytes of a path.
const PATH_BYTES_MAX: usize = 1_024;

/// A service whose upstream is not known yet.
pub(super) struct NamedService {
    pub policy: VerdictServicePolicy,
    upstream: Spanned<Name>,
}

impl Check<'_> {
    pub(super) fn events(
        &self,
        events: Spanned<GatewayEventsDocument>,
        upstreams: &[UpstreamConfig],
    ) -> Result<EventsSinks, ConfigError> {
        let place = events.referenced;
        let events = events.value;
        if events.file.is_none() && events.webhook.0.is_none() && events.syslog.0.is_none() {
            let message = "events: expected file, webhook or syslog, found none of them";
            return self.error(place, message.to_owned());
        }
        let secret = events.webhook.0.as_ref().map(|webhook| webhook.secret.clone());
        let source = events.source.map(|source| {
            if is_plain(&source.value, NAME_BYTES_MAX) {
                return Ok(source.value);
            }
            let message = format!(
                "source: expected a URI of 1 to {NAME_BYTES_MAX} visible characters, such as \
                 urn:seawall:edge-1, found {:?}",
                source.value
            );
            self.error(source.referenced, message)
        });
        let file = events.file.map(|file| self.absolute("file", Some(file), ""));
        let webhook = events.webhook.0.map(|webhook| self.webhook(webhook, upstreams));
        Ok(EventsSinks {
            policy: EventsPolicy {
                decisions: self.decisions(events.decisions)?,
                source: String::new(),
                queue_max: events.queue_max.map_or(QUEUE_MAX, |number| number.cast()),
                queue_bytes_max: events.queue_bytes_max.map_or(QUEUE_BYTES_MAX, |it| it.0),
                file: file.transpose()?,
                webhook: webhook.transpose()?,
                syslog: events.syslog.0.as_ref().map(syslog),
            },
            source: source.transpose()?,
            secret: secret.map(|path| self.file(path)),
        })
    }

    fn decisions(&self, list: Given<Entries<String>>) -> Result<Vec<Decision>, ConfigError> {
        let Some(list) = list.0 else { return Ok(Decision::DEFAULT.to_vec()) };
        let list = self.counted("decisions", 1..=Decision::ALL.len(), list)?;
        let mut decisions = Vec::new();
        for name in &list {
            let known = Decision::ALL.into_iter().find(|known| known.label() == name.value);
            let Some(decision) = known else {
                let names = Decision::ALL.map(Decision::label).join(", ");
                let message = format!("decisions: expected one of {names}, found {:?}", name.value);
                return self.error(name.referenced, message);
            };
            decisions.push(decision);
        }
        self.each_once("decisions", list, |name| name)?;
        Ok(decisions)
    }

    fn webhook(
        &self,
        webhook: WebhookDocument,
        upstreams: &[UpstreamConfig],
    ) -> Result<WebhookPolicy, ConfigError> {
        Ok(WebhookPolicy {
            upstream: self.upstream(webhook.upstream, upstreams)?,
            path: self.posted(webhook.path)?,
            secret: String::new(),
            batch_max: webhook.batch_max.map_or(BATCH_MAX, |number| number.cast()),
            batch_wait_ms: webhook.batch_wait_ms.map_or(BATCH_WAIT_MS, |wait| wait.0),
            timeout_ms: webhook.timeout_ms.map_or(WEBHOOK_TIMEOUT_MS, |wait| wait.0),
            give_up_s: webhook.give_up_s.map_or(GIVE_UP_S, |wait| wait.0),
        })
    }

    // A path that messages of ours are posted to.
    pub(super) fn posted(&self, path: Spanned<String>) -> Result<String, ConfigError> {
        if path.value.starts_with('/')
            && is_plain(&path.value, PATH_BYTES_MAX)
            && !path.value.contains('#')
        {
            return Ok(path.value);
        }
        let message = format!(
            "path: expected a path of at most {PATH_BYTES_MAX} visible characters that begins \
             with /, found {:?}",
            path.value
        );
        self.error(path.referenced, message)
    }

    /// The services, whose upstreams are looked for when these are known.
    pub(super) fn verdict_services(
        &self,
        services: Given<Entries<VerdictServiceDocument>>,
    ) -> Result<Vec<NamedService>, ConfigError> {
        let Some(services) = services.0 else { return Ok(Vec::new()) };
        let mut checked = Vec::<NamedService>::new();
        for service in self.counted("verdict_services", 1..=VERDICT_SERVICES_MAX, services)? {
            let service = service.value;
            self.new_name(&service.name, checked.iter().map(|other| &other.policy.name))?;
            let policy = VerdictServicePolicy {
                name: service.name.value.0,
                upstream: 0,
                path: self.posted(service.path)?,
                form: match service.form {
                    FormWord::Seawall => VerdictForm::Seawall,
                    FormWord::Opa => VerdictForm::Opa,
                },
                acr_values: self.acr_values(service.acr_values, service.form)?,
            };
            checked.push(NamedService { policy, upstream: service.upstream });
        }
        Ok(checked)
    }

    fn acr_values(
        &self,
        values: Given<Entries<String>>,
        form: FormWord,
    ) -> Result<Vec<String>, ConfigError> {
        let Some(values) = values.0 else { return Ok(Vec::new()) };
        if form == FormWord::Opa {
            let message = "acr_values: expected form: seawall beside it, found opa, whose answers \
                           ask for no other authentication";
            return self.error(values.referenced, message.to_owned());
        }
        let values = self.counted("acr_values", 1..=ACR_VALUES_MAX, values)?;
        let fits = |value: &str| is_plain(value, NAME_BYTES_MAX) && !value.contains(['"', '\\']);
        if let Some(other) = values.iter().find(|value| !fits(&value.value)) {
            let message = format!(
                "acr_values: expected 1 to {NAME_BYTES_MAX} visible characters without quotes \
                 and backslashes, found {:?}",
                other.value
            );
            return self.error(other.referenced, message);
        }
        self.each_once("acr_values", values, |value| value)
    }

    /// What a route asks of one of these services.
    pub(super) fn route_verdict(
        &self,
        verdict: Given<RouteVerdictDocument>,
        services: &[NamedService],
    ) -> Result<Option<VerdictPolicy>, ConfigError> {
        let Some(verdict) = verdict.0 else { return Ok(None) };
        let RouteVerdictDocument { service, timeout_ms, on_failure } = verdict;
        let found = services.iter().position(|known| known.policy.name == service.value.0);
        let Some(place) = found else {
            let message = format!(
                "verdict.service: expected the name of one of gateway.verdict_services, found {:?}",
                service.value.0
            );
            return self.error(service.referenced, message);
        };
        Ok(Some(VerdictPolicy {
            service: place,
            timeout_ms: timeout_ms.map_or(VERDICT_TIMEOUT_MS, |wait| wait.0),
            on_failure: match on_failure {
                OnFailureWord::Allow => OnFailure::Allow,
                OnFailureWord::Block => OnFailure::Block,
            },
        }))
    }

    /// The services with their upstreams; one that no route asks judges nothing.
    pub(super) fn verdicts_act(
        &self,
        place: Location,
        services: Vec<NamedService>,
        upstreams: &[UpstreamConfig],
        routes: &[RoutePolicy],
    ) -> Result<Vec<VerdictServicePolicy>, ConfigError> {
        let asked = |number: usize| {
            routes.iter().any(|route| route.verdict.is_some_and(|asks| asks.service == number))
        };
        let mut policies = Vec::new();
        for (number, service) in services.into_iter().enumerate() {
            if !asked(number) {
                let message = format!(
                    "verdict_services: expected each to be asked by a route, found {:?} without \
                     one",
                    service.policy.name
                );
                return self.error(place, message);
            }
            let upstream = self.upstream(service.upstream, upstreams)?;
            policies.push(VerdictServicePolicy { upstream, ..service.policy });
        }
        Ok(policies)
    }
}

fn syslog(syslog: &SyslogDocument) -> SyslogPolicy {
    SyslogPolicy {
        address: syslog.address.0,
        facility: syslog.facility.map_or(FACILITY, |number| number.cast()),
        host: String::new(),
        give_up_s: syslog.give_up_s.map_or(GIVE_UP_S, |wait| wait.0),
    }
}

fn is_plain(text: &str, bytes_max: usize) -> bool {
    (1..=bytes_max).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}
