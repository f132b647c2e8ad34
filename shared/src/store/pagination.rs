//! Lists in pages.
//!
//! A cursor holds the sort keys at which a page ended, so that rows added meanwhile neither shift nor repeat
//! anything. Which list it belongs to is written in it, and a MAC over both keeps anyone from making one up.

use std::sync::Arc;

use aws_lc_rs::{constant_time::verify_slices_are_equal, hmac};
use data_encoding::BASE64URL_NOPAD;
use serde::{Deserialize, Serialize};

use super::table::{Item, Query, StoreError, Table, s};

/// Makes and knows the cursors of this installation. Cheap to clone.
#[derive(Debug, Clone)]
pub struct CursorKey {
    makes: Arc<hmac::Key>,
    /// Made those that are still under way.
    made_before: Option<Arc<hmac::Key>>,
}

/// How many bytes of HMAC-SHA-256 a cursor carries: 128 bits are out of reach for guessing over the network.
const MAC_BYTES: usize = 16;

/// What a cursor says.
#[derive(Serialize, Deserialize)]
struct Place {
    /// Which list, and with which filters.
    list: String,
    /// The sort keys of the last row.
    at: Vec<String>,
}

impl CursorKey {
    /// With this secret, which every function of an installation shares, and the one before it.
    pub fn new(secret: &[u8], previous: Option<&[u8]>) -> Self {
        let key = |secret: &[u8]| Arc::new(hmac::Key::new(hmac::HMAC_SHA256, secret));
        Self { makes: key(secret), made_before: previous.map(key) }
    }

    /// Whether this key, or the one before it, made a cursor.
    pub fn knows(&self, cursor: &str) -> bool {
        self.text_of(cursor).is_ok()
    }

    fn write(&self, list: &str, at: Vec<String>) -> String {
        let text = serde_json::to_vec(&Place { list: list.to_owned(), at }).unwrap_or_default();
        let mut bytes = hmac::sign(&self.makes, &text).as_ref()[..MAC_BYTES].to_vec();
        bytes.extend(text);
        BASE64URL_NOPAD.encode(&bytes)
    }

    /// The sort keys in a cursor, if it is one of this list and has as many as its rows have.
    fn read<const N: usize>(&self, cursor: &str, list: &str) -> Result<[String; N], InvalidCursorError> {
        let place: Place = serde_json::from_slice(&self.text_of(cursor)?).map_err(|_| InvalidCursorError)?;
        if place.list != list {
            return Err(InvalidCursorError);
        }
        place.at.try_into().map_err(|_| InvalidCursorError)
    }

    /// What a cursor says, if one of the keys made it.
    fn text_of(&self, cursor: &str) -> Result<Vec<u8>, InvalidCursorError> {
        let bytes = BASE64URL_NOPAD.decode(cursor.as_bytes()).map_err(|_| InvalidCursorError)?;
        let (mac, text) = bytes.split_at_checked(MAC_BYTES).ok_or(InvalidCursorError)?;
        let made =
            |key: &Arc<hmac::Key>| verify_slices_are_equal(&hmac::sign(key, text).as_ref()[..MAC_BYTES], mac).is_ok();
        let known = made(&self.makes) || self.made_before.as_ref().is_some_and(made);
        if known { Ok(text.to_vec()) } else { Err(InvalidCursorError) }
    }
}

/// Which way a list goes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Order {
    /// What is smallest or oldest comes first.
    #[default]
    Ascending,
    /// What is largest or newest comes first.
    Descending,
}

/// How much of a list is wanted.
#[derive(Debug, Clone)]
pub struct PageRequest {
    /// At most this many, 1 to 100.
    pub limit: usize,
    /// Where an earlier page ended, as the caller sent it.
    pub cursor: Option<String>,
    /// What made that cursor.
    pub key: CursorKey,
}

impl PageRequest {
    /// Where to go on in this list: the sort keys of the last row that was shown.
    pub(super) fn position<const N: usize>(&self, list: &str) -> Result<Option<[String; N]>, InvalidCursorError> {
        self.cursor.as_deref().map(|cursor| self.key.read(cursor, list)).transpose()
    }

    /// A cursor from which this list goes on.
    pub(super) fn write(&self, list: &str, at: Vec<String>) -> String {
        self.key.write(list, at)
    }
}

/// A cursor that is not one of this list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the cursor is not one of this list")]
pub struct InvalidCursorError;

