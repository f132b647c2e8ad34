//! Looking for a secret wherever it must not be, however it is spelt.

use aho_corasick::AhoCorasick;
use data_encoding::{BASE64, BASE64_NOPAD, BASE64URL_NOPAD, HEXLOWER, HEXUPPER};
use serde_json::Value;

/// A secret in each of its spellings: as it is, in hexadecimal digits, and inside of base64 at each of the three places
/// where it may begin there.
fn spellings(secret: &[u8]) -> Vec<Vec<u8>> {
    let mut all = vec![secret.to_vec(), HEXLOWER.encode(secret).into_bytes(), HEXUPPER.encode(secret).into_bytes()];
    for before in 0..3 {
        let mut padded = vec![0; before];
        padded.extend(secret);
        let whole = padded.len() / 3 * 3;
        // Symbols that a neighbour has a share in are left out.
        let first = (before * 4).div_ceil(3);
        for encoding in [&BASE64_NOPAD, &BASE64URL_NOPAD] {
            all.push(encoding.encode(&padded[..whole]).as_bytes()[first..].to_vec());
        }
    }
    all
}

/// What is left of a secret when it is cut up, as what is written in pieces may be: a license key without its dashes
/// and two of its groups, a token's payload and its signature, the random part of an API key. What anybody may see is
/// left out: a license key's product and its last group, which is its hint, a token's header, an API key's id. None is
/// so short that it might stand somewhere by chance.
pub fn pieces(secret: &str) -> Vec<String> {
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
    let cases: Vec<String> = all.iter().flat_map(|piece| [piece.to_lowercase(), piece.to_uppercase()]).collect();
    all.extend(cases);
    all.sort_unstable();
    all.dedup();
    assert!(all.iter().all(|piece| piece.len() >= 10), "{secret} is too short to be looked for");
    all
}

/// The first of these that a text has in it, in any spelling.
pub fn found_in(text: &str, secrets: &[String]) -> Option<String> {
    let spelt: Vec<(usize, Vec<u8>)> = secrets
        .iter()
        .enumerate()
        .flat_map(|(index, secret)| spellings(secret.as_bytes()).into_iter().map(move |spelt| (index, spelt)))
        .collect();
    let all = AhoCorasick::new(spelt.iter().map(|(_, spelt)| spelt)).expect("there are not so many");
    all.find(text).map(|found| secrets[spelt[found.pattern().as_usize()].0].clone())
}

/// Whether items of the table have the secret in them, in any spelling, also in what they have in base64.
pub fn items_hold(items: &[Value], secret: &str) -> bool {
    let mut all = Vec::new();
    for item in items {
        contents(item, &mut all);
    }
    let wanted = spellings(secret.as_bytes());
    all.iter().any(|hay| wanted.iter().any(|needle| hay.windows(needle.len()).any(|part| part == needle)))
}

/// All texts and bytes of a value; a text that can be read as base64 or hexadecimal digits as those bytes too.
fn contents(value: &Value, found: &mut Vec<Vec<u8>>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                found.push(name.as_bytes().to_vec());
                contents(value, found);
            }
        }
        Value::Array(values) => values.iter().for_each(|value| contents(value, found)),
        Value::String(text) => {
            found.push(text.as_bytes().to_vec());
            for encoding in [&BASE64, &BASE64_NOPAD, &BASE64URL_NOPAD, &HEXLOWER, &HEXUPPER] {
                found.extend(encoding.decode(text.as_bytes()));
            }
        }
        _ => {}
    }
}
