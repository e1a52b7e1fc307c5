//! Behaviour: thresholds in their order, paths that are paths, and routes whose offences count for something.

use firewall_gateway::{
    behaviour::signal::Signal,
    limits::{
        EXEMPT_CONSUMER_BYTES_MAX, EXEMPT_MAX, RATE_LIMITS_MAX, SCANNER_PATH_BYTES_MAX,
        SCANNER_PATHS_MAX,
    },
    policy::{
        BehaviourPolicy, BudgetLimitPolicy, BudgetPolicy, ChallengePagePolicy, ConsumerScorePolicy,
        KeyPart, RateAlgorithm, RatePolicy, RefusalPolicy, RoutePolicy, Thresholds,
    },
};
use serde_saphyr::{Location, Spanned};

use crate::config::{
    BehaviourConfig, ConfigError, OffenceBans,
    document::{
        Entries,
        behaviour::{
            BehaviourDocument, BudgetsDocument, ChallengePageDocument, ConsumerScoresDocument,
            Score, WeightsDocument,
        },
        routes::OffenceStatus,
    },
    scalar::Given,
    valid::Check,
};

/// Refusals within one wait where nothing else is said: some are under way before the first one is read.
const BUDGET_REFUSALS: u32 = 20;

/// Statuses of an upstream that say something of the client.
const STATUSES: &str = "400, 401, 403, 404, 422 and 429";

impl Check<'_> {
    pub(super) fn behaviour(
        &self,
        document: BehaviourDocument,
        rates: &[RatePolicy],
    ) -> Result<BehaviourConfig, ConfigError> {
        let (default, bans) = (BehaviourPolicy::default(), OffenceBans::default());
        let given = [document.watch, document.challenge, document.ban];
        let thresholds = self.thresholds("behaviour", given, default.thresholds)?;
        let consumers =
            self.consumer_scores(document.consumers.0.unwrap_or_default(), thresholds)?;
        let first_s = document.ban_s.as_ref().map_or(bans.first_s, |time| time.value.0);
        let longest_s = document.ban_s_max.map_or(bans.longest_s.max(first_s), |time| time.0);
        if let Some(time) = &document.ban_s
            && first_s > longest_s
        {
            let message =
                format!("ban_s: expected at most ban_s_max, {longest_s}, found {first_s}");
            return self.error(time.referenced, message);
        }
        let bans = OffenceBans {
            first_s,
            factor: document.ban_factor.map_or(bans.factor, |factor| factor.cast()),
            longest_s,
            remember_s: document.remember_s.map_or(bans.remember_s, |time| time.0),
            per_s_max: document.bans_per_s_max.map_or(bans.per_s_max, |bans| bans.cast()),
        };
        let OffenceBans { first_s, factor, longest_s, remember_s, .. } = bans;
        Ok(BehaviourConfig {
            policy: BehaviourPolicy {
                shadow: document.shadow.map_or(default.shadow, |flag| flag.0),
                half_life_s: document.half_life_s.map_or(default.half_life_s, |time| time.cast()),
                thresholds,
                refusals: RefusalPolicy { first_s, factor, longest_s, remember_s },
                weights: weights(document.weights.0.unwrap_or_default()),
                scanner_paths: match document.scanner_paths.0 {
                    Some(paths) => self.scanner_paths(paths)?,
                    None => default.scanner_paths,
                },
                exempt: match document.exempt.0 {
                    Some(networks) => {
                        let networks = self.counted("exempt", 1..=EXEMPT_MAX, networks)?;
                        self.each_once("exempt", networks, |prefix| prefix.0)?
                    }
                    None => default.exempt,
                },
                consumers,
                budgets: document.budgets.0.map(|it| self.budgets(it, rates)).transpose()?,
                travel_s: document.travel_s.map(|time| time.cast()),
                challenge_page: document.challenge_page.0.map(challenge_page),
            },
            bans,
        })
    }

    /// Each at least the one before; what is left out is as these say.
    fn thresholds(
        &self,
        key: &str,
        [watch, challenge, ban]: [Option<Spanned<Score>>; 3],
        default: Thresholds,
    ) -> Result<Thresholds, ConfigError> {
        let place = ban.as_ref().or(challenge.as_ref()).or(watch.as_ref());
        let place = place.map(|score| score.referenced);
        let score = |given: Option<Spanned<Score>>, default| {
            given.map_or(default, |score| score.value.cast())
        };
        let watch = score(watch, default.watch);
        let challenge = score(challenge, default.challenge);
        let ban = score(ban, default.ban);
        if let Some(place) = place
            && !(watch <= challenge && challenge <= ban)
        {
            let message = format!(
                "{key}: expected watch, challenge and ban to rise, found {watch}, {challenge} and {ban}"
            );
            return self.error(place, message);
        }
        Ok(Thresholds { watch, challenge, ban })
    }

    /// Limits that refuse somebody for what it has used up itself, and for a time that is known.
    fn budgets(
        &self,
        document: BudgetsDocument,
        rates: &[RatePolicy],
    ) -> Result<BudgetPolicy, ConfigError> {
        let names = self.counted("limits", 1..=RATE_LIMITS_MAX, document.limits)?;
        let mut limits = Vec::new();
        for name in &names {
            let Some(limit) = rates.iter().find(|limit| limit.name == name.value) else {
                let message = format!(
                    "limits: expected the name of one of gateway.rate_limits, found {:?}",
                    name.value
                );
                return self.error(name.referenced, message);
            };
            let concurrency = matches!(limit.algorithm, RateAlgorithm::Concurrency { .. });
            if limit.shadow || concurrency || !limit.key.iter().any(is_own) {
                let message = format!(
                    "limits: expected a limit with address, consumer or key in its key, no shadow and \
                     no count: concurrency, found {:?}",
                    name.value
                );
                return self.error(name.referenced, message);
            }
            let known = !limit.key.contains(&KeyPart::Address);
            limits.push(BudgetLimitPolicy { name: limit.name.clone(), known });
        }
        self.each_once("limits", names, |name| name)?;
        let refusals = document.refusals.map_or(BUDGET_REFUSALS, |refusals| refusals.cast());
        Ok(BudgetPolicy { limits, refusals })
    }

    fn consumer_scores(
        &self,
        document: ConsumerScoresDocument,
        addresses: Thresholds,
    ) -> Result<ConsumerScorePolicy, ConfigError> {
        let given = [document.watch, document.challenge, document.ban];
        let thresholds = self.thresholds("consumers", given, addresses)?;
        let Some(exempt) = document.exempt.0 else {
            return Ok(ConsumerScorePolicy { thresholds, exempt: Vec::new() });
        };
        let exempt = self.counted("exempt", 1..=EXEMPT_MAX, exempt)?;
        for name in &exempt {
            // Who logs in or shows a token may be called anything.
            if !(1..=EXEMPT_CONSUMER_BYTES_MAX).contains(&name.value.len()) {
                let message = format!(
                    "exempt: expected the name of a consumer, of 1 to {EXEMPT_CONSUMER_BYTES_MAX} bytes, found {:?}",
                    name.value
                );
                return self.error(name.referenced, message);
            }
        }
        let exempt = self.each_once("exempt", exempt, |name| name)?;
        Ok(ConsumerScorePolicy { thresholds, exempt })
    }

    fn scanner_paths(&self, paths: Entries<String>) -> Result<Vec<String>, ConfigError> {
        let paths = self.counted("scanner_paths", 0..=SCANNER_PATHS_MAX, paths)?;
        for path in &paths {
            let found = &path.value;
            let good = (2..=SCANNER_PATH_BYTES_MAX).contains(&found.len())
                && found.starts_with('/')
                && !found.ends_with('/')
                && found.bytes().all(|byte| byte.is_ascii_graphic());
            if !good {
                let message = format!(
                    "scanner_paths: expected a path from / without one at its end, of 2 to \
                     {SCANNER_PATH_BYTES_MAX} characters, found {found:?}"
                );
                return self.error(path.referenced, message);
            }
        }
        self.each_once("scanner_paths", paths, |path| path.to_ascii_lowercase())
    }

    pub(super) fn offences(
        &self,
        offences: Given<Entries<OffenceStatus>>,
    ) -> Result<Vec<u16>, ConfigError> {
        let Some(offences) = offences.0 else { return Ok(Vec::new()) };
        let offences = self.counted("offences", 1..=6, offences)?;
        for status in &offences {
            let found: u16 = status.value.cast();
            if Signal::of_status(found).is_none() {
                let message = format!("offences: expected some of {STATUSES}, found {found}");
                return self.error(status.referenced, message);
            }
        }
        self.each_once("offences", offences, |status| status.cast())
    }

    /// What nobody scores is no offence.
    pub(super) fn offences_act(
        &self,
        place: Location,
        behaviour: Option<&BehaviourConfig>,
        routes: &[RoutePolicy],
    ) -> Result<(), ConfigError> {
        let counting = routes.iter().find(|route| !route.offences.is_empty());
        match (counting, behaviour) {
            (Some(route), None) => {
                let message = format!(
                    "routes: expected gateway.behaviour beside the offences of route {:?}, found none",
                    route.name
                );
                self.error(place, message)
            }
            _ => Ok(()),
        }
    }
}