/// Why there is no page.
#[derive(Debug, thiserror::Error)]
pub enum ListError {
    /// The caller's cursor is no good.
    #[error(transparent)]
    Cursor(#[from] InvalidCursorError),
    /// The store gives no answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// One page of a list.
#[derive(Debug)]
pub struct Page<T> {
    /// The rows.
    pub items: Vec<T>,
    /// The cursor to go on with, if there may be more.
    pub next: Option<String>,
}

impl<T> Page<T> {
    /// The same page, with its rows turned into something else.
    pub fn map<U>(self, turn: impl FnMut(T) -> U) -> Page<U> {
        Page { items: self.items.into_iter().map(turn).collect(), next: self.next }
    }
}

/// A page of rows that are in memory, in the order of `place`, of which each is one's own.
pub fn paginate_in_memory<T, const N: usize>(
    mut rows: Vec<T>,
    list: &str,
    paging: &PageRequest,
    place: impl Fn(&T) -> [String; N],
) -> Result<Page<T>, InvalidCursorError> {
    rows.sort_by_key(&place);
    if let Some(after) = paging.position::<N>(list)? {
        rows.retain(|row| place(row) > after);
    }
    let more = rows.len() > paging.limit;
    rows.truncate(paging.limit);
    let next = rows.last().filter(|_| more).map(|last| paging.write(list, place(last).to_vec()));
    Ok(Page { items: rows, next })
}

/// A number as text whose order is the numbers' order.
pub fn sortable(number: i32) -> String {
    format!("{:010}", i64::from(number) - i64::from(i32::MIN))
}

/// The most items that one request for a page reads to get past what its filter leaves out.
const MAX_READ: usize = 2000;

/// A page of a query. `place` names the attributes that, with the partition, make up the last row's key.
pub async fn paginate_query(
    table: &Table,
    mut query: Query,
    list: &str,
    paging: &PageRequest,
) -> Result<Page<Item>, ListError> {
    let names: &[&str] = match query.index {
        None => &["PK", "SK"],
        Some("GSI1") => &["GSI1PK", "GSI1SK", "PK", "SK"],
        Some(_) => &["GSI2PK", "GSI2SK", "PK", "SK"],
    };
    let place = |item: &Item| -> Vec<String> {
        names[1..].iter().filter_map(|name| item.get(*name)?.as_s().ok().cloned()).collect()
    };
    let pk = query.pk.clone();
    let start = |at: Vec<String>| -> Item {
        let values = std::iter::once(pk.clone()).chain(at);
        names.iter().map(|name| (*name).to_owned()).zip(values.map(s)).collect()
    };
    let after = match query.index {
        None => paging.position::<1>(list)?.map(Vec::from),
        Some(_) => paging.position::<3>(list)?.map(Vec::from),
    };
    query.after = after.map(start);
    let mut items: Vec<Item> = Vec::new();
    let mut read = 0;
    loop {
        // One more than is wanted tells whether there is a next page.
        let wanted = paging.limit + 1 - items.len();
        let step = if query.filter.is_some() { wanted.max(100) } else { wanted };
        query.limit = i32::try_from(step).ok();
        let page = table.query(query.clone()).await?;
        read += step;
        items.extend(page.items);
        let over = items.len() > paging.limit;
        if over {
            items.truncate(paging.limit);
        }
        match page.next {
            _ if over => {
                let next = items.last().map(|last| paging.write(list, place(last)));
                return Ok(Page { items, next });
            }
            None => return Ok(Page { items, next: None }),
            Some(next) if read >= MAX_READ => {
                return Ok(Page { items, next: Some(paging.write(list, place(&next))) });
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
        fn numbers_sort_as_text(a in any::<i32>(), b in any::<i32>()) {
            prop_assert_eq!(a.cmp(&b), sortable(a).cmp(&sortable(b)));
        }

        #[test]
        fn any_cursor_is_read_or_refused(text in any::<String>()) {
            prop_assert!(key().read::<1>(&text, "list").is_err());
        }

        #[test]
        fn a_changed_cursor_is_refused(at in any::<prop::sample::Index>(), symbol in "[A-Za-z0-9_-]") {
            let cursor = key().write("list", vec!["x".to_owned()]);
            let at = at.index(cursor.len());
            let mut changed = cursor.clone();
            changed.replace_range(at..=at, &symbol);
            prop_assume!(changed != cursor);
            prop_assert!(key().read::<1>(&changed, "list").is_err());
        }

        #[test]
        fn pages_show_every_row_once(rows in proptest::collection::btree_set("[a-z]{1,3}", 0..60), limit in 1..9_usize) {
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
    fn a_cursor_belongs_to_its_list_and_its_installation() {
        let cursor = key().write("a", vec!["x".to_owned()]);
        assert_eq!(key().read::<1>(&cursor, "a"), Ok(["x".to_owned()]));
        assert_eq!(key().read::<1>(&cursor, "b"), Err(InvalidCursorError));
        assert_eq!(key().read::<2>(&cursor, "a"), Err(InvalidCursorError));
        assert_eq!(CursorKey::new(b"other", None).read::<1>(&cursor, "a"), Err(InvalidCursorError));
    }

    #[test]
    fn a_cursor_outlives_one_rotation() {
        let old = key().write("a", vec!["x".to_owned()]);
        let rotated = CursorKey::new(b"other", Some(b"secret"));
        assert_eq!(rotated.read::<1>(&old, "a"), Ok(["x".to_owned()]));
        assert_eq!(rotated.read::<1>(&old, "b"), Err(InvalidCursorError));
        assert!(rotated.knows(&old) && !key().knows(&rotated.write("a", vec!["x".to_owned()])));
        assert!(!CursorKey::new(b"third", Some(b"other")).knows(&old));
    }
}
