//! TLS towards the gateway's clients.

use super::Families;
use crate::status::GatewayStatus;

impl Families<'_> {
    pub(super) fn tls(&mut self, gateway: &GatewayStatus) {
        let figures = &gateway.figures;
        self.counters(
            "gateway_tls_handshake_failures",
            "TLS handshakes of clients that failed, by reason",
            figures.tls_failures.iter().map(|row| (vec![("reason", row.label.clone())], row.count)),
        );
        self.counter(
            "gateway_tls_resumptions",
            "TLS handshakes in which an earlier session went on",
            figures.tls_resumptions,
        );
        self.counter(
            "gateway_tls_unknown_names",
            "Clients that named a host which no certificate carries",
            figures.tls_unknown_names,
        );
        self.gauges(
            "gateway_certificate_expiry_timestamp_seconds",
            "When a certificate is over, in seconds since 1970; the 100 that end first",
            gateway.certificates.iter().map(|one| {
                (vec![("name", one.name.clone()), ("key", one.key.clone())], one.not_after_epoch_s)
            }),
        );
        if let Some(acme) = &gateway.acme {
            let result = |result: &str, count| (vec![("result", result.to_owned())], count);
            self.counters(
                "gateway_acme_orders",
                "Orders of a certificate from an authority",
                [result("ok", acme.issued), result("failed", acme.failed)],
            );
            self.gauge(
                "gateway_acme_next_timestamp_seconds",
                "When the next certificate is ordered, in seconds since 1970",
                acme.next_epoch_s,
            );
        }
        self.gauge("gateway_certificates", "Certificates in force", gateway.certificates_total);
    }
}
