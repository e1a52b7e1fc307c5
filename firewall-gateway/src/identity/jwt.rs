//! Tokens that an issuer signed (RFC 7519, as JWS in its compact form): a request is who its token says,
//! or nobody.
//!
//! The modules stand in the order in which a token meets them.

pub(crate) mod bearer;

pub(crate) mod cache;

pub(crate) mod json;

mod header;

mod algorithm;

pub mod keys;

mod unknown;

mod issuer;

mod claims;

pub(crate) mod mapping;

pub(crate) mod verify;

mod error;

pub use self::{
    algorithm::Algorithm,
    bearer::scheme,
    error::TokenError,
    issuer::{Issuers, JwtError, is_header_for_claims},
    mapping::claim,
    verify::Verifier,
};

#[cfg(test)]
mod tests;
