/// The largest length of the code of a product in a message, in characters.
pub(crate) const MAX_PRODUCT: usize = 100;

/// Returns a text in one line of at most `max` characters: control characters become spaces.
pub(crate) fn single_line(text: &str, max: usize) -> String {
    text.chars().take(max).map(|char| if is_separator(char) { ' ' } else { char }).collect::<String>().trim().to_owned()
}

/// Returns the code of a product for a message. It can be any text.
pub(crate) fn quote_product(code: &str) -> String {
    format!("\"{}\"", single_line(code, MAX_PRODUCT))
}

/// Returns whether a character is not allowed in a line of text.
fn is_separator(char: char) -> bool {
    char.is_control() || matches!(char, '\u{2028}' | '\u{2029}')
}

/// Returns a text without control and invisible characters, cut to `max` bytes, or `None` if nothing is left.
pub(crate) fn visible(text: &str, max: usize) -> Option<String> {
    let text: String = text.chars().filter(|char| !is_separator(*char) && !is_invisible(*char)).collect();
    let text = text.trim();
    let mut end = max.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let text = text[..end].trim_end();
    (!text.is_empty()).then(|| text.to_owned())
}

/// Returns whether a character has no shape, or changes the direction of the text after it.
fn is_invisible(char: char) -> bool {
    matches!(
        char,
        '\u{ad}'
            | '\u{34f}'
            | '\u{61c}'
            | '\u{115f}'..='\u{1160}'
            | '\u{17b4}'..='\u{17b5}'
            | '\u{180e}'
            | '\u{200b}'..='\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{3164}'
            | '\u{feff}'
            | '\u{ffa0}'
            | '\u{fff0}'..='\u{fffb}'
            | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}'
    )
}
