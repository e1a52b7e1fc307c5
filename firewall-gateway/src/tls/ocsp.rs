//! Reading an OCSP response (RFC 6960) before it is stapled: whose it is, what it says, until when.

use x509_parser::asn1_rs::{Any, Class, FromDer, GeneralizedTime, Oid, Sequence, Tag, oid};

/// What a response says of a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word {
    /// It is not revoked, as of the response and up to this time.
    Good {
        /// In seconds since 1970.
        until_epoch_s: i64,
    },
    /// It is not good.
    Bad {
        /// `revoked` or `unknown`.
        status: &'static str,
    },
}

/// What a response says of the certificate with this serial number.
///
/// The signature is the client's to verify; a response that is not for the certificate or cannot be
/// read is a wrong file.
///
/// # Errors
/// What is wrong with the response.
pub fn read(response: &[u8], serial: &[u8]) -> Result<Word, String> {
    let parsed = walk(response, serial).map_err(|_| "it is no OCSP response in DER".to_owned())?;
    parsed.unwrap_or_else(|| {
        Err("it says nothing of this certificate: it is of another one, or only an error"
            .to_owned())
    })
}

type Parsed = Option<Result<Word, String>>;
type Malformed = x509_parser::nom::Err<x509_parser::asn1_rs::Error>;

// OCSPResponse: a status and, where that is `successful`, the bytes of a BasicOCSPResponse.
fn walk(response: &[u8], serial: &[u8]) -> Result<Parsed, Malformed> {
    let (_, outer) = Sequence::from_der(response)?;
    let (rest, status) = Any::from_der(&outer.content)?;
    if status.data != [0] {
        return Ok(None);
    }
    let (_, bytes) = Any::from_der(rest)?;
    let (_, bytes) = Sequence::from_der(bytes.data)?;
    let (rest, kind) = Oid::from_der(&bytes.content)?;
    if kind != BASIC_RESPONSE {
        return Ok(None);
    }
    let (_, basic) = Any::from_der(rest)?;
    let (_, basic) = Sequence::from_der(basic.data)?;
    let (_, data) = Sequence::from_der(&basic.content)?;
    // ResponseData: [0] version, [1] or [2] responder, producedAt, responses.
    let mut rest: &[u8] = &data.content;
    loop {
        let (after, field) = Any::from_der(rest)?;
        rest = after;
        if field.class() == Class::Universal && field.tag() == Tag::GeneralizedTime {
            break;
        }
    }
    let (_, responses) = Sequence::from_der(rest)?;
    let mut rest: &[u8] = &responses.content;
    while !rest.is_empty() {
        let (after, single) = Sequence::from_der(rest)?;
        rest = after;
        if let Some(word) = single_response(&single.content, serial)? {
            return Ok(Some(word));
        }
    }
    Ok(None)
}

// SingleResponse: certID, certStatus, thisUpdate, [0] nextUpdate.
fn single_response(single: &[u8], serial: &[u8]) -> Result<Parsed, Malformed> {
    let (rest, id) = Sequence::from_der(single)?;
    let (after, _algorithm) = Any::from_der(&id.content)?;
    let (after, _issuer_name) = Any::from_der(after)?;
    let (after, _issuer_key) = Any::from_der(after)?;
    let (_, number) = Any::from_der(after)?;
    if number.data != serial {
        return Ok(None);
    }
    let (rest, status) = Any::from_der(rest)?;
    let status = match status.tag().0 {
        0 => None,
        1 => Some("revoked"),
        _ => Some("unknown"),
    };
    if let Some(status) = status {
        return Ok(Some(Ok(Word::Bad { status })));
    }
    let (rest, _this_update) = GeneralizedTime::from_der(rest)?;
    if rest.is_empty() {
        let why = "it names no next update, and so would be stapled for ever".to_owned();
        return Ok(Some(Err(why)));
    }
    let (_, next) = Any::from_der(rest)?;
    let (_, next) = GeneralizedTime::from_der(next.data)?;
    let until = next.utc_datetime().map_err(x509_parser::nom::Err::Error)?;
    Ok(Some(Ok(Word::Good { until_epoch_s: until.unix_timestamp() })))
}

const BASIC_RESPONSE: Oid<'static> = oid!(1.3.6.1.5.5.7.48.1.1);

#[cfg(test)]
mod tests;
