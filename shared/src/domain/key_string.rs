//! The secret that a person types to prove a purchase: `ATLAS-7K3QM-0V2ND-…-9QXZT`.
//!
//! The product's code, five groups of five symbols drawn at random (125 bits), and a group of five that checks all
//! before it. The symbols are Crockford's base 32, which has no I, L, O and U: what is typed for them is read as what
//! was meant. Case, spaces and dashes don't matter.

use std::fmt;

use rand::{CryptoRng, RngExt};

use super::secret::{Secret, sha256};

const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const GROUP: usize = 5;
const RANDOM_SYMBOLS: usize = 25;
const SYMBOLS: usize = RANDOM_SYMBOLS + GROUP;
/// Far above any real key with any amount of stray dashes; more than this is not looked at.
const MAX_BYTES: usize = 256;

/// A license key string whose check part holds.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyString {
    /// Without dashes, in upper case, look-alikes replaced: what is hashed and compared.
    canonical: Secret,
    /// How it is shown.
    shown: Secret,
    hint: String,
}

/// A text that is no license key string: of the wrong length or alphabet, or its check part does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no license key string")]
pub struct ParseKeyStringError;

impl KeyString {
    /// Draws a key for the product with this code.
    pub fn generate(product_code: &str, random: &mut impl CryptoRng) -> Self {
        let mut body: String =
            (0..RANDOM_SYMBOLS).map(|_| char::from(ALPHABET[random.random_range(0..ALPHABET.len())])).collect();
        let prefix = product_code.to_uppercase();
        body.push_str(&check_part(&format!("{}{body}", canonical(&prefix))));
        let shown = Self::show(&prefix, &body);
        Self::of(&prefix, &body, shown)
    }

    /// Reads what a person typed. Look-alikes, case, spaces and dashes don't matter; a slip of the finger is found
    /// here, before anything is looked up, in all but one of 2^25 cases.
    pub fn parse(typed: &str) -> Result<Self, ParseKeyStringError> {
        if typed.len() > MAX_BYTES {
            return Err(ParseKeyStringError);
        }
        let text = canonical(typed);
        if !text.is_ascii() || text.len() <= SYMBOLS {
            return Err(ParseKeyStringError);
        }
        let (prefix, body) = text.split_at(text.len() - SYMBOLS);
        let (random, check) = text.split_at(text.len() - GROUP);
        let holds = body.bytes().all(|symbol| ALPHABET.contains(&symbol))
            && prefix.bytes().all(|symbol| symbol.is_ascii_alphanumeric())
            && Secret::new(check.to_owned()) == Secret::new(check_part(random));
        if holds { Ok(Self::of(prefix, body, Self::show(prefix, body))) } else { Err(ParseKeyStringError) }
    }

    fn show(prefix: &str, body: &str) -> String {
        let mut shown = prefix.to_owned();
        for (index, symbol) in body.chars().enumerate() {
            if index % GROUP == 0 {
                shown.push('-');
            }
            shown.push(symbol);
        }
        shown
    }

    fn of(prefix: &str, body: &str, shown: String) -> Self {
        Self {
            canonical: Secret::new(format!("{}{body}", canonical(prefix))),
            shown: Secret::new(shown),
            hint: format!("{prefix}-…-{}", &body[RANDOM_SYMBOLS..]),
        }
    }

    /// The whole key, for the one answer that shows it.
    pub fn expose(&self) -> &str {
        self.shown.expose()
    }

    /// The product and the last group, by which its owner knows it again. It is computed from the rest, so whoever
    /// reads it still has 100 bits to guess.
    pub fn hint(&self) -> &str {
        &self.hint
    }

    /// What finds the license key in the table.
    pub fn sha256(&self) -> [u8; 32] {
        self.canonical.sha256()
    }
}

impl fmt::Debug for KeyString {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyString(…)")
    }
}

fn canonical(text: &str) -> String {
    let kept = text.chars().filter(|c| !c.is_whitespace() && !matches!(c, '-' | '‐' | '‑' | '–' | '—'));
    kept.map(|c| match c.to_ascii_uppercase() {
        'I' | 'L' => '1',
        'O' => '0',
        other => other,
    })
    .collect()
}

