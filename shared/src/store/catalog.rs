//! The catalog: one partition, read whole and kept in memory for a while.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::future::BoxFuture;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{
    Backoff,
    idempotency::Completion,
    keys,
    table::{Item, Key, Query, StoreError, Table, from_item, n, to_item},
    transaction::{CommitOutcome, Condition, Transaction},
};
use crate::domain::{Catalog, Feature, Product, Tier};

/// A catalog and the version that it was read at.
#[derive(Debug, Clone)]
pub struct VersionedCatalog {
    /// What was read.
    pub catalog: Catalog,
    version: u64,
}

#[derive(Serialize, Deserialize)]
struct VersionRecord {
    version: u64,
}

/// One of the things of a catalog, to be written.
#[derive(Debug, Clone, Copy)]
pub enum CatalogEntry<'a> {
    /// A product.
    Product(&'a Product),
    /// A pricing tier.
    Tier(&'a Tier),
    /// A product feature.
    Feature(&'a Feature),
}

impl<'a> From<&'a Product> for CatalogEntry<'a> {
    fn from(product: &'a Product) -> Self {
        Self::Product(product)
    }
}

impl<'a> From<&'a Tier> for CatalogEntry<'a> {
    fn from(tier: &'a Tier) -> Self {
        Self::Tier(tier)
    }
}

impl<'a> From<&'a Feature> for CatalogEntry<'a> {
    fn from(feature: &'a Feature) -> Self {
        Self::Feature(feature)
    }
}

/// How many things one write takes: a transaction has room for 100 items, and the version is one of them.
pub const MAX_ENTRIES: usize = 99;

/// What became of a write to the catalog.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WriteOutcome {
    /// It was done.
    Done,
    /// The catalog is no longer the one that was checked: read and check again.
    Moved,
}

impl Table {
    /// Reads the catalog as it is. The version is read first: a query is not a snapshot, and a version read with or
    /// after the items could be newer than some of them, so that a write checked against old items would pass.
    pub async fn catalog(&self) -> Result<VersionedCatalog, StoreError> {
        let version = match self.get(keys::catalog_version()).await? {
            Some(item) => from_item::<VersionRecord>(item)?.version,
            None => 0,
        };
        Ok(VersionedCatalog { catalog: self.catalog_items().await?, version })
    }

    async fn catalog_items(&self) -> Result<Catalog, StoreError> {
        let mut catalog = Catalog::default();
        // From the first to the last of the words that its sort keys begin with; the version lies outside.
        let all = Query::between(keys::CATALOG.to_owned(), "FEATURE#".to_owned(), "TIER$".to_owned());
        for item in self.query_all(all).await? {
            let place = item.get("SK").and_then(|sk| sk.as_s().ok()).cloned().unwrap_or_default();
            if place.starts_with("PRODUCT#") {
                let product: Product = record(item)?;
                catalog.products.insert(product.id, product);
            } else if place.starts_with("TIER#") {
                let tier: Tier = record(item)?;
                catalog.tiers.insert(tier.id, tier);
            } else if place.starts_with("FEATURE#") {
                let feature: Feature = record(item)?;
                catalog.features.insert(feature.id, feature);
            }
        }
        Ok(catalog)
    }

    /// Writes things of the catalog, [`MAX_ENTRIES`] at most, on condition that the catalog is still the one that was
    /// read. So no two writes, each right by itself, can make a circle of tiers, a doubled code or a reference to
    /// nothing.
    pub async fn write_catalog(
        &self,
        read: &VersionedCatalog,
        entries: &[CatalogEntry<'_>],
        done: Option<&Completion>,
    ) -> Result<WriteOutcome, StoreError> {
        let version: Item = to_item(keys::catalog_version(), &VersionRecord { version: read.version + 1 })?;
        let unmoved = match read.version {
            0 => Condition::absent(),
            version => Condition::new("version = :read").value(":read", n(version)),
        };
        let mut transaction = Transaction::new();
        for entry in entries {
            transaction.put_always(entry.item()?);
        }
        transaction.put(version, unmoved);
        Ok(match self.commit_once(transaction, done).await? {
            CommitOutcome::Done => WriteOutcome::Done,
            CommitOutcome::Refused(_) => WriteOutcome::Moved,
        })
    }
}

impl CatalogEntry<'_> {
    fn item(&self) -> Result<Item, StoreError> {
        match self {
            Self::Product(product) => to_item(keys::product(product.id), product),
            Self::Tier(tier) => to_item(keys::tier(tier.id), tier),
            Self::Feature(feature) => to_item(keys::feature(feature.id), feature),
        }
    }
}