/// What many use up together is no one's to be dropped for.
fn is_own(part: &KeyPart) -> bool {
    matches!(part, KeyPart::Address | KeyPart::Consumer | KeyPart::Key)
}

fn challenge_page(document: ChallengePageDocument) -> ChallengePagePolicy {
    let default = ChallengePagePolicy::default();
    ChallengePagePolicy {
        difficulty_bits: document
            .difficulty_bits
            .map_or(default.difficulty_bits, |bits| bits.cast()),
        pass_s: document.pass_s.map_or(default.pass_s, |time| time.cast()),
    }
}

fn weights(document: WeightsDocument) -> [u32; Signal::ALL.len()] {
    Signal::ALL.map(|signal| {
        let weight = match signal {
            Signal::CredentialRefused => document.credential_refused,
            Signal::CredentialMissing => document.credential_missing,
            Signal::Forbidden => document.forbidden,
            Signal::NotFound => document.not_found,
            Signal::BadRequest => document.bad_request,
            Signal::RateLimited => document.rate_limited,
            Signal::Challenged => document.challenged,
            Signal::ScannerPath => document.scanner_path,
            Signal::HandshakeFailed => document.handshake_failed,
            Signal::HandshakeWithoutRequest => document.handshake_without_request,
            Signal::Slow => document.slow,
            Signal::Flood => document.flood,
            Signal::InvalidInput => document.invalid_input,
            Signal::UserAgentContradicted => document.user_agent_contradicted,
            Signal::ImpossibleTravel => document.impossible_travel,
        };
        weight.map_or(signal.default_weight(), |weight| weight.cast())
    })
}
