//! Key strings in the format of another licensing system, which an operator imports with the license keys.

use std::fmt;

use super::secret::{Secret, sha256};

/// A key string of any format: 8 to 255 printable ASCII characters, without white space around them. It is compared byte
/// by byte.
#[derive(Clone, PartialEq, Eq)]
pub struct ForeignKeyString(Secret);

/// The text is too short, too long, or has other characters than printable ASCII.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be 8 to 255 printable ASCII characters")]
pub struct ParseForeignKeyStringError;

impl ForeignKeyString {
    /// The maximum number of characters at each end that a hint shows.
    const MAX_HINT_PART: usize = 4;

    /// Parses a key string, ignoring white space around it.
    pub fn parse(typed: &str) -> Result<Self, ParseForeignKeyStringError> {
        let text = typed.trim();
        let is_printable = text.bytes().all(|byte| (b' '..=b'~').contains(&byte));
        if is_printable && (8..=255).contains(&text.len()) {
            Ok(Self(Secret::new(text.to_owned())))
        } else {
            Err(ParseForeignKeyStringError)
        }
    }

    /// Returns the key string.
    pub fn expose(&self) -> &str {
        self.0.expose()
    }

    /// Returns the hash by which the table refers to the license key.
    pub fn sha256(&self) -> [u8; 32] {
        sha256(self.expose().as_bytes())
    }

    /// Returns at most the first and the last four characters, by which people recognize the key string. They are at most
    /// a third of it, so that a short key string remains secret.
    pub fn hint(&self) -> String {
        let text = self.expose();
        let shown = (text.len() / 3).min(2 * Self::MAX_HINT_PART);
        let first = shown / 2;
        format!("{}…{}", &text[..first], &text[text.len() - (shown - first)..])
    }
}

impl fmt::Debug for ForeignKeyString {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ForeignKeyString(…)")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn hint_shows_at_most_a_third(text in "[!-~][ -~]{6,253}[!-~]") {
            let hint = ForeignKeyString::parse(&text).unwrap().hint();
            let (first, last) = hint.split_once('…').unwrap();
            prop_assert!(text.starts_with(first) && text.ends_with(last));
            prop_assert!(first.len() <= 4 && last.len() <= 4 && 3 * (first.len() + last.len()) <= text.len());
        }

        #[test]
        fn parse_never_panics(text in any::<String>()) {
            if let Ok(key) = ForeignKeyString::parse(&text) {
                prop_assert_eq!(key.expose(), text.trim());
            }
        }
    }

    #[test]
    fn key_string_is_compared_exactly_and_debug_hides_it() {
        let parse = |text: &str| ForeignKeyString::parse(text);
        let key = parse("  old-KEY 1\r\n").unwrap();
        assert_eq!((key.expose(), key.sha256()), ("old-KEY 1", sha256(b"old-KEY 1")));
        assert_ne!(key.sha256(), parse("OLD-KEY 1").unwrap().sha256());
        assert_eq!(
            format!("{key:?} {}", parse("abcdefghijklmnopqrstuvwxyz").unwrap().hint()),
            "ForeignKeyString(…) abcd…wxyz"
        );
        assert_eq!(parse("12345678").unwrap().hint(), "1…8");
        assert!(parse(&"x".repeat(255)).is_ok());
        for wrong in ["", "1234567", "     12345     ", "1234567é", "1234\t5678", &"x".repeat(256)] {
            assert_eq!(parse(wrong), Err(ParseForeignKeyStringError), "{wrong}");
        }
    }
}
