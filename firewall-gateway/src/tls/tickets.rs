//! Session tickets: sealed with keys that the supervisor makes, so that a session outlives the worker
//! that began it.

use std::sync::Arc;

use arc_swap::ArcSwap;
use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey},
    error::Unspecified,
    hkdf::{HKDF_SHA256, KeyType, Salt},
};
use rustls::server::ProducesTickets;

use crate::policy::{TICKET_KEY_BYTES, TicketKey};

/// Seals with the current key and opens with every key that is still accepted.
#[derive(Debug)]
pub struct Tickets {
    keys: ArcSwap<Vec<Key>>,
    lifetime_s: u32,
    context: Vec<u8>,
}

impl Tickets {
    /// Takes the keys, the current one first.
    ///
    /// A ticket is good only where `context` is the same: it stands for what a session was checked
    /// against when it began, since nothing of that is checked again when it goes on.
    ///
    /// # Errors
    /// The library's, without a reason.
    pub fn new(
        keys: &[TicketKey],
        lifetime_s: u32,
        context: Vec<u8>,
    ) -> Result<Arc<Self>, Unspecified> {
        let tickets = Self { keys: ArcSwap::default(), lifetime_s, context };
        tickets.replace(keys)?;
        Ok(Arc::new(tickets))
    }

    /// Replaces the keys; the earlier ones are forgotten.
    ///
    /// # Errors
    /// The library's; the earlier keys stay then.
    pub fn replace(&self, keys: &[TicketKey]) -> Result<(), Unspecified> {
        let keys: Result<Vec<Key>, Unspecified> =
            keys.iter().map(|key| Key::derive(key, &self.context)).collect();
        self.keys.store(Arc::new(keys?));
        Ok(())
    }
}

impl ProducesTickets for Tickets {
    fn enabled(&self) -> bool {
        !self.keys.load().is_empty()
    }

    fn lifetime(&self) -> u32 {
        self.lifetime_s
    }

    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        let keys = self.keys.load();
        let key = keys.first()?;
        let mut sealed = plain.to_vec();
        let nonce = key.seal.seal_in_place_append_tag(Aad::from(key.name), &mut sealed).ok()?;
        Some([&key.name[..], nonce.as_ref(), &sealed].concat())
    }

    fn decrypt(&self, ticket: &[u8]) -> Option<Vec<u8>> {
        let (name, rest) = ticket.split_first_chunk::<NAME_BYTES>()?;
        let (nonce, sealed) = rest.split_first_chunk::<NONCE_LEN>()?;
        let keys = self.keys.load();
        let key = keys.iter().find(|key| key.name == *name)?;
        let mut opened = sealed.to_vec();
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let plain = key.seal.open_in_place(nonce, Aad::from(key.name), &mut opened).ok()?.len();
        opened.truncate(plain);
        Some(opened)
    }
}

/// One key, and the name that its tickets begin with.
#[derive(Debug)]
struct Key {
    name: [u8; NAME_BYTES],
    // A nonce at random for each ticket: at 4,000 a second a key that is replaced within a week seals
    // less than 2^32 of them, which is what NIST SP 800-38D, 8.3, allows.
    seal: RandomizedNonceKey,
}

impl Key {
    fn derive(key: &TicketKey, context: &[u8]) -> Result<Self, Unspecified> {
        let secret = Salt::new(HKDF_SHA256, SALT).extract(&key.0);
        let mut name = [0; NAME_BYTES];
        secret.expand(&[b"name", context], Length(NAME_BYTES))?.fill(&mut name)?;
        let mut bytes = [0; TICKET_KEY_BYTES];
        secret.expand(&[b"seal", context], Length(TICKET_KEY_BYTES))?.fill(&mut bytes)?;
        Ok(Self { name, seal: RandomizedNonceKey::new(&AES_256_GCM, &bytes)? })
    }
}

struct Length(usize);

impl KeyType for Length {
    fn len(&self) -> usize {
        self.0
    }
}

const SALT: &[u8] = b"seawall session tickets";
const NAME_BYTES: usize = 16;

#[cfg(test)]
mod tests {
    use rustls::server::ProducesTickets as _;

    use super::{TicketKey, Tickets};

    fn tickets(keys: &[TicketKey], context: &str) -> std::sync::Arc<Tickets> {
        Tickets::new(keys, 60, context.into()).unwrap()
    }

    #[test]
    fn a_ticket_is_good_as_long_as_its_key_and_its_context() {
        let [first, second, third] = [1, 2, 3].map(|byte| TicketKey([byte; 32]));
        let ticket = tickets(&[first], "a").encrypt(b"a session").unwrap();
        let opened = |keys: &[TicketKey], context: &str| tickets(keys, context).decrypt(&ticket);
        for keys in [&[first][..], &[second, first], &[first, second]] {
            assert_eq!(opened(keys, "a").as_deref(), Some(&b"a session"[..]));
        }
        for (keys, context) in [(&[second, third][..], "a"), (&[first], "b"), (&[], "a")] {
            assert_eq!(opened(keys, context), None);
        }
        let rotating = tickets(&[first], "a");
        rotating.replace(&[second, first]).unwrap();
        assert!(rotating.decrypt(&ticket).is_some());
        rotating.replace(&[third, second]).unwrap();
        assert!(rotating.decrypt(&ticket).is_none() && rotating.enabled());
        rotating.replace(&[]).unwrap();
        assert!(!rotating.enabled() && rotating.encrypt(b"x").is_none());
    }

    #[test]
    fn what_is_no_ticket_of_ours_is_none() {
        let tickets = tickets(&[TicketKey([1; 32])], "");
        let ticket = tickets.encrypt(b"a session").unwrap();
        assert_ne!(ticket, tickets.encrypt(b"a session").unwrap(), "each has a nonce of its own");
        for length in 0..ticket.len() {
            assert_eq!(tickets.decrypt(&ticket[..length]), None, "{length} bytes");
        }
        for place in 0..ticket.len() {
            let mut changed = ticket.clone();
            changed[place] ^= 1;
            assert_eq!(tickets.decrypt(&changed), None, "byte {place}");
        }
    }
}
