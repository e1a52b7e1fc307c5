//! One text: without what is hidden, in one form of Unicode, without HTML that acts.

use std::borrow::Cow;

use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfc_quick};

use super::{
    characters::is_hidden,
    html::{self, Budget},
    marks::{MarkError, Marks},
};
use crate::{
    limits::SANITISE_ROUNDS_MAX,
    policy::{ControlCharacters, SanitisePolicy, UnicodeForm, Unwanted},
    validate::{
        fault::{Fault, Invalid, Place, Problem},
        pointer::{self, Step},
    },
};

/// What is done to texts.
#[derive(Debug)]
pub struct Rules {
    unicode: UnicodeForm,
    controls: ControlCharacters,
    double_encoding: Unwanted,
    marks: Marks,
}

/// A kind of change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// To the one form of Unicode.
    Unicode,
    /// Characters that nobody sees were left out.
    ControlCharacters,
    /// HTML was cleaned.
    Html,
}

impl Change {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 3] = [Self::Unicode, Self::ControlCharacters, Self::Html];

    /// The value of the metric label and of the access log's `sanitised`.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Unicode => "unicode",
            Self::ControlCharacters => "control_characters",
            Self::Html => "html",
        }
    }
}

/// Kinds of changes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Changes(u8);

impl Changes {
    /// Adds one.
    pub fn add(&mut self, change: Change) {
        self.0 |= 1 << change as u8;
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Those that are there.
    pub fn all(self) -> impl Iterator<Item = Change> {
        Change::ALL.into_iter().filter(move |change| self.0 & (1 << *change as u8) != 0)
    }

    /// Their labels.
    #[must_use]
    pub fn text(self) -> String {
        self.all().map(Change::label).collect::<Vec<_>>().join(",")
    }
}

impl Rules {
    /// As the policy says.
    ///
    /// # Errors
    /// A pointer that is none.
    pub fn new(policy: &SanitisePolicy) -> Result<Self, MarkError> {
        Ok(Self {
            unicode: policy.unicode,
            controls: policy.control_characters,
            double_encoding: policy.double_encoding,
            marks: Marks::new(&policy.html)?,
        })
    }
}

/// Cleans the texts of one request.
#[derive(Debug)]
pub struct Cleaner<'a> {
    rules: &'a Rules,
    /// What was changed so far.
    pub changes: Changes,
    budget: Option<Budget>,
}

impl<'a> Cleaner<'a> {
    /// By these rules.
    #[must_use]
    pub fn new(rules: &'a Rules) -> Self {
        Self { rules, changes: Changes::default(), budget: None }
    }

    /// The work on a body begins.
    pub fn begin(&mut self) {
        self.budget = (!self.rules.marks.is_empty()).then(Budget::new);
    }

    /// Whether a text has something hidden in it that may not be there.
    #[must_use]
    pub fn hides(&self, text: &str) -> bool {
        self.rules.controls != ControlCharacters::Pass && text.chars().any(is_hidden)
    }

    /// Whether what these steps lead to is HTML.
    #[must_use]
    pub fn is_html(&self, way: &[Step<'_>]) -> bool {
        self.rules.marks.name(way)
    }

    /// Whether a decoded text would become another one for who decodes it once more.
    ///
    /// # Errors
    /// It would, and may not.
    pub fn decoded_once(&self, text: &str) -> Result<(), Fault> {
        let again = |three: &[u8]| matches!(three, [b'%', a, b] if a.is_ascii_hexdigit() && b.is_ascii_hexdigit());
        match self.rules.double_encoding {
            Unwanted::Refuse if text.as_bytes().windows(3).any(again) => Err(Fault::DoubleEncoding),
            _ => Ok(()),
        }
    }

    /// Cleans a text or the name of one: answers it where it has changed.
    ///
    /// # Errors
    /// Why it is refused.
    pub fn plain(&mut self, text: &str) -> Result<Option<String>, Fault> {
        // Printable ASCII is in every form, and what most texts are.
        if text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
            return Ok(None);
        }
        let mut cleaned = Cow::Borrowed(text);
        if self.hides(text) {
            if self.rules.controls == ControlCharacters::Refuse {
                return Err(Fault::ControlCharacter);
            }
            cleaned = text.chars().filter(|character| !is_hidden(*character)).collect();
            self.changes.add(Change::ControlCharacters);
        }
        if self.rules.unicode == UnicodeForm::Nfc
            && is_nfc_quick(cleaned.chars()) != IsNormalized::Yes
        {
            let normal: String = cleaned.nfc().collect();
            if normal != cleaned {
                self.changes.add(Change::Unicode);
                cleaned = Cow::Owned(normal);
            }
        }
        Ok(match cleaned {
            Cow::Borrowed(_) => None,
            Cow::Owned(cleaned) => Some(cleaned),
        })
    }

    /// Cleans a text that is HTML, likewise.
    ///
    /// # Errors
    /// Why it is refused.
    pub fn html(&mut self, text: &str) -> Result<Option<String>, Fault> {
        let mut cleaned = self.plain(text)?;
        if let Some(budget) = &mut self.budget {
            budget.take(cleaned.as_deref().unwrap_or(text)).ok_or(Fault::TooMuchMarkup)?;
        }
        // What HTML escapes comes out as the character that it stands for, and what is left of an address without one
        // that nobody sees may be `javascript:`. So both are done until neither finds anything.
        for _ in 0..SANITISE_ROUNDS_MAX {
            let given = cleaned.as_deref().unwrap_or(text);
            if !html::is_markup(given) {
                return Ok(cleaned);
            }
            let Some(budget) = &self.budget else { return Ok(cleaned) };
            let harmless = budget.clean(given).ok_or(Fault::TooMuchMarkup)?;
            if harmless == given {
                return Ok(cleaned);
            }
            self.changes.add(Change::Html);
            cleaned = Some(match self.plain(&harmless)? {
                Some(plain) => plain,
                None => harmless,
            });
        }
        Err(Fault::TooMuchMarkup)
    }
}

/// A text that is refused, at a place.
#[must_use]
pub fn invalid(fault: Fault, place: Place, name: Option<&str>) -> Invalid {
    let pointer = pointer::fragment("", name);
    Invalid {
        fault,
        problems: vec![Problem { place, name: None, pointer, expected: expected(fault) }],
    }
}

/// What was expected where a text is refused.
#[must_use]
pub fn expected(fault: Fault) -> String {
    match fault {
        Fault::ControlCharacter => {
            "text without control characters and characters that are not seen"
        }
        Fault::DoubleEncoding => "text that is percent-encoded once",
        Fault::TooMuchMarkup => "HTML with less markup",
        Fault::MemberRepeated => "each name once, in Unicode's form NFC",
        _ => "text",
    }
    .to_owned()
}
