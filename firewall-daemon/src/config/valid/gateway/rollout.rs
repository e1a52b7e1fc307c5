//! Which upstreams a route goes to: each is there, and none is counted twice.

use firewall_gateway::{
    browser::is_token,
    limits::{OVERRIDES_MAX, SHARES_MAX},
    policy::{
        CanaryPolicy, ForwardPolicy, MirrorPolicy, OverridePolicy, SharePolicy, Source, Sticky,
    },
    route::{Pattern, Template},
};
use serde_saphyr::{Location, Spanned};

use crate::config::{
    ConfigError, UpstreamConfig,
    document::{
        Entries,
        routes::{
            CanaryDocument, MirrorDocument, OverrideDocument, ShareDocument, StickyDocument,
            StickyWord,
        },
    },
    scalar::Name,
    valid::Check,
};

const MIRROR_PERCENT: u8 = 100;
const MIRROR_BODY_BYTES_MAX: u32 = 65_536;
const CANARY_ERROR_PERCENT_MAX: u8 = 5;
const CANARY_REQUESTS_MIN: u32 = 100;
const CANARY_WINDOW_S: u32 = 60;

/// What of a route says where its requests go.
pub(super) struct ForwardDocument {
    pub upstream: Option<Spanned<Name>>,
    pub split: Option<Entries<ShareDocument>>,
    pub overrides: Option<Entries<OverrideDocument>>,
    pub sticky: Option<Spanned<StickyDocument>>,
    pub rewrite: Option<Spanned<String>>,
    pub mirror: Option<Spanned<MirrorDocument>>,
    pub canary: Option<Spanned<CanaryDocument>>,
}

impl ForwardDocument {
    pub(super) fn is_there(&self) -> bool {
        self.upstream.is_some()
            || self.split.is_some()
            || self.overrides.is_some()
            || self.sticky.is_some()
            || self.rewrite.is_some()
            || self.mirror.is_some()
            || self.canary.is_some()
    }
}

