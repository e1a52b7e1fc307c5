//! Which certificate a name is served with.

use std::collections::HashMap;

/// From names to what they are served with: a name itself outranks a wildcard.
#[derive(Debug)]
pub struct NameTable<T> {
    exact: HashMap<Box<str>, Vec<T>>,
    /// By what follows the `*.`.
    wildcard: HashMap<Box<str>, Vec<T>>,
}

impl<T> Default for NameTable<T> {
    fn default() -> Self {
        Self { exact: HashMap::new(), wildcard: HashMap::new() }
    }
}

impl<T> NameTable<T> {
    /// What a name of a certificate has so far, for adding to it.
    pub fn entry(&mut self, name: &str) -> &mut Vec<T> {
        let name = name.to_ascii_lowercase();
        match name.strip_prefix("*.") {
            Some(parent) => self.wildcard.entry(parent.into()).or_default(),
            None => self.exact.entry(name.into()).or_default(),
        }
    }

    /// What a client is served with that names this host, in lower case.
    #[must_use]
    pub fn find(&self, host: &str) -> Option<&[T]> {
        let wildcard = || {
            // RFC 6125, 6.4.3: a wildcard stands for one label, not for none and not for two.
            let (_, parent) = host.split_once('.')?;
            self.wildcard.get(parent)
        };
        self.exact.get(host).or_else(wildcard).map(Vec::as_slice)
    }
}

#[cfg(test)]
mod tests {
    use super::NameTable;

    #[test]
    fn a_name_itself_outranks_a_wildcard_for_one_label() {
        let mut table = NameTable::default();
        for (number, name) in
            ["api.example", "*.example", "*.API.example", "www.api.example"].into_iter().enumerate()
        {
            table.entry(name).push(number);
        }
        table.entry("api.example").push(9);
        for (host, expected) in [
            ("api.example", Some(&[0, 9][..])),
            ("www.example", Some(&[1])),
            ("www.api.example", Some(&[3])),
            ("mail.api.example", Some(&[2])),
            ("a.mail.api.example", None),
            ("example", None),
            ("*.example", Some(&[1])),
            ("", None),
            (".", None),
        ] {
            assert_eq!(table.find(host), expected, "{host}");
        }
    }
}
