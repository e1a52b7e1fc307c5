//! Which upstream a request of a route goes to, and what is learned from how it went.

mod split;

mod pick;

mod canary;

mod mirror;

use std::{
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

use http::HeaderMap;

pub use self::mirror::{MARK, Mirror, Mirrored};
use self::{
    canary::Canary,
    pick::{fits, place},
    split::Split,
};
use crate::{
    figures::{RolloutFigures, SplitFigures, one},
    policy::{ForwardPolicy, OverridePolicy, Sticky},
    route::{Pattern, Template, TemplateError},
};

/// Where the requests of a route go.
#[derive(Debug)]
pub struct Forward {
    /// Who gets a copy.
    pub mirror: Option<Arc<Mirror>>,
    rewrite: Option<Template>,
    split: Split,
    overrides: Vec<OverridePolicy>,
    sticky: Option<Sticky>,
    canary: Option<Arc<Canary>>,
    // Nothing where all goes to one upstream: there is nothing to tell then.
    tracks: Vec<Arc<Track>>,
}

/// What one upstream got of a route.
#[derive(Debug)]
struct Track {
    upstream: usize,
    name: String,
    requests: AtomicU64,
    errors: AtomicU64,
}

/// A request on its way to the upstream that was chosen.
#[derive(Debug)]
pub struct Choice {
    /// The upstream's place in the policy.
    pub upstream: usize,
    track: Option<Arc<Track>>,
    canary: Option<Arc<Canary>>,
}

impl Forward {
    /// Prepares the choice for a route with this path.
    ///
    /// # Errors
    /// The rewrite that cannot be used.
    pub fn new(
        policy: &ForwardPolicy,
        route: &str,
        path: &Pattern,
        upstreams: &[&str],
    ) -> Result<Self, TemplateError> {
        let name = |place: usize| upstreams.get(place).copied().unwrap_or_default().to_owned();
        let mut places: Vec<usize> = policy.shares.iter().map(|share| share.upstream).collect();
        places.extend(policy.overrides.iter().map(|one| one.upstream));
        places.extend(policy.canary.iter().map(|canary| canary.upstream));
        places.sort_unstable();
        places.dedup();
        let track = |place: &usize| {
            let (requests, errors) = (AtomicU64::default(), AtomicU64::default());
            Arc::new(Track { upstream: *place, name: name(*place), requests, errors })
        };
        let tracks = if places.len() > 1 { places.iter().map(track).collect() } else { Vec::new() };
        let rewrite = policy.rewrite.as_deref().map(|text| Template::parse(text, path));
        let canary = policy
            .canary
            .map(|canary| Arc::new(Canary::new(canary, route.to_owned(), name(canary.upstream))));
        let mirror = policy
            .mirror
            .map(|mirror| Arc::new(Mirror::new(mirror, route.to_owned(), name(mirror.upstream))));
        Ok(Self {
            mirror,
            rewrite: rewrite.transpose()?,
            split: Split::new(&policy.shares),
            overrides: policy.overrides.clone(),
            sticky: policy.sticky.clone(),
            canary,
            tracks,
        })
    }

    /// The path that the upstream is asked for, where it is another than the client's.
    #[must_use]
    pub fn rewritten(&self, path: &str) -> Option<String> {
        self.rewrite.as_ref().map(|template| template.fill(path))
    }

    /// The upstream of a request: the one it names itself, then the canary's part, then its share.
    #[must_use]
    pub fn choose(&self, headers: &HeaderMap, client: IpAddr, consumer: Option<&str>) -> Choice {
        if self.tracks.is_empty() {
            return Choice { upstream: self.split.first(), track: None, canary: None };
        }
        let named = self.overrides.iter().find(|one| fits(&one.source, &one.value, headers));
        if let Some(named) = named {
            return self.chosen(named.upstream, None);
        }
        let place = self.sticky.as_ref().map(|sticky| place(sticky, headers, client, consumer));
        match &self.canary {
            Some(canary) if canary.takes(place) => {
                self.chosen(canary.policy().upstream, Some(canary.clone()))
            }
            Some(_) | None => self.chosen(self.split.take(place), None),
        }
    }

    fn chosen(&self, upstream: usize, canary: Option<Arc<Canary>>) -> Choice {
        let track = self.tracks.iter().find(|track| track.upstream == upstream).cloned();
        Choice { upstream, track, canary }
    }

    /// Adds what was counted for a route of this name.
    pub fn count(&self, route: &str, figures: &mut RolloutFigures) {
        figures.splits.extend(self.tracks.iter().map(|track| SplitFigures {
            route: route.to_owned(),
            upstream: track.name.clone(),
            requests: track.requests.load(Relaxed),
            errors: track.errors.load(Relaxed),
        }));
        figures.canaries.extend(self.canary.iter().map(|canary| canary.figures()));
        figures.mirrors.extend(self.mirror.iter().map(|mirror| mirror.figures()));
    }
}

impl Choice {
    /// The upstream answered the request, or did not.
    pub fn ended(&self, error: bool) {
        let Some(track) = &self.track else { return };
        one(&track.requests);
        if error {
            one(&track.errors);
        }
        if let Some(canary) = &self.canary {
            canary.learned(error);
        }
    }
}
