//! The words by which customers, license keys and machines are found: without accents and in lower case.

use std::fmt;

use icu_normalizer::{DecomposingNormalizerBorrowed, properties::CanonicalCombiningClassMapBorrowed};

use super::{
    customer::Customer,
    described_activation::DescribedActivation,
    event::Subject,
    id::{CustomerId, Id, IdKind, LicenseId},
    license::License,
    seat::MachineHash,
};

/// The maximum number of words by which a resource is found.
pub const MAX_KEYS: usize = 16;
/// The maximum length of a word, in characters. Of longer words, the rest is left out, also in searches.
const MAX_WORD_CHARS: usize = 40;
/// The maximum length of all words of a resource, in bytes, so that each of its items stays below 1 KB.
const MAX_TEXT_BYTES: usize = 640;
/// The lengths of the ends of a license key's id by which it is found. The dashboard shows the last six characters.
const ID_TAILS: [usize; 3] = [6, 8, 4];
/// The length of the end of a customer's id.
const CUSTOMER_ID_TAIL: [usize; 1] = [6];

/// A resource that is found by its words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SearchResource {
    /// A customer.
    Customer(CustomerId),
    /// A license key.
    License(LicenseId),
    /// A machine with an activation of a license key.
    Machine(LicenseId, MachineHash),
}

/// A kind of resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SearchKind {
    /// Customers.
    Customer,
    /// License keys.
    License,
    /// Machines.
    Machine,
}

impl SearchResource {
    /// Returns the resource that an event is about; `None` if it is not found by words.
    pub fn of(subject: &Subject) -> Option<Self> {
        Some(match subject {
            Subject::Customer(id) => Self::Customer(*id),
            Subject::License(id) => Self::License(*id),
            Subject::Activation(id) => Self::Machine(id.license, id.machine),
            _ => return None,
        })
    }

    /// Returns the kind.
    pub const fn kind(self) -> SearchKind {
        match self {
            Self::Customer(_) => SearchKind::Customer,
            Self::License(_) => SearchKind::License,
            Self::Machine(..) => SearchKind::Machine,
        }
    }

    /// Parses the text that `Display` writes.
    pub fn parse(kind: SearchKind, text: &str) -> Option<Self> {
        Some(match kind {
            SearchKind::Customer => Self::Customer(text.parse().ok()?),
            SearchKind::License => Self::License(text.parse().ok()?),
            SearchKind::Machine => {
                let (license, machine) = text.split_once('/')?;
                Self::Machine(license.parse().ok()?, machine.parse().ok()?)
            }
        })
    }
}

impl fmt::Display for SearchResource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Customer(id) => id.fmt(f),
            Self::License(id) => id.fmt(f),
            Self::Machine(license, machine) => write!(f, "{license}/{machine}"),
        }
    }
}

/// The words of a resource.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SearchWords {
    /// The words by which the resource is found, at most [`MAX_KEYS`]. Without duplicates.
    pub keys: Vec<String>,
    /// All words, each after a space. A search for several words finds one by its key and compares the others with this text.
    pub text: String,
}

impl SearchWords {
    /// Returns the words of a customer: none after the customer was erased.
    pub fn of_customer(customer: &Customer) -> Self {
        let mut words = Self::default();
        for text in [&customer.name, &customer.company].into_iter().flatten() {
            words.add_all(split(text));
        }
        if let Some(email) = &customer.email {
            words.add_email(email);
        }
        words.add_all(customer.external_id.iter().flat_map(|id| split(id)));
        if !words.text.is_empty() {
            words.add_id(customer.id, CUSTOMER_ID_TAIL);
        }
        words
    }

    /// Returns the words of a license key. Of its key string, only the visible parts are words.
    pub fn of_license(license: &License) -> Self {
        let mut words = Self::default();
        words.add_id(license.id, ID_TAILS);
        let mut hint = split(&license.key_hint);
        words.add_all(hint.pop());
        let texts = [&license.name, &license.external_id, &license.tag];
        words.add_all(texts.into_iter().flatten().flat_map(|text| split(text)));
        // The beginning, which all license keys of a product share, is the least important.
        words.add_all(hint);
        words
    }

