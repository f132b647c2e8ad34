//! Texts that people read: what must not hide in them.

/// Whether a text holds characters that show nothing, or that make another text of those around them: control
/// characters, what turns the direction of writing, what has no width. A name with one in it looks like another name.
///
/// Look-alikes that can be seen, such as a Cyrillic а, are letters: names are not compared, so they fool nobody here. What
/// is compared (codes, feature keys, e-mail addresses) is ASCII alone, or, like a machine's id, compared byte by byte.
pub fn has_invisible_chars(text: &str) -> bool {
    let letters: Vec<char> = text.chars().collect();
    let is_foreign = |at: Option<usize>| at.and_then(|at| letters.get(at)).is_some_and(|letter| !letter.is_ascii());
    letters.iter().enumerate().any(|(at, letter)| match letter {
        // Persian and the scripts of India are not written without the joiners, nor are some emoji.
        '\u{200c}' | '\u{200d}' => !(is_foreign(at.checked_sub(1)) && is_foreign(at.checked_add(1))),
        letter => letter.is_control() || is_unseen(*letter),
    })
}

/// What Unicode calls ignorable by default, but for the variation selectors, and the two that break a line.
const fn is_unseen(letter: char) -> bool {
    matches!(
        letter,
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
        fn any_text_hides_something_or_not(text in any::<String>()) {
            let has_control = text.contains(char::is_control);
            prop_assert!(has_invisible_chars(&text) || !has_control);
            // Whatever is around it, what hides goes on hiding.
            if has_invisible_chars(&text) {
                let around = format!("Ada {text} Lovelace");
                prop_assert!(has_invisible_chars(&around));
            }
        }
    }

    #[test]
    fn names_of_all_kinds_hide_nothing() {
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
    fn what_shows_nothing_is_found() {
        let hidden = [
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
        for letter in hidden {
            assert!(has_invisible_chars(&format!("Ада{letter}Ада")), "{letter:?}");
            assert!(has_invisible_chars(&format!("Ada{letter}")), "{letter:?}");
        }
        for joined in ["A\u{200d}da", "Ada\u{200c}", "\u{200d}", "а\u{200d}", "а\u{200c}a"] {
            assert!(has_invisible_chars(joined), "{joined:?}");
        }
    }
}
