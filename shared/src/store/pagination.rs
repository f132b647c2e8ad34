//! Pagination.
//!
//! A cursor contains the sort keys of the last row of a page, so that rows added later do not shift or repeat rows. It
//! also contains the name of the list, and a MAC over both, so that clients can't forge cursors.
//!
//! Own code, because token formats such as JWT would add a header, claims and an expiry that a cursor does not need.

use std::sync::Arc;

use aws_lc_rs::{constant_time::verify_slices_are_equal, hmac};
use data_encoding::BASE64URL_NOPAD;
use serde::{Deserialize, Serialize};

use super::{
    error::StoreError,
    indexes::key_names,
    item::{Item, s},
    table::{Query, Table},
};

/// The keys that authenticate the cursors of an installation. Cheap to clone.
#[derive(Debug, Clone)]
pub struct CursorKey {
    current: Arc<hmac::Key>,
    /// The key before the latest rotation, which authenticates cursors issued before it.
    previous: Option<Arc<hmac::Key>>,
}

/// The length of the truncated HMAC-SHA-256 in a cursor, in bytes.
const MAC_BYTES: usize = 16;

/// The content of a cursor.
#[derive(Serialize, Deserialize)]
struct CursorContent {
    /// The list and its filters.
    list: String,
    /// The sort keys of the last row.
    #[serde(rename = "at")]
    sort_keys: Vec<String>,
}

impl CursorKey {
    /// Creates the key from a secret that all functions of an installation share, and the previous secret.
    pub fn new(secret: &[u8], previous: Option<&[u8]>) -> Self {
        let key = |secret: &[u8]| Arc::new(hmac::Key::new(hmac::HMAC_SHA256, secret));
        Self { current: key(secret), previous: previous.map(key) }
    }

    /// Returns whether a cursor was issued with the current or the previous key.
    pub fn verifies(&self, cursor: &str) -> bool {
        self.content(cursor).is_ok()
    }

    fn encode(&self, list: &str, sort_keys: Vec<String>) -> String {
        let text = serde_json::to_vec(&CursorContent { list: list.to_owned(), sort_keys }).unwrap_or_default();
        let mut bytes = hmac::sign(&self.current, &text).as_ref()[..MAC_BYTES].to_vec();
        bytes.extend(text);
        BASE64URL_NOPAD.encode(&bytes)
    }

    /// Returns the sort keys in a cursor if it belongs to this list.
    fn decode<const N: usize>(&self, cursor: &str, list: &str) -> Result<[String; N], InvalidCursorError> {
        let content: CursorContent = serde_json::from_slice(&self.content(cursor)?).map_err(|_| InvalidCursorError)?;
        if content.list != list {
            return Err(InvalidCursorError);
        }
        content.sort_keys.try_into().map_err(|_| InvalidCursorError)
    }

    /// Returns the content of a cursor if its MAC is valid.
    fn content(&self, cursor: &str) -> Result<Vec<u8>, InvalidCursorError> {
        let bytes = BASE64URL_NOPAD.decode(cursor.as_bytes()).map_err(|_| InvalidCursorError)?;
        let (mac, text) = bytes.split_at_checked(MAC_BYTES).ok_or(InvalidCursorError)?;
        let has_valid_mac =
            |key: &Arc<hmac::Key>| verify_slices_are_equal(&hmac::sign(key, text).as_ref()[..MAC_BYTES], mac).is_ok();
        let is_valid = has_valid_mac(&self.current) || self.previous.as_ref().is_some_and(has_valid_mac);
        if is_valid { Ok(text.to_vec()) } else { Err(InvalidCursorError) }
    }
}

/// The sort order of a list.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Order {
    /// Smallest or oldest first.
    #[default]
    Ascending,
    /// Largest or newest first.
    Descending,
}

