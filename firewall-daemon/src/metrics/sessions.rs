//! Logins, and the sessions that follow.

use super::Families;
use crate::status::GatewayStatus;

impl Families<'_> {
    pub(super) fn sessions(&mut self, gateway: &GatewayStatus) {
        let figures = &gateway.figures;
        self.gauge(
            "gateway_sessions",
            "Sessions that a worker knows, ended ones among them until they are swept",
            figures.sessions,
        );
        self.counter(
            "gateway_sessions_refused",
            "Sessions that found no room: nobody's session gives way to another's",
            figures.sessions_refused,
        );
        self.counter(
            "gateway_session_changes_lost",
            "Logins and logouts that the daemon did not hear of: too many were waiting",
            gateway.session_changes_lost,
        );
        self.counter(
            "gateway_logins_begun",
            "Browsers that were sent to a provider to log in",
            figures.logins_begun,
        );
        self.counter(
            "gateway_logins_completed",
            "Browsers that came back from it and were logged in",
            figures.logins_completed,
        );
        self.counters(
            "gateway_logins_failed",
            "Logins and logouts that did not come to their end",
            figures
                .logins_failed
                .iter()
                .map(|row| (vec![("reason", row.label.clone())], row.count)),
        );
        let channel = |channel: &str, count| (vec![("channel", channel.to_owned())], count);
        self.counters(
            "gateway_logouts",
            "Logouts by the browser itself, and those that the provider told of",
            [
                channel("front", figures.logouts_front),
                channel("back", figures.logouts_back),
                channel("frame", figures.logouts_frame),
            ],
        );
    }
}
