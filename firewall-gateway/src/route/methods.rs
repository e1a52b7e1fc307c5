//! A set of the methods that are served.

use http::Method;

use crate::request::METHODS;

/// A bit for each of `METHODS`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Methods(u8);

impl Methods {
    /// The set of these names, or of all where there are none. `GET` takes `HEAD` along: a resource
    /// that can be got has a head.
    ///
    /// # Errors
    /// The first name that is none of a method that is served.
    pub fn parse(names: &[String]) -> Result<Self, String> {
        if names.is_empty() {
            return Ok(Self(u8::MAX));
        }
        let mut methods = Self::default();
        for name in names {
            let bit = bit_of(name).ok_or_else(|| name.clone())?;
            methods.0 |= bit;
            if *name == Method::GET.as_str() {
                methods.0 |= bit_of(Method::HEAD.as_str()).unwrap_or_default();
            }
        }
        Ok(methods)
    }

    /// Whether a method is in the set.
    #[must_use]
    pub fn contains(self, method: &Method) -> bool {
        bit_of(method.as_str()).is_some_and(|bit| self.0 & bit != 0)
    }

    /// Whether all of `other` is in the set.
    #[must_use]
    pub fn covers(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// The methods of both.
    #[must_use]
    pub fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The value of `Allow`.
    #[must_use]
    pub fn text(self) -> String {
        let names = METHODS.iter().filter(|method| self.contains(method)).map(Method::as_str);
        names.collect::<Vec<_>>().join(", ")
    }
}

fn bit_of(name: &str) -> Option<u8> {
    METHODS.iter().position(|method| method.as_str() == name).map(|place| 1 << place)
}

#[cfg(test)]
mod tests {
    use http::Method;

    use super::Methods;

    #[test]
    fn names_and_sets() {
        let parse = |names: &[&str]| {
            Methods::parse(&names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>())
        };
        for (names, expected) in [
            (&["GET"][..], Ok("GET, HEAD")),
            (&["POST", "GET"], Ok("GET, HEAD, POST")),
            (&["DELETE"], Ok("DELETE")),
            (&[], Ok("GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS")),
            (&["get"], Err("get")),
            (&["POST", "TRACE"], Err("TRACE")),
        ] {
            let found = parse(names).map(Methods::text);
            assert_eq!(found, expected.map(str::to_owned).map_err(str::to_owned), "{names:?}");
        }
        let (get, all) = (parse(&["GET"]).unwrap(), parse(&[]).unwrap());
        assert!(get.contains(&Method::HEAD) && !get.contains(&Method::POST));
        assert!(all.covers(get) && !get.covers(all) && get.covers(get));
        assert_eq!(Methods::default().with(get), get);
    }
}