    /// Returns the words of a machine: none after its activation has ended, and none for a process, which is found by its
    /// license key.
    pub fn of_machine(machine: &DescribedActivation) -> Self {
        let mut words = Self::default();
        let DescribedActivation { activation, facts } = machine;
        if activation.ended_at.is_some() || activation.instance_id.is_some() {
            return words;
        }
        let names = facts.iter().flat_map(|facts| [&facts.name, &facts.hostname]).flatten();
        words.add_all(names.chain([&activation.machine_id]).flat_map(|text| split(text)));
        words
    }

    fn add_all(&mut self, all: impl IntoIterator<Item = String>) {
        for word in all {
            self.add_text(&word);
            if self.keys.len() < MAX_KEYS && !self.keys.contains(&word) {
                self.keys.push(word);
            }
        }
    }

    /// Adds the words of an email address. The top-level domain is no key, since half of all customers share it.
    fn add_email(&mut self, email: &str) {
        let mut all = split(email);
        let last = all.pop();
        self.add_all(all);
        if let Some(word) = &last {
            self.add_text(word);
        }
    }

    fn add_id<K: IdKind>(&mut self, id: Id<K>, tails: impl IntoIterator<Item = usize>) {
        let ulid = id.ulid().to_string().to_lowercase();
        self.add_all(tails.into_iter().map(|length| ulid[ulid.len() - length..].to_owned()));
    }

    /// Adds a word that is compared only.
    fn add_text(&mut self, word: &str) {
        let is_known = self.text.split(' ').any(|known| known == word);
        if !is_known && self.text.len() + 1 + word.len() <= MAX_TEXT_BYTES {
            self.text.push(' ');
            self.text.push_str(word);
        }
    }
}

/// The words of a search. Each finds the words that begin with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SearchTerms {
    /// The longest word, by which resources are found.
    pub key: String,
    /// The others, which a found resource must have as well.
    pub others: Vec<String>,
}

impl SearchTerms {
    /// The maximum number of words besides the longest one.
    const MAX_OTHERS: usize = 8;

    /// Parses the text of a search; `None` if it has no word.
    pub fn parse(text: &str) -> Option<Self> {
        let mut words: Vec<(String, bool)> = Vec::new();
        for chunk in text.split_whitespace() {
            let split = split(chunk);
            // The end of an address or a file name is often shared by many, and the top-level domain of an address is no key.
            let has_end = split.len() > 1 && chunk.contains('.');
            let last = split.len() - usize::from(!split.is_empty());
            words.extend(split.into_iter().enumerate().map(|(at, word)| (word, has_end && at == last)));
        }
        let longest = |(word, is_end): &(String, bool)| (!is_end, word.chars().count());
        // Of words of the same length, the first.
        let at = (0..words.len()).rev().max_by_key(|at| longest(&words[*at]))?;
        let (key, _) = words.remove(at);
        let others = words.into_iter().map(|(word, _)| word).filter(|word| *word != key);
        let others = others.take(Self::MAX_OTHERS).collect();
        Some(Self { key, others })
    }
}

/// Splits a text into words without accents and in lower case.
pub fn split(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    for chunk in text.split_whitespace() {
        let folded = fold(chunk);
        if is_uuid_start(&folded) {
            words.push(folded.replace('-', ""));
        } else {
            words.extend(
                folded.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).map(str::to_owned),
            );
        }
    }
    for word in &mut words {
        if let Some((end, _)) = word.char_indices().nth(MAX_WORD_CHARS) {
            word.truncate(end);
        }
    }
    words
}

