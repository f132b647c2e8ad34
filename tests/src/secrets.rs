//! Searches text and table items for secrets, in any common encoding.

use aho_corasick::AhoCorasick;
use data_encoding::{BASE64, BASE64_NOPAD, BASE64URL_NOPAD, HEXLOWER, HEXUPPER};
use serde_json::Value;

/// Returns the encodings of a secret to search for: the secret itself, hexadecimal, and base64 at each of the three
/// possible alignments.
fn encodings(secret: &[u8]) -> Vec<Vec<u8>> {
    let mut all = vec![secret.to_vec(), HEXLOWER.encode(secret).into_bytes(), HEXUPPER.encode(secret).into_bytes()];
    for before in 0..3 {
        let mut padded = vec![0; before];
        padded.extend(secret);
        let complete = padded.len() / 3 * 3;
        // Symbols that also encode bits of adjacent bytes are omitted.
        let first = (before * 4).div_ceil(3);
        for encoding in [&BASE64_NOPAD, &BASE64URL_NOPAD] {
            all.push(encoding.encode(&padded[..complete]).as_bytes()[first..].to_vec());
        }
    }
    all
}

/// Returns the secret and the parts of it that must not leak either: a key string without dashes and pairs of its
/// groups, a token's payload and signature, the random part of an API key, each also in lower and upper case. Public
/// parts are omitted: a key string's product and its last group (the hint), a token's header, an API key's id. Every
/// part is long enough not to occur by chance.
pub fn secret_fragments(secret: &str) -> Vec<String> {
    let mut all = vec![secret.to_owned()];
    let groups: Vec<&str> = secret.split('-').collect();
    let random = groups.len().checked_sub(6).map(|first| &groups[first..]).unwrap_or_default();
    if secret.matches('.').count() >= 2 {
        all.extend(secret.split('.').skip(1).map(str::to_owned));
    } else if let Some(random) = secret.strip_prefix("signet_key_").and_then(|rest| rest.split('_').nth(1)) {
        let (first, second) = random.split_at(random.len() / 2);
        all.extend([random, first, second].map(str::to_owned));
    } else if !random.is_empty() && random.iter().all(|group| group.len() == 5) {
        let bare = random[..5].concat();
        all.extend([bare[..10].to_owned(), bare[15..].to_owned(), bare]);
        all.extend(random[..5].windows(2).map(|pair| pair.join("-")));
    }
    let cases: Vec<String> = all.iter().flat_map(|part| [part.to_lowercase(), part.to_uppercase()]).collect();
    all.extend(cases);
    all.sort_unstable();
    all.dedup();
    assert!(all.iter().all(|part| part.len() >= 10), "{secret} is too short to search for");
    all
}

/// A search for secrets in all their encodings. Creating it takes longer than using it.
pub struct SecretSearch {
    secrets: Vec<String>,
    automaton: AhoCorasick,
    /// The index of the secret that each pattern of the automaton encodes.
    indexes: Vec<usize>,
}

impl SecretSearch {
    /// Creates a search for these secrets.
    pub fn new(secrets: Vec<String>) -> Self {
        let encoded = secrets.iter().enumerate();
        let patterns =
            encoded.flat_map(|(index, secret)| encodings(secret.as_bytes()).into_iter().map(move |one| (index, one)));
        let (indexes, patterns): (Vec<_>, Vec<_>) = patterns.unzip();
        let automaton = AhoCorasick::new(patterns).expect("the patterns fit an automaton");
        Self { secrets, automaton, indexes }
    }

    /// Returns the first of the secrets that a text contains.
    pub fn find(&self, text: impl AsRef<[u8]>) -> Option<&str> {
        self.automaton.find(text.as_ref()).map(|found| &*self.secrets[self.indexes[found.pattern().as_usize()]])
    }

    /// Returns the first of the secrets that items of the table contain, also inside base64 values.
    pub fn find_in_items(&self, items: &[Value]) -> Option<&str> {
        let mut contents = Vec::new();
        for item in items {
            collect_contents(item, &mut contents);
        }
        contents.iter().find_map(|content| self.find(content))
    }
}

/// Collects all strings of a value as bytes, and the decoded bytes of those that are valid base64 or hexadecimal.
fn collect_contents(value: &Value, found: &mut Vec<Vec<u8>>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                found.push(name.as_bytes().to_vec());
                collect_contents(value, found);
            }
        }
        Value::Array(values) => values.iter().for_each(|value| collect_contents(value, found)),
        Value::String(text) => {
            found.push(text.as_bytes().to_vec());
            for encoding in [&BASE64, &BASE64_NOPAD, &BASE64URL_NOPAD, &HEXLOWER, &HEXUPPER] {
                found.extend(encoding.decode(text.as_bytes()));
            }
        }
        _ => {}
    }
}