/// A request for a page of a list.
#[derive(Debug, Clone)]
pub struct PageRequest {
    /// The maximum number of rows, 1 to 100.
    pub limit: usize,
    /// The cursor of the previous page, as received from the caller.
    pub cursor: Option<String>,
    /// The key that authenticates cursors.
    pub key: CursorKey,
}

impl PageRequest {
    /// Returns the sort keys after which the page starts; `None` for the first page.
    pub fn position<const N: usize>(&self, list: &str) -> Result<Option<[String; N]>, InvalidCursorError> {
        self.cursor.as_deref().map(|cursor| self.key.decode(cursor, list)).transpose()
    }

    /// Returns the cursor of the page after the row with these sort keys.
    pub fn encode_cursor(&self, list: &str, sort_keys: Vec<String>) -> String {
        self.key.encode(list, sort_keys)
    }
}

/// The cursor is invalid or belongs to another list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("invalid cursor: it belongs to another list or was altered")]
pub struct InvalidCursorError;

/// Why a page could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ListError {
    /// The caller's cursor is invalid.
    #[error(transparent)]
    Cursor(#[from] InvalidCursorError),
    /// The table could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A page of a list.
#[derive(Debug)]
pub struct Page<T> {
    /// The rows of the page.
    pub items: Vec<T>,
    /// The cursor of the next page, if there may be more rows.
    pub next: Option<String>,
}

impl<T> Page<T> {
    /// Converts each row.
    pub fn map<U>(self, convert: impl FnMut(T) -> U) -> Page<U> {
        Page { items: self.items.into_iter().map(convert).collect(), next: self.next }
    }
}

/// Returns a page of rows in memory, sorted by `sort_keys`, which must be unique for each row.
pub fn paginate_in_memory<T, const N: usize>(
    mut rows: Vec<T>,
    list: &str,
    paging: &PageRequest,
    sort_keys: impl Fn(&T) -> [String; N],
) -> Result<Page<T>, InvalidCursorError> {
    rows.sort_by_key(&sort_keys);
    if let Some(after) = paging.position::<N>(list)? {
        rows.retain(|row| sort_keys(row) > after);
    }
    let has_more = rows.len() > paging.limit;
    rows.truncate(paging.limit);
    let next = rows.last().filter(|_| has_more).map(|last| paging.encode_cursor(list, sort_keys(last).to_vec()));
    Ok(Page { items: rows, next })
}

/// Formats a number as a string whose order is the numeric order.
pub fn sortable_number(number: i32) -> String {
    format!("{:010}", i64::from(number) - i64::from(i32::MIN))
}

/// The maximum number of items that are read for one page with a filter. If it is reached, the page may be short.
const MAX_READ: usize = 2000;

/// Reads a page of a query. `list` names the list and its filters in the cursor.
pub async fn paginate_query(
    table: &Table,
    mut query: Query,
    list: &str,
    paging: &PageRequest,
) -> Result<Page<Item>, ListError> {
    let names = key_names(query.index);
    let sort_keys = |item: &Item| -> Vec<String> {
        names[1..].iter().filter_map(|name| item.get(*name)?.as_s().ok().cloned()).collect()
    };
    let pk = query.pk.clone();
    let start = |sort_keys: Vec<String>| -> Item {
        let values = std::iter::once(pk.clone()).chain(sort_keys);
        names.iter().map(|name| (*name).to_owned()).zip(values.map(s)).collect()
    };
    let after = match names.len() {
        2 => paging.position::<1>(list)?.map(Vec::from),
        3 => paging.position::<2>(list)?.map(Vec::from),
        _ => paging.position::<3>(list)?.map(Vec::from),
    };
    // DynamoDB rejects a key outside of the range. A range that depends on the time can have passed the last row.
    let is_past_the_end = |last: &String| if query.descending { *last < query.from } else { *last > query.to };
    if after.as_ref().and_then(|sort_keys| sort_keys.first()).is_some_and(is_past_the_end) {
        return Ok(Page { items: Vec::new(), next: None });
    }
    query.after = after.map(start);
    let mut items: Vec<Item> = Vec::new();
    let mut read = 0;
    loop {
        // Requesting one row more than the limit shows whether there is a next page.
        let remaining = paging.limit + 1 - items.len();
        let limit = if query.filter.is_some() { remaining.max(100) } else { remaining };
        query.limit = i32::try_from(limit).ok();
        let page = table.query(query.clone()).await?;
        read += limit;
        items.extend(page.items);
        let has_more = items.len() > paging.limit;
        if has_more {
            items.truncate(paging.limit);
        }
        match page.next {
            _ if has_more => {
                let next = items.last().map(|last| paging.encode_cursor(list, sort_keys(last)));
                return Ok(Page { items, next });
            }
            None => return Ok(Page { items, next: None }),
            Some(next) if read >= MAX_READ => {
                return Ok(Page { items, next: Some(paging.encode_cursor(list, sort_keys(&next))) });
            }
            next => query.after = next,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn sortable_numbers_sort_numerically(a in any::<i32>(), b in any::<i32>()) {
            prop_assert_eq!(a.cmp(&b), sortable_number(a).cmp(&sortable_number(b)));
        }

        #[test]
        fn decode_rejects_arbitrary_text(text in any::<String>()) {
            prop_assert!(key().decode::<1>(&text, "list").is_err());
        }

        #[test]
        fn decode_rejects_modified_cursors(at in any::<prop::sample::Index>(), symbol in "[A-Za-z0-9_-]") {
            let cursor = key().encode("list", vec!["x".to_owned()]);
            let at = at.index(cursor.len());
            let mut changed = cursor.clone();
            changed.replace_range(at..=at, &symbol);
            prop_assume!(changed != cursor);
            prop_assert!(key().decode::<1>(&changed, "list").is_err());
        }

        #[test]
        fn pages_contain_every_row_once(rows in proptest::collection::btree_set("[a-z]{1,3}", 0..60), limit in 1..9_usize) {
            let mut cursor = None;
            let mut seen = Vec::new();
            loop {
                let rows: Vec<String> = rows.iter().cloned().collect();
                let paging = PageRequest { limit, cursor, key: key() };
                let page = paginate_in_memory(rows, "list", &paging, |row| [row.clone()]).unwrap();
                prop_assert!(page.items.len() <= limit);
                seen.extend(page.items);
                match page.next {
                    Some(next) => cursor = Some(next),
                    None => break,
                }
            }
            prop_assert_eq!(seen, rows.into_iter().collect::<Vec<_>>());
        }
    }

    fn key() -> CursorKey {
        CursorKey::new(b"secret", None)
    }

    #[test]
    fn cursor_is_valid_for_its_list_and_installation_only() {
        let cursor = key().encode("a", vec!["x".to_owned()]);
        assert_eq!(key().decode::<1>(&cursor, "a"), Ok(["x".to_owned()]));
        assert_eq!(key().decode::<1>(&cursor, "b"), Err(InvalidCursorError));
        assert_eq!(key().decode::<2>(&cursor, "a"), Err(InvalidCursorError));
        assert_eq!(CursorKey::new(b"other", None).decode::<1>(&cursor, "a"), Err(InvalidCursorError));
    }

    #[test]
    fn cursor_is_valid_until_the_second_rotation() {
        let old = key().encode("a", vec!["x".to_owned()]);
        let rotated = CursorKey::new(b"other", Some(b"secret"));
        assert_eq!(rotated.decode::<1>(&old, "a"), Ok(["x".to_owned()]));
        assert_eq!(rotated.decode::<1>(&old, "b"), Err(InvalidCursorError));
        assert!(rotated.verifies(&old) && !key().verifies(&rotated.encode("a", vec!["x".to_owned()])));
        assert!(!CursorKey::new(b"third", Some(b"other")).verifies(&old));
    }
}
