//! Validation of text that is displayed to people.

/// Returns whether `text` contains invisible characters or characters that change how the surrounding text is
/// displayed: control characters, direction overrides and zero-width characters. They make different names look the
/// same.
///
/// Visible lookalikes, such as a Cyrillic а, are allowed: names are not compared. Values that are compared are either
/// ASCII (codes, feature keys, email addresses) or compared byte by byte (machine ids).
pub fn has_invisible_chars(text: &str) -> bool {
    let chars: Vec<char> = text.chars().collect();
    let is_non_ascii = |at: Option<usize>| at.and_then(|at| chars.get(at)).is_some_and(|c| !c.is_ascii());
    chars.iter().enumerate().any(|(at, c)| match c {
        // Persian, Indic scripts and some emoji need the zero-width joiners.
        '\u{200c}' | '\u{200d}' => !(is_non_ascii(at.checked_sub(1)) && is_non_ascii(at.checked_add(1))),
        c => c.is_control() || is_ignorable(*c),
    })
}

/// Returns whether a character has the Unicode property `Default_Ignorable_Code_Point` or is a line or paragraph
/// separator. Variation selectors are excepted.
const fn is_ignorable(c: char) -> bool {
    matches!(
        c,
        '\u{ad}'
            | '\u{34f}'
            | '\u{61c}'
            | '\u{115f}'..='\u{1160}'
            | '\u{17b4}'..='\u{17b5}'
            | '\u{180e}'
            | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{3164}'
            | '\u{feff}'
            | '\u{ffa0}'
            | '\u{fff0}'..='\u{fffb}'
            | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e00ff}'
            | '\u{e01f0}'..='\u{e0fff}'
    )
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn text_with_invisible_chars_is_detected_in_any_context(text in any::<String>()) {
            let has_control = text.contains(char::is_control);
            prop_assert!(has_invisible_chars(&text) || !has_control);
            // Surrounding text does not make the characters visible.
            if has_invisible_chars(&text) {
                let surrounded = format!("Ada {text} Lovelace");
                prop_assert!(has_invisible_chars(&surrounded));
            }
        }
    }

    #[test]
    fn names_in_many_scripts_have_no_invisible_chars() {
        for name in [
            "Ada",
            "Žofie Ångström",
            "Zoe\u{301}",
            "Ада",
            "张伟",
            "کتاب\u{200c}خانه",
            "ක්\u{200d}ෂ",
            "👩\u{200d}💻",
            "葛\u{e0100}",
            "❤\u{fe0f}",
        ] {
            assert!(!has_invisible_chars(name), "{name}");
        }
    }

    #[test]
    fn invisible_chars_are_detected() {
        let invisible = [
            "\0",
            "\u{7f}",
            "\n",
            "\u{85}",
            "\u{ad}",
            "\u{200b}",
            "\u{200e}",
            "\u{202e}",
            "\u{2066}",
            "\u{2028}",
            "\u{feff}",
            "\u{e0041}",
            "\u{3164}",
            "\u{2060}",
        ];
        for c in invisible {
            assert!(has_invisible_chars(&format!("Ада{c}Ада")), "{c:?}");
            assert!(has_invisible_chars(&format!("Ada{c}")), "{c:?}");
        }
        for joined in ["A\u{200d}da", "Ada\u{200c}", "\u{200d}", "а\u{200d}", "а\u{200c}a"] {
            assert!(has_invisible_chars(joined), "{joined:?}");
        }
    }
}
