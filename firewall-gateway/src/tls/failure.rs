//! Why a handshake failed, as far as it can be told.

use std::io;

use rustls::Error;

use super::resolver::REFUSED;

/// Why a handshake failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the labels below say what each one is")]
pub enum HandshakeFailure {
    Timeout,
    Closed,
    Malformed,
    Incompatible,
    Alpn,
    UnknownName,
    ClientCertificate,
    ClientAlert,
    Other,
}

impl HandshakeFailure {
    /// All of them, in the order of their numbers.
    pub const ALL: [HandshakeFailure; 9] = [
        HandshakeFailure::Timeout,
        HandshakeFailure::Closed,
        HandshakeFailure::Malformed,
        HandshakeFailure::Incompatible,
        HandshakeFailure::Alpn,
        HandshakeFailure::UnknownName,
        HandshakeFailure::ClientCertificate,
        HandshakeFailure::ClientAlert,
        HandshakeFailure::Other,
    ];

    /// The value of the metric label.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Timeout => "timeout",
            Self::Closed => "closed",
            Self::Malformed => "malformed",
            Self::Incompatible => "incompatible",
            Self::Alpn => "alpn",
            Self::UnknownName => "unknown_name",
            Self::ClientCertificate => "client_certificate",
            Self::ClientAlert => "client_alert",
            Self::Other => "other",
        }
    }

    /// What an error of the TLS stream was.
    #[must_use]
    pub fn of(error: &io::Error) -> Self {
        let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
        let Some(inner) = inner else { return Self::Closed };
        match inner {
            Error::InvalidMessage(_)
            | Error::InappropriateMessage { .. }
            | Error::InappropriateHandshakeMessage { .. }
            | Error::PeerMisbehaved(_)
            | Error::PeerSentOversizedRecord
            | Error::DecryptError => Self::Malformed,
            Error::PeerIncompatible(_) => Self::Incompatible,
            Error::NoApplicationProtocol => Self::Alpn,
            Error::InvalidCertificate(_)
            | Error::InvalidCertRevocationList(_)
            | Error::NoCertificatesPresented => Self::ClientCertificate,
            Error::AlertReceived(_) => Self::ClientAlert,
            // The library has no other word for a resolver that has no certificate to give.
            Error::General(what) if what == REFUSED => Self::UnknownName,
            _ => Self::Other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::HandshakeFailure;

    // The figures use the number as an index and `ALL` for the names.
    #[test]
    fn numbers_and_labels_agree() {
        let mut labels = Vec::new();
        for (number, failure) in HandshakeFailure::ALL.into_iter().enumerate() {
            assert_eq!(failure as usize, number, "{failure:?}");
            labels.push(failure.label());
        }
        labels.sort_unstable();
        labels.dedup();
        assert_eq!(labels.len(), HandshakeFailure::ALL.len());
    }
}
