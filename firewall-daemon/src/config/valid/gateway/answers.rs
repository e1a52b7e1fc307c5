//! How answers look and what is seen of requests: names, values and places that can be.

use std::{collections::BTreeMap, net::SocketAddr, path::PathBuf};

use firewall_gateway::{
    answer,
    policy::{
        AccessLogPolicy, AnswerPolicy, TracePolicy,
        access_log::{AccessField, AccessFormat, DEFAULT_FIELDS},
        answer::{CompressionPolicy, HeaderAction, HeaderRule, UpstreamErrors},
    },
};
use serde_saphyr::{Location, Spanned};

use crate::config::{
    ConfigError,
    document::answers::{
        AccessFormatDocument, AccessLogDocument, CompressionDocument, ResponseHeadersDocument,
        TracesDocument, UpstreamErrorsDocument,
    },
    scalar::FilePath,
    valid::Check,
};

/// Headers that one list may name.
const HEADERS_MAX: usize = 64;
/// Bytes of a header's value.
const VALUE_BYTES_MAX: usize = 4_096;
/// Media types of a compression rule.
const TYPES_MAX: usize = 32;
/// Shorter bodies hardly shrink, and gzip adds some 20 bytes.
const COMPRESSED_BYTES_MIN: u64 = 1_024;

const SAMPLE_PERCENT: u8 = 10;
const SERVICE_NAME: &str = "seawall";