/// Returns a text without accents and in lower case.
fn fold(text: &str) -> String {
    let classes = CanonicalCombiningClassMapBorrowed::new();
    let decomposed = DecomposingNormalizerBorrowed::new_nfkd().normalize(text);
    let mut folded = String::with_capacity(decomposed.len());
    for letter in decomposed.chars().filter(|letter| classes.get_u8(*letter) == 0).flat_map(char::to_lowercase) {
        match base_letters(letter) {
            Some(letters) => folded.push_str(letters),
            // Lower case of a few letters has an accent of its own.
            None if classes.get_u8(letter) == 0 => folded.push(letter),
            None => {}
        }
    }
    folded
}

/// Returns the letters that stand for a letter on keyboards without it, if Unicode does not decompose it.
const fn base_letters(letter: char) -> Option<&'static str> {
    Some(match letter {
        'ß' => "ss",
        'æ' => "ae",
        'œ' => "oe",
        'ø' => "o",
        'ł' => "l",
        'đ' | 'ð' => "d",
        'þ' => "th",
        'ħ' => "h",
        'ı' => "i",
        'ς' => "σ",
        _ => return None,
    })
}

/// Returns whether a text is a UUID or the beginning of one with a hyphen. It is one word, since parts of it name nothing.
fn is_uuid_start(text: &str) -> bool {
    let mut parts = text.split('-');
    let is_hex = |part: &str| part.bytes().all(|byte| byte.is_ascii_hexdigit());
    parts.next().is_some_and(|first| first.len() == 8 && is_hex(first) && text.len() > 8) && parts.all(is_hex)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn words_have_no_accents_and_are_in_lower_case() {
        for (text, expected) in [
            ("Élodie Müller-Lüdenscheidt", &["elodie", "muller", "ludenscheidt"][..]),
            ("STRASSE Straße", &["strasse", "strasse"]),
            ("Łódź İstanbul ΣΊΣΥΦΟΣ Ærø", &["lodz", "istanbul", "σισυφοσ", "aero"]),
            ("ﬁrst Ｗide №5", &["first", "wide", "no5"]),
            ("ada.lovelace@example.com", &["ada", "lovelace", "example", "com"]),
            ("LUMEN-…-FPZ08", &["lumen", "fpz08"]),
            ("550E8400-e29b-41d4-a716-446655440000", &["550e8400e29b41d4a716446655440000"]),
            ("550e8400-", &["550e8400"]),
            ("srv-berlin_01", &["srv", "berlin", "01"]),
            (" \u{301} -- ", &[]),
            ("株式会社 Tokyo", &["株式会社", "tokyo"]),
        ] {
            assert_eq!(split(text), expected, "{text}");
        }
        assert_eq!(split(&"ä".repeat(300)), ["a".repeat(MAX_WORD_CHARS)]);
    }

    #[test]
    fn longest_word_of_a_search_is_the_key_unless_it_ends_an_address() {
        let parse = |text: &str| SearchTerms::parse(text).map(|terms| (terms.key, terms.others.join(" ")));
        let terms = |key: &str, others: &str| Some((key.to_owned(), others.to_owned()));
        assert_eq!(parse("Anna Schmidt"), terms("schmidt", "anna"));
        assert_eq!(parse("anna otto"), terms("anna", "otto"));
        assert_eq!(parse("x@y.travel"), terms("x", "y travel"));
        assert_eq!(parse("ada ada"), terms("ada", ""));
        assert_eq!(parse("a."), terms("a", ""));
        assert_eq!(parse(" … "), None);
    }

    proptest! {
        #[test]
        fn every_beginning_of_a_word_is_a_beginning_of_the_stored_word(text in "[\\PC ]{0,40}") {
            for word in split(&text) {
                prop_assert!(!word.is_empty() && !word.contains(' ') && !word.contains('#'));
                prop_assert_eq!(split(&word), vec![word.clone()], "words are folded once");
            }
        }

        #[test]
        fn items_of_a_resource_are_small(texts in proptest::collection::vec("[\\PC]{0,120}", 0..20)) {
            let mut words = SearchWords::default();
            words.add_all(texts.iter().flat_map(|text| split(text)));
            prop_assert!(words.keys.len() <= MAX_KEYS && words.text.len() <= MAX_TEXT_BYTES);
        }
    }
}
