//! Who a client is, what it may have of the gateway, and what its TLS stack looks like.

pub mod addresses;

pub mod arrival;

pub mod forwarded;

pub mod ja4;

pub mod opening;

pub mod pace;

pub mod proxy_header;

use std::{
    net::IpAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use http::HeaderMap;

use self::{
    addresses::{AddressTable, Held, Seat},
    forwarded::Origin,
};
use crate::{
    figures::{Meter, one},
    limits::Limits,
    policy::{ClientsPolicy, ProxyProtocol},
};

/// What the threads share about clients.
pub struct Clients {
    policy: ClientsPolicy,
    addresses: Arc<AddressTable>,
}

impl Clients {
    /// Nobody has been here yet.
    #[must_use]
    pub fn new(policy: &ClientsPolicy, limits: &Limits) -> Self {
        let addresses = AddressTable::new(limits.connections_max, Instant::now());
        Self { policy: policy.clone(), addresses: Arc::new(addresses) }
    }

    /// Whether every connection begins with a PROXY header.
    #[must_use]
    pub fn proxy_header_required(&self) -> bool {
        self.policy.proxy_protocol == ProxyProtocol::Required
    }

    /// Whether what this address says of others is believed.
    #[must_use]
    pub fn trusts(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.policy.trusted_proxies.iter().any(|prefix| prefix.contains(address))
    }

    /// Who sent a request that came over a connection of `peer`.
    #[must_use]
    pub fn origin(&self, peer: IpAddr, headers: &HeaderMap) -> Origin {
        let peer = peer.to_canonical();
        if !self.trusts(peer) {
            return Origin { client: peer, proxies: Vec::new() };
        }
        forwarded::origin(peer, headers, self.policy.address_header, |hop| self.trusts(hop))
    }

    /// The right to one more connection of this address; proxies that are trusted need none, as they
    /// bring the connections of many.
    ///
    /// # Errors
    /// It has as many as it may have.
    pub fn connection(&self, address: IpAddr, meter: &Meter) -> Result<Option<Seat>, Full> {
        self.seat(address, Held::Connection, self.policy.connections_max, meter)
    }

    /// The right to one more request in flight of this address; likewise.
    ///
    /// # Errors
    /// It has as many as it may have.
    pub fn request(&self, address: IpAddr, meter: &Meter) -> Result<Option<Seat>, Full> {
        self.seat(address, Held::Request, self.policy.requests_active_max, meter)
    }

    fn seat(
        &self,
        address: IpAddr,
        held: Held,
        max: u16,
        meter: &Meter,
    ) -> Result<Option<Seat>, Full> {
        if self.trusts(address) {
            return Ok(None);
        }
        match AddressTable::seat(&self.addresses, address, held, max) {
            Ok(Some(seat)) => Ok(Some(seat)),
            Ok(None) => {
                one(&meter.client_addresses_untracked);
                Ok(None)
            }
            Err(full) => Err(full),
        }
    }

    /// Takes one request off what this address may send in a second.
    ///
    /// # Errors
    /// Nothing is left; after the time that is named there is.
    pub fn rate(&self, address: IpAddr, now: Instant, meter: &Meter) -> Result<(), Duration> {
        let Some(rate) = self.policy.requests else { return Ok(()) };
        match self.addresses.request(address, rate, now) {
            Some(outcome) => outcome,
            None => {
                one(&meter.client_addresses_untracked);
                Ok(())
            }
        }
    }
}

/// An address has as many as it may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;