impl Check<'_> {
    /// How answers look; `strict` is what holds where nothing is said.
    pub(super) fn answers(
        &self,
        strict: Option<bool>,
        headers: Option<ResponseHeadersDocument>,
        errors: Option<UpstreamErrorsDocument>,
        compression: Option<CompressionDocument>,
    ) -> Result<AnswerPolicy, ConfigError> {
        let headers = headers.unwrap_or_default();
        let mut rules = Vec::new();
        let actions: [fn(String) -> HeaderAction; 2] = [HeaderAction::Set, HeaderAction::Default];
        let lists = [("set", headers.set), ("default", headers.default)];
        for ((key, list), action) in lists.into_iter().zip(actions) {
            let Some(list) = list else { continue };
            self.header_rules(key, list, action, &mut rules)?;
        }
        if let Some(list) = headers.remove {
            for name in self.counted("remove", 0..=HEADERS_MAX, list)? {
                let rule = HeaderRule { name: name.value, action: HeaderAction::Remove };
                self.header_rule(name.referenced, rule, &mut rules)?;
            }
        }
        Ok(AnswerPolicy {
            strict: headers.strict.map(|strict| strict.0).or(strict),
            headers: rules,
            upstream_errors: errors.map(|errors| match errors {
                UpstreamErrorsDocument::Replace => UpstreamErrors::Replace,
                UpstreamErrorsDocument::Keep => UpstreamErrors::Keep,
            }),
            compression: compression.map(|rule| self.compression(rule)).transpose()?,
        })
    }

    fn header_rules(
        &self,
        key: &str,
        list: Spanned<BTreeMap<String, String>>,
        action: impl Fn(String) -> HeaderAction,
        rules: &mut Vec<HeaderRule>,
    ) -> Result<(), ConfigError> {
        if list.value.len() > HEADERS_MAX {
            let found = list.value.len();
            let message = format!("{key}: expected at most {HEADERS_MAX} headers, found {found}");
            return self.error(list.referenced, message);
        }
        for (name, value) in list.value {
            if value.len() > VALUE_BYTES_MAX {
                let message = format!(
                    "{key}: expected at most {VALUE_BYTES_MAX} bytes for {name}, found {}",
                    value.len()
                );
                return self.error(list.referenced, message);
            }
            self.header_rule(list.referenced, HeaderRule { name, action: action(value) }, rules)?;
        }
        Ok(())
    }

    fn header_rule(
        &self,
        place: Location,
        rule: HeaderRule,
        rules: &mut Vec<HeaderRule>,
    ) -> Result<(), ConfigError> {
        if let Err(error) = answer::check(&rule) {
            return self.error(place, error.to_string());
        }
        if rules.iter().any(|other| other.name.eq_ignore_ascii_case(&rule.name)) {
            let message = format!(
                "response_headers: expected each header in one of set, default and remove, \
                 found {} again",
                rule.name
            );
            return self.error(place, message);
        }
        rules.push(rule);
        Ok(())
    }

    fn compression(&self, rule: CompressionDocument) -> Result<CompressionPolicy, ConfigError> {
        let types = self.counted("types", 0..=TYPES_MAX, rule.types)?;
        for kind in &types {
            let part = |part: &str| {
                (1..=127).contains(&part.len())
                    && part
                        .bytes()
                        .all(|byte| byte.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&byte))
            };
            let fits = kind
                .value
                .split_once('/')
                .is_some_and(|(group, name)| part(group) && (name == "*" || part(name)));
            if !fits {
                let message = format!(
                    "types: expected a media type such as application/json or text/*, found {:?}",
                    kind.value
                );
                return self.error(kind.referenced, message);
            }
        }
        Ok(CompressionPolicy {
            types: self.each_once("types", types, |kind| kind.to_ascii_lowercase())?,
            bytes_min: rule.bytes_min.map_or(COMPRESSED_BYTES_MIN, |number| number.0),
            secrets: rule.secrets.0,
        })
    }

    pub(super) fn access_log(
        &self,
        log: AccessLogDocument,
    ) -> Result<AccessLogPolicy, ConfigError> {
        let fields = match log.fields {
            None => DEFAULT_FIELDS.to_vec(),
            Some(list) => {
                let list = self.counted("fields", 1..=AccessField::ALL.len(), list)?;
                let mut fields = Vec::new();
                for name in &list {
                    let Some(field) =
                        AccessField::ALL.into_iter().find(|field| field.name() == name.value)
                    else {
                        let names = AccessField::ALL.map(AccessField::name).join(", ");
                        let message =
                            format!("fields: expected one of {names}, found {:?}", name.value);
                        return self.error(name.referenced, message);
                    };
                    fields.push(field);
                }
                self.each_once("fields", list, |name| name)?;
                fields
            }
        };
        Ok(AccessLogPolicy {
            format: match log.format {
                AccessFormatDocument::Json => AccessFormat::Json,
                AccessFormatDocument::Combined => AccessFormat::Combined,
                AccessFormatDocument::Off => AccessFormat::Off,
            },
            fields,
            file: log.file.map(|file| self.log_file(file)).transpose()?,
        })
    }

    fn log_file(&self, file: Spanned<FilePath>) -> Result<PathBuf, ConfigError> {
        self.absolute("file", Some(file), "")
    }

    pub(super) fn traces(&self, traces: TracesDocument) -> Result<TracePolicy, ConfigError> {
        let Some((collector, path)) = endpoint(&traces.endpoint.value) else {
            let message = format!(
                "endpoint: expected http://ADDRESS:PORT/PATH with an IP address, such as \
                 http://127.0.0.1:4318/v1/traces, found {:?}",
                traces.endpoint.value
            );
            return self.error(traces.endpoint.referenced, message);
        };
        let service_name = match traces.service_name {
            None => SERVICE_NAME.to_owned(),
            Some(name) if (1..=255).contains(&name.value.len()) => name.value,
            Some(name) => {
                let message =
                    format!("service_name: expected 1 to 255 bytes, found {}", name.value.len());
                return self.error(name.referenced, message);
            }
        };
        Ok(TracePolicy {
            collector,
            path: path.to_owned(),
            sample_percent: traces.sample_percent.map_or(SAMPLE_PERCENT, |number| number.cast()),
            service_name,
        })
    }
}

fn endpoint(text: &str) -> Option<(SocketAddr, &str)> {
    let rest = text.strip_prefix("http://")?;
    let (address, path) = rest.split_at(rest.find('/')?);
    let address: SocketAddr = address.parse().ok().filter(|it: &SocketAddr| it.port() != 0)?;
    let fits = path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#');
    (fits && path.len() <= 1_024).then_some((address, path))
}
