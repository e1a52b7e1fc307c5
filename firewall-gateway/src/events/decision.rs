//! Decisions by name: which end of a request is which.

use serde::{Deserialize, Serialize};

use crate::rejection::Rejection;

/// Something that the gateway decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// A request that does not keep to HTTP or to the limits, or that no route takes.
    Refused,
    /// One whose sender is not known, or may not.
    Denied,
    /// One too many.
    Limited,
    /// One that a verdict service was asked about.
    Judged,
    /// One that was served, and that something in shadow mode would have refused.
    Shadowed,
    /// A client whose score is that of a ban.
    Offended,
    /// A request that an upstream, the client or the end of the worker broke off.
    Failed,
    /// One that was served.
    Served,
}

impl Decision {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 8] = [
        Self::Refused,
        Self::Denied,
        Self::Limited,
        Self::Judged,
        Self::Shadowed,
        Self::Offended,
        Self::Failed,
        Self::Served,
    ];

    /// Those that are told where nothing else is said: all that is about who asks, and no traffic.
    pub const DEFAULT: [Self; 6] =
        [Self::Refused, Self::Denied, Self::Limited, Self::Judged, Self::Shadowed, Self::Offended];

    /// Its name in the configuration.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Denied => "denied",
            Self::Limited => "limited",
            Self::Judged => "judged",
            Self::Shadowed => "shadowed",
            Self::Offended => "offended",
            Self::Failed => "failed",
            Self::Served => "served",
        }
    }

    /// The `type` of its events.
    #[must_use]
    pub fn event_type(self) -> &'static str {
        match self {
            Self::Refused => "seawall.request.refused",
            Self::Denied => "seawall.request.denied",
            Self::Limited => "seawall.request.limited",
            Self::Judged => "seawall.request.judged",
            Self::Shadowed => "seawall.request.shadowed",
            Self::Offended => "seawall.client.offended",
            Self::Failed => "seawall.request.failed",
            Self::Served => "seawall.request.served",
        }
    }

    /// What a refusal is.
    #[must_use]
    pub fn of_rejection(rejection: Rejection) -> Self {
        match rejection {
            Rejection::RequestMalformed
            | Rejection::FramingAmbiguous
            | Rejection::HostMissing
            | Rejection::HostRepeated
            | Rejection::HostInvalid
            | Rejection::TargetInvalid
            | Rejection::RouteMissing
            | Rejection::MethodRefused
            | Rejection::MethodNotAllowed
            | Rejection::Maintenance
            | Rejection::ConnectionHeader
            | Rejection::ExpectationRefused
            | Rejection::HeadersTooLarge
            | Rejection::TargetTooLong
            | Rejection::BodyTooLarge
            | Rejection::BodyMalformed
            | Rejection::HeaderTimeout
            | Rejection::BodyTimeout
            | Rejection::IdleTimeout
            | Rejection::PathAmbiguous
            | Rejection::SlowBody
            | Rejection::SlowRead
            | Rejection::StreamRefused
            | Rejection::Http2Flood
            | Rejection::OperationUnknown
            | Rejection::InputMalformed
            | Rejection::InputUnsupported
            | Rejection::InputTooLarge
            | Rejection::InputInvalid
            | Rejection::LeakBlocked => Self::Refused,
            Rejection::ClientCertificateMissing
            | Rejection::Unauthenticated
            | Rejection::Forbidden
            | Rejection::LoginFailed
            | Rejection::CrossSite => Self::Denied,
            Rejection::AddressRate
            | Rejection::AddressBusy
            | Rejection::AuthenticationFailures
            | Rejection::RateLimited
            | Rejection::Challenged
            | Rejection::ConsumerRefused => Self::Limited,
            Rejection::VerdictBlocked
            | Rejection::StepUpRequired
            | Rejection::VerdictUnavailable => Self::Judged,
            Rejection::ClientGone
            | Rejection::UpstreamBusy
            | Rejection::UpstreamFailed
            | Rejection::UpstreamTimeout
            | Rejection::AnswerInvalid
            | Rejection::LoginUnavailable
            | Rejection::IntrospectionUnavailable
            | Rejection::DrainCut => Self::Failed,
        }
    }
}

/// Some decisions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Decisions(u8);

impl Decisions {
    /// These.
    #[must_use]
    pub fn of(decisions: &[Decision]) -> Self {
        Self(decisions.iter().fold(0, |bits, decision| bits | 1 << *decision as u8))
    }

    /// Whether a decision is one of them.
    #[must_use]
    pub fn contain(self, decision: Decision) -> bool {
        self.0 & 1 << decision as u8 != 0
    }
}

#[cfg(test)]
mod tests {
    use super::{Decision, Decisions};
    use crate::rejection::Rejection;

    #[test]
    fn numbers_names_and_types_agree() {
        for (number, decision) in Decision::ALL.into_iter().enumerate() {
            assert_eq!(decision as usize, number);
            let name = serde_json::to_string(&decision).unwrap();
            assert_eq!(name, format!("\"{}\"", decision.label()));
            assert!(decision.event_type().ends_with(decision.label()));
            let all_but = Decision::ALL.into_iter().filter(|other| *other != decision);
            let others: Vec<Decision> = all_but.collect();
            assert!(Decisions::of(&[decision]).contain(decision));
            assert!(!Decisions::of(&others).contain(decision));
        }
    }

    #[test]
    fn every_kind_of_refusal_is_told_as_itself() {
        let mut counts = [0; Decision::ALL.len()];
        for rejection in Rejection::ALL {
            counts[Decision::of_rejection(rejection) as usize] += 1;
        }
        // The others are no refusals.
        let none = [Decision::Shadowed, Decision::Offended, Decision::Served];
        for decision in Decision::ALL {
            assert_eq!(counts[decision as usize] == 0, none.contains(&decision), "{decision:?}");
        }
        for (rejection, expected) in [
            (Rejection::RouteMissing, Decision::Refused),
            (Rejection::Unauthenticated, Decision::Denied),
            (Rejection::RateLimited, Decision::Limited),
            (Rejection::StepUpRequired, Decision::Judged),
            (Rejection::UpstreamTimeout, Decision::Failed),
        ] {
            assert_eq!(Decision::of_rejection(rejection), expected);
        }
    }
}