impl Check<'_> {
    pub(super) fn forward(
        &self,
        place: Location,
        forward: ForwardDocument,
        path: &Pattern,
        upstreams: &[UpstreamConfig],
    ) -> Result<ForwardPolicy, ConfigError> {
        let shares = match (forward.upstream, forward.split) {
            (Some(upstream), None) => {
                vec![SharePolicy { upstream: self.upstream(upstream, upstreams)?, weight: 1 }]
            }
            (None, Some(split)) => self.split(split, upstreams)?,
            (Some(_), Some(split)) => {
                let message = "split: expected upstream or split, found both; remove one";
                return self.error(split.referenced, message.to_owned());
            }
            (None, None) => {
                let message = "routes: expected upstream or split, found neither; \
                               a request goes where one of them sends it";
                return self.error(place, message.to_owned());
            }
        };
        let rewrite = match forward.rewrite {
            Some(rewrite) => match Template::parse(&rewrite.value, path) {
                Ok(_) => Some(rewrite.value),
                Err(error) => return self.error(rewrite.referenced, format!("rewrite: {error}")),
            },
            None => None,
        };
        let canary = forward.canary.map(|canary| self.canary(canary, &shares, upstreams));
        let canary = canary.transpose()?;
        let sticky = match forward.sticky {
            Some(sticky) if shares.len() == 1 && canary.is_none() => {
                let message = "sticky: expected split or canary beside it, found neither";
                return self.error(sticky.referenced, message.to_owned());
            }
            Some(sticky) => Some(self.sticky(sticky)?),
            None => None,
        };
        let overrides = forward.overrides.map(|overrides| self.overrides(overrides, upstreams));
        Ok(ForwardPolicy {
            shares,
            overrides: overrides.transpose()?.unwrap_or_default(),
            sticky,
            rewrite,
            mirror: match forward.mirror {
                Some(mirror) => Some(self.mirror(mirror.value, upstreams)?),
                None => None,
            },
            canary,
        })
    }

    pub(super) fn upstream(
        &self,
        named: Spanned<Name>,
        upstreams: &[UpstreamConfig],
    ) -> Result<usize, ConfigError> {
        let name = &named.value.0;
        match upstreams.iter().position(|upstream| upstream.name == *name) {
            Some(place) => Ok(place),
            None => {
                let names: Vec<&str> =
                    upstreams.iter().map(|upstream| upstream.name.as_str()).collect();
                let message = format!(
                    "upstream: expected one of gateway.upstreams ({}), found {name:?}",
                    names.join(", ")
                );
                self.error(named.referenced, message)
            }
        }
    }

    fn split(
        &self,
        split: Entries<ShareDocument>,
        upstreams: &[UpstreamConfig],
    ) -> Result<Vec<SharePolicy>, ConfigError> {
        let place = split.referenced;
        let mut shares: Vec<SharePolicy> = Vec::new();
        for share in self.counted("split", 2..=SHARES_MAX, split)? {
            let ShareDocument { upstream: named, weight } = share.value;
            let (location, name) = (named.referenced, named.value.0.clone());
            let upstream = self.upstream(named, upstreams)?;
            if shares.iter().any(|other| other.upstream == upstream) {
                let message = format!("split: expected each once, found {name} again; remove one");
                return self.error(location, message);
            }
            shares.push(SharePolicy { upstream, weight: weight.cast() });
        }
        if shares.iter().all(|share| share.weight == 0) {
            let message = "split: expected a weight above 0, found none";
            return self.error(place, message.to_owned());
        }
        Ok(shares)
    }

    fn overrides(
        &self,
        overrides: Entries<OverrideDocument>,
        upstreams: &[UpstreamConfig],
    ) -> Result<Vec<OverridePolicy>, ConfigError> {
        let mut checked = Vec::new();
        for one in self.counted("overrides", 1..=OVERRIDES_MAX, overrides)? {
            let OverrideDocument { header, cookie, value, upstream } = one.value;
            let source = match (header, cookie) {
                (Some(header), None) => Source::Header(self.header_name("header", header)?),
                (None, Some(cookie)) => Source::Cookie(self.cookie_name("cookie", cookie)?),
                (Some(_), Some(cookie)) => {
                    let message = "overrides: expected header or cookie, found both";
                    return self.error(cookie.referenced, message.to_owned());
                }
                (None, None) => {
                    let message = "overrides: expected header or cookie, found neither";
                    return self.error(value.referenced, message.to_owned());
                }
            };
            let value = self.header_value("value", value)?;
            checked.push(OverridePolicy {
                source,
                value,
                upstream: self.upstream(upstream, upstreams)?,
            });
        }
        Ok(checked)
    }

    fn sticky(&self, sticky: Spanned<StickyDocument>) -> Result<Sticky, ConfigError> {
        let place = sticky.referenced;
        match (sticky.value.by, sticky.value.name) {
            (StickyWord::Address, None) => Ok(Sticky::Address),
            (StickyWord::Consumer, None) => Ok(Sticky::Consumer),
            (StickyWord::Address | StickyWord::Consumer, Some(name)) => {
                let message = "sticky: expected no name beside by: address and by: consumer, \
                               found one";
                self.error(name.referenced, message.to_owned())
            }
            (StickyWord::Header, Some(name)) => {
                Ok(Sticky::Source(Source::Header(self.header_name("name", name)?)))
            }
            (StickyWord::Cookie, Some(name)) => {
                Ok(Sticky::Source(Source::Cookie(self.cookie_name("name", name)?)))
            }
            (StickyWord::Header | StickyWord::Cookie, None) => {
                let message = "sticky: expected the name of the header or cookie, found none";
                self.error(place, message.to_owned())
            }
        }
    }

    fn cookie_name(&self, key: &str, name: Spanned<String>) -> Result<String, ConfigError> {
        if !(1..=64).contains(&name.value.len()) || !is_token(&name.value) {
            let message = format!("{key}: expected the name of a cookie, found {:?}", name.value);
            return self.error(name.referenced, message);
        }
        Ok(name.value)
    }

    fn mirror(
        &self,
        mirror: MirrorDocument,
        upstreams: &[UpstreamConfig],
    ) -> Result<MirrorPolicy, ConfigError> {
        Ok(MirrorPolicy {
            upstream: self.upstream(mirror.upstream, upstreams)?,
            percent: mirror.percent.map_or(MIRROR_PERCENT, |number| number.cast()),
            body_bytes_max: mirror
                .body_bytes_max
                .map_or(MIRROR_BODY_BYTES_MAX, |number| number.cast()),
        })
    }

    fn canary(
        &self,
        canary: Spanned<CanaryDocument>,
        shares: &[SharePolicy],
        upstreams: &[UpstreamConfig],
    ) -> Result<CanaryPolicy, ConfigError> {
        let (place, canary) = (canary.referenced, canary.value);
        let name = canary.upstream.value.0.clone();
        let upstream = self.upstream(canary.upstream, upstreams)?;
        if shares.iter().any(|share| share.upstream == upstream) {
            let message = format!(
                "canary: expected an upstream that has no other part of the route, found {name:?}"
            );
            return self.error(place, message);
        }
        Ok(CanaryPolicy {
            upstream,
            percent: canary.percent.cast(),
            error_percent_max: canary
                .error_percent_max
                .map_or(CANARY_ERROR_PERCENT_MAX, |number| number.cast()),
            requests_min: canary.requests_min.map_or(CANARY_REQUESTS_MIN, |number| number.cast()),
            window_s: canary.window_s.map_or(CANARY_WINDOW_S, |number| number.cast()),
        })
    }
}
