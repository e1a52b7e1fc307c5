//! What one value of `gateway.clients` alone cannot tell.

use firewall_gateway::{
    limits::TRUSTED_PROXIES_MAX,
    policy::{AddressHeader, ClientsPolicy, ProxyProtocol, RequestRate},
};
use ipnetwork::IpNetwork;

use crate::config::{
    ConfigError,
    document::clients::{AddressHeaderWord, ClientsDocument, ProxyProtocolWord},
    valid::Check,
};

impl Check<'_> {
    pub(super) fn clients(&self, clients: ClientsDocument) -> Result<ClientsPolicy, ConfigError> {
        let default = ClientsPolicy::default();
        let trusted_proxies = match clients.trusted_proxies.0 {
            None => default.trusted_proxies,
            Some(list) => {
                let list = self.counted("trusted_proxies", 1..=TRUSTED_PROXIES_MAX, list)?;
                self.disjoint("trusted_proxies", list, |prefix| prefix.0, overlap)?
            }
        };
        if let Some(word) = &clients.proxy_protocol
            && word.value == ProxyProtocolWord::Required
            && trusted_proxies.is_empty()
        {
            let message = "proxy_protocol: expected trusted_proxies beside it, found none; \
                           name the proxies whose header is to be read";
            return self.error(word.referenced, message.to_owned());
        }
        if let Some(word) = &clients.address_header
            && trusted_proxies.is_empty()
        {
            let message = "address_header: expected trusted_proxies beside it, found none; \
                           name the proxies whose header is to be read";
            return self.error(word.referenced, message.to_owned());
        }
        let requests = match (clients.requests_per_s, clients.requests_burst) {
            (None, None) => None,
            (Some(per_s), burst) => {
                let burst = burst.map_or(per_s, |burst| burst.value);
                Some(RequestRate { per_s: per_s.cast(), burst: burst.cast() })
            }
            (None, Some(burst)) => {
                let message = "requests_burst: expected requests_per_s beside it, found none";
                return self.error(burst.referenced, message.to_owned());
            }
        };
        Ok(ClientsPolicy {
            proxy_protocol: match clients.proxy_protocol.map(|word| word.value) {
                Some(ProxyProtocolWord::Required) => ProxyProtocol::Required,
                Some(ProxyProtocolWord::Off) | None => ProxyProtocol::Off,
            },
            trusted_proxies,
            address_header: match clients.address_header.map(|word| word.value) {
                Some(AddressHeaderWord::Forwarded) => AddressHeader::Forwarded,
                Some(AddressHeaderWord::XForwardedFor) | None => AddressHeader::XForwardedFor,
            },
            connections_max: clients
                .connections_max
                .map_or(default.connections_max, |number| number.cast()),
            requests_active_max: clients
                .requests_active_max
                .map_or(default.requests_active_max, |number| number.cast()),
            requests,
        })
    }
}

fn overlap(one: &IpNetwork, other: &IpNetwork) -> bool {
    one.contains(other.network()) || other.contains(one.network())
}