fn record<T: DeserializeOwned>(mut item: Item) -> Result<T, StoreError> {
    let Key { pk, sk } = Key::new("PK", "SK");
    item.remove(&pk);
    item.remove(&sk);
    from_item(item)
}

/// How old a warm function's catalog may be.
const FRESH: SignedDuration = SignedDuration::from_secs(60);

/// A warm function's copy of the catalog.
#[derive(Debug, Clone, Default)]
pub struct CatalogCache(Arc<Mutex<Kept>>);

#[derive(Debug, Default)]
struct Kept {
    copy: Option<(Timestamp, Arc<Catalog>)>,
    /// How often it was dropped. What was asked for before a drop may be older than the write behind it.
    drops: u64,
}

impl CatalogCache {
    /// The catalog, at most a minute old.
    pub async fn read(&self, table: &Table, now: Timestamp) -> Result<Arc<Catalog>, StoreError> {
        match self.kept(now) {
            Some(catalog) => Ok(catalog),
            None => self.reload(table, now).await,
        }
    }

    /// The catalog, at most a minute old, but read anew where it does not hold what is looked for: something that
    /// was made a moment ago is found at once.
    pub async fn read_with(
        &self,
        table: &Table,
        now: Timestamp,
        holds: impl Fn(&Catalog) -> bool,
    ) -> Result<Arc<Catalog>, StoreError> {
        match self.kept(now).filter(|catalog| holds(catalog)) {
            Some(catalog) => Ok(catalog),
            None => self.reload(table, now).await,
        }
    }

    /// Writes what `make` makes of the catalog as it is, reading and making anew while other writes come first, and
    /// drops the copy: the process that wrote sees its own write at once, the others within a minute. `done` says
    /// what else its transaction writes, where the request is to happen once.
    pub async fn change<'a, T, E>(
        &self,
        table: &Table,
        done: impl Fn(&T) -> BoxFuture<'a, Result<Option<Completion>, E>>,
        make: impl Fn(&Catalog) -> Result<T, E>,
    ) -> Result<T, E>
    where
        for<'b> CatalogEntry<'b>: From<&'b T>,
        E: From<StoreError>,
    {
        let mut backoff = Backoff::default();
        loop {
            let read = table.catalog().await?;
            let made = make(&read.catalog)?;
            let done = done(&made).await?;
            let written = table.write_catalog(&read, &[CatalogEntry::from(&made)], done.as_ref()).await;
            // Also where there was no answer: it may have been written all the same.
            self.drop_copy();
            match written? {
                WriteOutcome::Done => return Ok(made),
                WriteOutcome::Moved => backoff.retry().await?,
            }
        }
    }

    /// Writes all that `make` makes of the catalog as it is, as many at a time as one write takes and in their order,
    /// until nothing is left to write: so each part must be right by itself. Gives the catalog as it is then.
    pub async fn change_in_parts<T, E>(
        &self,
        table: &Table,
        make: impl Fn(&Catalog) -> Result<Vec<T>, E>,
    ) -> Result<Catalog, E>
    where
        for<'b> CatalogEntry<'b>: From<&'b T>,
        E: From<StoreError>,
    {
        let mut backoff = Backoff::default();
        loop {
            let read = table.catalog().await?;
            let made = make(&read.catalog)?;
            if made.is_empty() {
                return Ok(read.catalog);
            }
            let part: Vec<CatalogEntry<'_>> = made.iter().take(MAX_ENTRIES).map(CatalogEntry::from).collect();
            let written = table.write_catalog(&read, &part, None).await;
            self.drop_copy();
            if written? == WriteOutcome::Moved {
                backoff.retry().await?;
            }
        }
    }

    fn kept(&self, now: Timestamp) -> Option<Arc<Catalog>> {
        let kept = self.lock();
        let (read_at, catalog) = kept.copy.as_ref()?;
        let age = now.duration_since(*read_at);
        (age >= SignedDuration::ZERO && age < FRESH).then(|| Arc::clone(catalog))
    }

    async fn reload(&self, table: &Table, now: Timestamp) -> Result<Arc<Catalog>, StoreError> {
        let drops = self.lock().drops;
        let catalog = Arc::new(table.catalog_items().await?);
        let mut kept = self.lock();
        if kept.drops == drops {
            kept.copy = Some((now, Arc::clone(&catalog)));
        }
        drop(kept);
        Ok(catalog)
    }

    fn drop_copy(&self) {
        let mut kept = self.lock();
        kept.copy = None;
        kept.drops += 1;
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
