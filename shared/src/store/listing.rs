//! Lists in pages.
//!
//! A cursor holds the sort keys at which a page ended, so that rows added meanwhile neither shift nor repeat
//! anything; which list it belongs to is written in it.

use data_encoding::{BASE64URL_NOPAD, HEXLOWER};
use serde::{Deserialize, Serialize};

use super::table::{Item, Query, StoreError, Table, s};
use crate::domain::secret::sha256;

/// How much of a list is wanted.
#[derive(Debug, Clone)]
pub struct Paging {
    /// At most this many, 1 to 100.
    pub limit: usize,
    /// Where an earlier page ended.
    pub after: Option<Cursor>,
}

/// Where a page of a list ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor {
    /// Which list, and with which filters.
    list: String,
    /// The sort keys of its last row.
    at: Vec<String>,
}

/// A cursor that is not one of this list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the cursor is not one of this list")]
pub struct NotACursor;

impl Cursor {
    /// The cursor behind a row of a list.
    pub fn new(list: &str, at: Vec<String>) -> Self {
        Self { list: HEXLOWER.encode(&sha256(list.as_bytes())[..8]), at }
    }

    /// As callers see it.
    pub fn encode(&self) -> String {
        BASE64URL_NOPAD.encode(&serde_json::to_vec(self).unwrap_or_default())
    }

    /// Reads what a caller sent.
    pub fn decode(text: &str) -> Result<Self, NotACursor> {
        let bytes = BASE64URL_NOPAD.decode(text.as_bytes()).map_err(|_| NotACursor)?;
        serde_json::from_slice(&bytes).map_err(|_| NotACursor)
    }

    /// Its sort keys, if it is a cursor of this list and has as many as its rows have.
    pub fn of_list<const N: usize>(&self, list: &str) -> Result<&[String; N], NotACursor> {
        if self.list != Self::new(list, Vec::new()).list {
            return Err(NotACursor);
        }
        self.at.as_slice().try_into().map_err(|_| NotACursor)
    }
}

/// Why there is no page.
#[derive(Debug, thiserror::Error)]
pub enum ListError {
    /// The caller's cursor is no good.
    #[error(transparent)]
    Cursor(#[from] NotACursor),
    /// The store gives no answer.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// One page of a list.
#[derive(Debug)]
pub struct Listed<T> {
    /// The rows.
    pub items: Vec<T>,
    /// Where to go on, if there may be more.
    pub next: Option<Cursor>,
}

impl<T> Listed<T> {
    /// The same page, with its rows turned into something else.
    pub fn map<U>(self, turn: impl FnMut(T) -> U) -> Listed<U> {
        Listed { items: self.items.into_iter().map(turn).collect(), next: self.next }
    }
}

/// A page of rows that are in memory, in the order of `place`, of which each is one's own.
pub fn page_in_memory<T, const N: usize>(
    mut rows: Vec<T>,
    list: &str,
    paging: &Paging,
    place: impl Fn(&T) -> [String; N],
) -> Result<Listed<T>, NotACursor> {
    rows.sort_by_key(&place);
    if let Some(cursor) = &paging.after {
        let after: &[String; N] = cursor.of_list(list)?;
        rows.retain(|row| place(row) > *after);
    }
    let more = rows.len() > paging.limit;
    rows.truncate(paging.limit);
    let next = rows.last().filter(|_| more).map(|last| Cursor::new(list, place(last).to_vec()));
    Ok(Listed { items: rows, next })
}

/// A number as text whose order is the numbers' order.
pub fn sortable(number: i32) -> String {
    format!("{:010}", i64::from(number) - i64::from(i32::MIN))
}

/// The most items that one request for a page reads to get past what its filter leaves out.
const MOST_READ: usize = 2000;

/// A page of a query. `place` names the attributes that, with the partition, make up the last row's key.
pub async fn page_of_query(
    table: &Table,
    mut query: Query,
    list: &str,
    paging: &Paging,
) -> Result<Listed<Item>, ListError> {
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
    if let Some(cursor) = &paging.after {
        let at = match query.index {
            None => cursor.of_list::<1>(list)?.to_vec(),
            Some(_) => cursor.of_list::<3>(list)?.to_vec(),
        };
        if at[0] < query.from || at[0] > query.to {
            return Err(NotACursor.into());
        }
        query.after = Some(start(at));
    }
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
                let next = items.last().map(|last| Cursor::new(list, place(last)));
                return Ok(Listed { items, next });
            }
            None => return Ok(Listed { items, next: None }),
            Some(next) if read >= MOST_READ => {
                return Ok(Listed { items, next: Some(Cursor::new(list, place(&next))) });
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
            let _ = Cursor::decode(&text);
        }

        #[test]
        fn pages_show_every_row_once(rows in proptest::collection::btree_set("[a-z]{1,3}", 0..60), limit in 1..9_usize) {
            let mut after = None;
            let mut seen = Vec::new();
            loop {
                let rows: Vec<String> = rows.iter().cloned().collect();
                let paging = Paging { limit, after };
                let page = page_in_memory(rows, "list", &paging, |row| [row.clone()]).unwrap();
                prop_assert!(page.items.len() <= limit);
                seen.extend(page.items);
                match page.next {
                    Some(next) => after = Some(Cursor::decode(&next.encode()).unwrap()),
                    None => break,
                }
            }
            prop_assert_eq!(seen, rows.into_iter().collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_cursor_belongs_to_its_list() {
        let cursor = Cursor::new("a", vec!["x".to_owned()]);
        assert!(cursor.of_list::<1>("a").is_ok());
        assert_eq!(cursor.of_list::<1>("b"), Err(NotACursor));
        assert_eq!(cursor.of_list::<2>("a"), Err(NotACursor));
    }
}
