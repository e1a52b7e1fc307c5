//! What of the `gateway` section says how answers look, and what is seen of requests.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_saphyr::Spanned;

use crate::config::{
    document::Entries,
    scalar::{FilePath, Flag, Number},
};

/// `response_headers` of the gateway or of a route.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResponseHeadersDocument {
    pub strict: Option<Flag>,
    pub set: Option<Spanned<BTreeMap<String, String>>>,
    pub default: Option<Spanned<BTreeMap<String, String>>>,
    pub remove: Option<Entries<String>>,
}

/// `upstream_errors` of the gateway or of a route.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UpstreamErrorsDocument {
    Replace,
    Keep,
}

/// `compression` of the gateway or of a route.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CompressionDocument {
    pub types: Entries<String>,
    pub bytes_min: Option<Number<0, 1_073_741_824>>,
    #[serde(default)]
    pub secrets: Flag,
}

/// `gateway.access_log`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccessLogDocument {
    #[serde(default)]
    pub format: AccessFormatDocument,
    pub fields: Option<Entries<String>>,
    pub file: Option<Spanned<FilePath>>,
}

#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AccessFormatDocument {
    #[default]
    Json,
    Combined,
    Off,
}

/// `gateway.traces`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TracesDocument {
    pub endpoint: Spanned<String>,
    pub sample_percent: Option<Number<0, 100>>,
    pub service_name: Option<Spanned<String>>,
}
