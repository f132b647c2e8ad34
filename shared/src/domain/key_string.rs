//! Key strings, the secret text of license keys: `ATLAS-7K3QM-0V2ND-…-9QXZT`.
//!
//! A key string consists of the product code, five groups of five random symbols (125 bits), and a checksum group of
//! five symbols. Symbols are of Crockford's base 32, which has no I, L, O and U; parsing reads I and L as 1 and O as 0,
//! and ignores case, spaces and dashes.
//!
//! Own code, because crates for this alphabet encode numbers or bytes, and have no groups, prefix and checksum.

use std::fmt;

use rand::{CryptoRng, RngExt};

use super::secret::{Secret, sha256};

const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const GROUP: usize = 5;
const RANDOM_SYMBOLS: usize = 25;
const SYMBOLS: usize = RANDOM_SYMBOLS + GROUP;
/// Longer input is rejected before it is parsed. The longest key string with added spaces and dashes is far shorter.
const MAX_BYTES: usize = 256;

/// A license key string with a valid checksum.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyString {
    /// In upper case, without dashes, with ambiguous symbols replaced. Used for hashing and comparison.
    canonical: Secret,
    /// The text with dashes, as people see it.
    formatted: Secret,
    hint: String,
}

/// The text is not a license key string: its length, alphabet or checksum is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("invalid license key string")]
pub struct ParseKeyStringError;

impl KeyString {
    /// Generates a key string for the product with this code.
    pub fn generate(product_code: &str, random: &mut impl CryptoRng) -> Self {
        let mut body: String =
            (0..RANDOM_SYMBOLS).map(|_| char::from(ALPHABET[random.random_range(0..ALPHABET.len())])).collect();
        let prefix = product_code.to_uppercase();
        body.push_str(&checksum(&format!("{}{body}", canonical(&prefix))));
        let formatted = Self::format_key(&prefix, &body);
        Self::from_parts(&prefix, &body, formatted)
    }

    /// Parses a key string that a person typed. Ignores case, spaces and dashes. A typing error is detected without a
    /// lookup, except with a probability of 2^-25.
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
        let is_valid = body.bytes().all(|symbol| ALPHABET.contains(&symbol))
            && prefix.bytes().all(|symbol| symbol.is_ascii_alphanumeric())
            && Secret::new(check.to_owned()) == Secret::new(checksum(random));
        if is_valid {
            Ok(Self::from_parts(prefix, body, Self::format_key(prefix, body)))
        } else {
            Err(ParseKeyStringError)
        }
    }

    fn format_key(prefix: &str, body: &str) -> String {
        let mut formatted = prefix.to_owned();
        for (index, symbol) in body.chars().enumerate() {
            if index % GROUP == 0 {
                formatted.push('-');
            }
            formatted.push(symbol);
        }
        formatted
    }

    fn from_parts(prefix: &str, body: &str, formatted: String) -> Self {
        Self {
            canonical: Secret::new(format!("{}{body}", canonical(prefix))),
            formatted: Secret::new(formatted),
            hint: format!("{prefix}-…-{}", &body[RANDOM_SYMBOLS..]),
        }
    }

    /// Returns the whole key string, for the one response that contains it.
    pub fn expose(&self) -> &str {
        self.formatted.expose()
    }

    /// Returns the product code and the checksum group, by which people recognize the key string. The checksum is
    /// derived from the rest, so 100 random bits remain secret.
    pub fn hint(&self) -> &str {
        &self.hint
    }

    /// Returns the hash by which the table refers to the license key.
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
    let symbols = text.chars().filter(|c| !c.is_whitespace() && !matches!(c, '-' | '‐' | '‑' | '–' | '—'));
    symbols
        .map(|c| match c.to_ascii_uppercase() {
            'I' | 'L' => '1',
            'O' => '0',
            other => other,
        })
        .collect()
}

/// Returns five symbols (25 bits) of the SHA-256 hash of `text`.
fn checksum(text: &str) -> String {
    let hash = sha256(text.as_bytes());
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
        fn parse_ignores_case_spaces_dashes_and_ambiguous_symbols(key in keys(), lower in any::<bool>(), every in 1..9_usize) {
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
        fn parse_detects_one_wrong_symbol(key in keys(), at in any::<prop::sample::Index>(), other in 0..32_usize) {
            let mut symbols: Vec<char> = canonical(key.expose()).chars().collect();
            let at = at.index(symbols.len());
            let other = char::from(ALPHABET[other]);
            prop_assume!(symbols[at] != other);
            symbols[at] = other;
            prop_assert!(KeyString::parse(&symbols.iter().collect::<String>()).is_err());
        }

        #[test]
        fn parse_detects_two_swapped_symbols(key in keys(), at in any::<prop::sample::Index>()) {
            let mut symbols: Vec<char> = canonical(key.expose()).chars().collect();
            let at = at.index(symbols.len() - 1);
            prop_assume!(symbols[at] != symbols[at + 1]);
            symbols.swap(at, at + 1);
            prop_assert!(KeyString::parse(&symbols.iter().collect::<String>()).is_err());
        }

        #[test]
        fn parsed_key_string_round_trips(text in prop_oneof![any::<String>(), "[ -~é‐–—\u{200b}]{25,60}", "([0-9A-Z]{5}-){6,8}[0-9A-Z]{5}"]) {
            if let Ok(key) = KeyString::parse(&text) {
                let again = KeyString::parse(key.expose()).unwrap();
                prop_assert!(again == key && again.sha256() == key.sha256());
            }
        }

        #[test]
        fn generated_key_string_round_trips(key in keys()) {
            let read = KeyString::parse(key.expose()).unwrap();
            prop_assert_eq!(canonical(read.expose()), canonical(key.expose()));
            prop_assert_eq!(read.hint().rsplit('-').next(), key.hint().rsplit('-').next());
        }
    }

    #[test]
    fn key_string_has_its_format_and_debug_hides_it() {
        let key = KeyString::generate("atlas", &mut StdRng::seed_from_u64(1));
        let groups: Vec<&str> = key.expose().split('-').collect();
        assert_eq!(groups[0], "ATLAS");
        assert_eq!(groups[1..].iter().map(|group| group.len()).collect::<Vec<_>>(), [5; 6]);
        assert_eq!(key.hint(), format!("ATLAS-…-{}", groups[6]));
        assert_eq!(format!("{key:?}"), "KeyString(…)");
    }

    #[test]
    fn generated_key_strings_use_all_symbols() {
        let mut random = StdRng::seed_from_u64(2);
        let symbols: String =
            (0..200).map(|_| KeyString::generate("x1", &mut random).expose()[3..].to_owned()).collect();
        assert!(ALPHABET.iter().all(|symbol| symbols.contains(char::from(*symbol))));
    }
}
