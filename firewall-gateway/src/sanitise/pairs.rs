//! Parameters of a query and fields of a form: decoded once, cleaned, and encoded again where they have changed. A pair
//! that has not stays as it was written.

use std::{borrow::Cow, collections::HashMap, fmt::Write as _};

use super::text::{self, Cleaner};
use crate::validate::{
    fault::{Fault, Invalid, Place, Problem},
    pairs,
    pointer::{self, Step},
};

/// Cleans a query or a form: answers it where it has changed.
///
/// # Errors
/// The first fault, and the name of what has it.
pub fn clean(
    given: &str,
    place: Place,
    cleaner: &mut Cleaner<'_>,
    pairs_max: u32,
) -> Result<Option<String>, Invalid> {
    if place == Place::Body {
        cleaner.begin();
    }
    let (mut names, mut pieces) = (Vec::new(), Vec::new());
    let (mut changed, mut renamed) = (false, false);
    for piece in given.split('&') {
        if piece.is_empty() {
            pieces.push(Cow::Borrowed(piece));
            continue;
        }
        if names.len() >= pairs_max as usize {
            return Err(whole(place, Fault::TooManyValues, format!("at most {pairs_max} fields")));
        }
        let (raw_name, raw) = piece.split_once('=').unwrap_or((piece, ""));
        let (Some(name), Some(value)) = (pairs::value(raw_name), pairs::value(raw)) else {
            let fault =
                if place == Place::Body { Fault::Syntax } else { Fault::ParameterMalformed };
            return Err(whole(place, fault, "escapes of UTF-8".to_owned()));
        };
        let refused = |fault| text::invalid(fault, place, Some(&name));
        cleaner.decoded_once(&name).map_err(refused)?;
        cleaner.decoded_once(&value).map_err(refused)?;
        let clean_name = cleaner.plain(&name).map_err(refused)?;
        let named = clean_name.as_deref().unwrap_or(&name);
        let html = place == Place::Body && cleaner.is_html(&[Step::Member(named.into())]);
        let clean_value = match html {
            true => cleaner.html(&value),
            false => cleaner.plain(&value),
        };
        let clean_value = clean_value.map_err(refused)?;
        renamed |= clean_name.is_some();
        if clean_name.is_none() && clean_value.is_none() {
            pieces.push(Cow::Borrowed(piece));
        } else {
            changed = true;
            let written = |clean: &Option<String>, raw: &str| match clean {
                Some(clean) => encoded(clean),
                None => raw.to_owned(),
            };
            let (name, value) = (written(&clean_name, raw_name), written(&clean_value, raw));
            let equals = if piece.contains('=') { "=" } else { "" };
            pieces.push(Cow::Owned(format!("{name}{equals}{value}")));
        }
        names.push((clean_name, name));
    }
    if renamed {
        one_name_each(&names)
            .map_err(|name| text::invalid(Fault::MemberRepeated, place, Some(name)))?;
    }
    Ok(changed.then(|| pieces.join("&")))
}

/// A name may be there several times; two names that have become one were two for who looked at them before.
fn one_name_each<'a>(names: &'a [(Option<String>, Cow<'_, str>)]) -> Result<(), &'a str> {
    let mut known: HashMap<&str, &str> = HashMap::new();
    for (clean, given) in names {
        let clean = clean.as_deref().unwrap_or(given);
        if *known.entry(clean).or_insert(given) != given {
            return Err(given);
        }
    }
    Ok(())
}

// A space as %20, which every reader takes for one, wherever it stands.
fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            // Writing to a text cannot fail.
            let _infallible = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

fn whole(place: Place, fault: Fault, expected: String) -> Invalid {
    let pointer = pointer::ROOT.to_owned();
    Invalid { fault, problems: vec![Problem { place, name: None, pointer, expected }] }
}
