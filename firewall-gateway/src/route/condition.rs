//! What a route asks of a request's headers.

use http::{HeaderMap, HeaderName};

use crate::{
    headers::is_ours,
    policy::{HeaderCondition, HeaderTest},
};

/// A condition, ready to be compared with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    name: HeaderName,
    test: HeaderTest,
}

impl Condition {
    /// Prepares a condition.
    ///
    /// # Errors
    /// The name is none, or one that says nothing: we set that header ourselves.
    pub fn new(policy: &HeaderCondition) -> Result<Self, String> {
        match HeaderName::from_bytes(policy.name.as_bytes()) {
            Ok(name) if !is_ours(name.as_str()) => Ok(Self { name, test: policy.test.clone() }),
            Ok(_) | Err(_) => Err(policy.name.clone()),
        }
    }

    /// Whether it holds. Where a header stands more than once, each must say the same: servers differ
    /// on which they read.
    #[must_use]
    pub fn holds(&self, headers: &HeaderMap) -> bool {
        let mut values = headers.get_all(&self.name).iter();
        match &self.test {
            HeaderTest::Present => values.next().is_some(),
            HeaderTest::Absent => values.next().is_none(),
            HeaderTest::Value(wanted) => {
                let same = |value: &http::HeaderValue| value.as_bytes() == wanted.as_bytes();
                values.next().is_some_and(same) && values.all(same)
            }
        }
    }

    /// Whether it holds wherever `other` does.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        let implied =
            matches!((&self.test, &other.test), (HeaderTest::Present, HeaderTest::Value(_)));
        self.name == other.name && (implied || self.test == other.test)
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderName, HeaderValue};

    use super::Condition;
    use crate::policy::{HeaderCondition, HeaderTest};

    fn condition(name: &str, test: HeaderTest) -> Result<Condition, String> {
        Condition::new(&HeaderCondition { name: name.to_owned(), test })
    }

    #[test]
    fn what_holds() {
        let value = || HeaderTest::Value("2".to_owned());
        for (test, headers, expected) in [
            (value(), &[("x-version", "2")][..], true),
            (value(), &[("x-version", "2"), ("x-version", "2")], true),
            (value(), &[("x-version", "2"), ("x-version", "1")], false),
            (value(), &[("x-version", "22")], false),
            (value(), &[("x-other", "2")], false),
            (value(), &[], false),
            (HeaderTest::Present, &[("x-version", "")], true),
            (HeaderTest::Present, &[], false),
            (HeaderTest::Absent, &[], true),
            (HeaderTest::Absent, &[("x-version", "")], false),
        ] {
            let mut map = HeaderMap::new();
            for (name, value) in headers {
                map.append(HeaderName::from_static(name), HeaderValue::from_static(value));
            }
            let found = condition("x-version", test.clone()).unwrap().holds(&map);
            assert_eq!(found, expected, "{test:?} {headers:?}");
        }
    }

    #[test]
    fn names_that_say_nothing() {
        for name in ["", "a b", "x-forwarded-for", "x_forwarded_for", "forwarded", "x-real-ip"] {
            assert_eq!(condition(name, HeaderTest::Present), Err(name.to_owned()));
        }
    }

    #[test]
    fn one_condition_covers_another() {
        let value = |text: &str| HeaderTest::Value(text.to_owned());
        for (one, other, expected) in [
            (HeaderTest::Present, value("1"), true),
            (value("1"), HeaderTest::Present, false),
            (value("1"), value("1"), true),
            (value("1"), value("2"), false),
            (HeaderTest::Absent, HeaderTest::Absent, true),
            (HeaderTest::Absent, HeaderTest::Present, false),
        ] {
            let [one, other] = [one, other].map(|test| condition("a", test).unwrap());
            assert_eq!(one.covers(&other), expected, "{one:?} {other:?}");
        }
    }
}