/// Five symbols, 25 bits, of SHA-256 over all that is before.
fn check_part(before: &str) -> String {
    let hash = sha256(before.as_bytes());
    let bits = u32::from_be_bytes([hash[0], hash[1], hash[2], hash[3]]);
    (0..GROUP).map(|group| char::from(ALPHABET[(bits >> (27 - 5 * group) & 31) as usize])).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::{SeedableRng, rngs::StdRng};

    use super::*;

    fn keys() -> impl Strategy<Value = KeyString> {
        ("[a-z0-9][a-z0-9-]{1,39}", any::<u64>())
            .prop_map(|(code, seed)| KeyString::generate(&code, &mut StdRng::seed_from_u64(seed)))
    }

    proptest! {
        #[test]
        fn a_key_is_read_however_it_is_typed(key in keys(), lower in any::<bool>(), every in 1..9_usize) {
            let mut typed = String::from(" ");
            for (index, symbol) in key.expose().chars().filter(|c| *c != '-').enumerate() {
                if index % every == 0 {
                    typed.push_str(if index % 2 == 0 { " " } else { "-" });
                }
                typed.push(match symbol {
                    '1' if lower => 'l',
                    '0' if lower => 'o',
                    other if lower => other.to_ascii_lowercase(),
                    other => other,
                });
            }
            let read = KeyString::parse(&typed).unwrap();
            prop_assert_eq!(read.sha256(), key.sha256());
            prop_assert!(KeyString::parse(key.expose()).unwrap().sha256() == key.sha256());
        }

        #[test]
        fn one_wrong_symbol_is_found(key in keys(), at in any::<prop::sample::Index>(), other in 0..32_usize) {
            let mut symbols: Vec<char> = canonical(key.expose()).chars().collect();
            let at = at.index(symbols.len());
            let other = char::from(ALPHABET[other]);
            prop_assume!(symbols[at] != other);
            symbols[at] = other;
            prop_assert!(KeyString::parse(&symbols.iter().collect::<String>()).is_err());
        }

        #[test]
        fn two_swapped_symbols_are_found(key in keys(), at in any::<prop::sample::Index>()) {
            let mut symbols: Vec<char> = canonical(key.expose()).chars().collect();
            let at = at.index(symbols.len() - 1);
            prop_assume!(symbols[at] != symbols[at + 1]);
            symbols.swap(at, at + 1);
            prop_assert!(KeyString::parse(&symbols.iter().collect::<String>()).is_err());
        }

        #[test]
        fn any_text_is_read_or_refused(text in prop_oneof![any::<String>(), "[ -~é‐–—\u{200b}]{25,60}", "([0-9A-Z]{5}-){6,8}[0-9A-Z]{5}"]) {
            if let Ok(key) = KeyString::parse(&text) {
                let again = KeyString::parse(key.expose()).unwrap();
                prop_assert!(again == key && again.sha256() == key.sha256());
            }
        }

        #[test]
        fn what_is_shown_of_a_key_is_that_key(key in keys()) {
            let read = KeyString::parse(key.expose()).unwrap();
            prop_assert_eq!(canonical(read.expose()), canonical(key.expose()));
            prop_assert_eq!(read.hint().rsplit('-').next(), key.hint().rsplit('-').next());
        }
    }

    #[test]
    fn a_key_looks_like_one_and_does_not_print_itself() {
        let key = KeyString::generate("atlas", &mut StdRng::seed_from_u64(1));
        let groups: Vec<&str> = key.expose().split('-').collect();
        assert_eq!(groups[0], "ATLAS");
        assert_eq!(groups[1..].iter().map(|group| group.len()).collect::<Vec<_>>(), [5; 6]);
        assert_eq!(key.hint(), format!("ATLAS-…-{}", groups[6]));
        assert_eq!(format!("{key:?}"), "KeyString(…)");
    }

    #[test]
    fn keys_draw_every_symbol() {
        let mut random = StdRng::seed_from_u64(2);
        let drawn: String = (0..200).map(|_| KeyString::generate("x1", &mut random).expose()[3..].to_owned()).collect();
        assert!(ALPHABET.iter().all(|symbol| drawn.contains(char::from(*symbol))));
    }
}
