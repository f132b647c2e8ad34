//! The catalog: one partition that is read as a whole and cached in memory.

use std::{future::ready, sync::Arc};

use futures_util::{FutureExt, future::BoxFuture};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{
    Backoff,
    error::StoreError,
    events::event_item,
    idempotency::Completion,
    item::{Item, Key, from_item, n, to_item},
    keys,
    metadata::metadata_item,
    table::{Query, Table},
    transaction::{CommitOutcome, Condition, Transaction},
};
use crate::{
    domain::{
        Catalog, EventData, EventSource, Feature, IdGenerator, Metadata, Product, ProductId, Subject, Tier, TierId,
        event::payload::Changes,
    },
    ttl_cache::{MAX_STALE, MaybeStale, TtlCache},
};

/// A catalog and the version that was read.
#[derive(Debug, Clone)]
pub struct VersionedCatalog {
    /// The catalog.
    pub catalog: Catalog,
    version: u64,
}

#[derive(Serialize, Deserialize)]
struct VersionRecord {
    version: u64,
}

/// An entry of the catalog.
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

/// An entry of the catalog that has metadata.
#[derive(Debug, Clone, Copy)]
pub enum MetadataOwner {
    /// A product.
    Product(ProductId),
    /// A pricing tier.
    Tier(TierId),
}

impl MetadataOwner {
    fn key(self) -> Key {
        match self {
            Self::Product(id) => keys::entry_metadata(id),
            Self::Tier(id) => keys::entry_metadata(id),
        }
    }

    /// Returns the metadata of the entry in `catalog`; `None` if there is no such entry, or if they were not read.
    fn metadata(self, catalog: &Catalog) -> Option<&Metadata> {
        match self {
            Self::Product(id) => catalog.products.get(&id)?.metadata.as_ref(),
            Self::Tier(id) => catalog.tiers.get(&id)?.metadata.as_ref(),
        }
    }
}

/// The maximum number of entries per write: a transaction has at most 100 items, among them the event of each entry and the
/// version.
pub const MAX_ENTRIES: usize = 49;

/// The outcome of a write to the catalog.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WriteOutcome {
    /// The write took effect.
    Done,
    /// The catalog was changed since it was read. Read and check it again.
    Conflict,
}

impl Table {
    /// Reads the catalog and its version. The version is read first, because the query is not a snapshot: with a
    /// version read later, a write could succeed although it was checked against older items.
    pub async fn catalog(&self) -> Result<VersionedCatalog, StoreError> {
        let version = match self.get(keys::catalog_version()).await? {
            Some(item) => from_item::<VersionRecord>(item)?.version,
            None => 0,
        };
        Ok(VersionedCatalog { catalog: self.catalog_items().await?, version })
    }

    /// Reads the catalog, its version, and then the metadata of one entry. Every write of metadata increments the
    /// version.
    pub async fn catalog_with_metadata(&self, owner: MetadataOwner) -> Result<VersionedCatalog, StoreError> {
        let mut read = self.catalog().await?;
        let metadata = Some(self.metadata(owner.key()).await?);
        match owner {
            MetadataOwner::Product(id) => {
                read.catalog.products.entry(id).and_modify(|product| product.metadata = metadata);
            }
            MetadataOwner::Tier(id) => {
                read.catalog.tiers.entry(id).and_modify(|tier| tier.metadata = metadata);
            }
        }
        Ok(read)
    }

    async fn catalog_items(&self) -> Result<Catalog, StoreError> {
        let mut catalog = Catalog::default();
        // Covers the sort key prefixes from FEATURE# to TIER#. The version is outside of the range.
        let all = Query::between(keys::CATALOG.to_owned(), "FEATURE#".to_owned(), "TIER$".to_owned());
        for item in self.query_all(all).await? {
            let sort_key = item.get("SK").and_then(|sk| sk.as_s().ok()).cloned().unwrap_or_default();
            if sort_key.starts_with("PRODUCT#") {
                let product: Product = from_catalog_item(item)?;
                catalog.products.insert(product.id, product);
            } else if sort_key.starts_with("TIER#") {
                let tier: Tier = from_catalog_item(item)?;
                catalog.tiers.insert(tier.id, tier);
            } else if sort_key.starts_with("FEATURE#") {
                let feature: Feature = from_catalog_item(item)?;
                catalog.features.insert(feature.id, feature);
            }
        }
        Ok(catalog)
    }

    /// Writes up to [`MAX_ENTRIES`] entries with their events if the catalog was not changed since it was read. This prevents
    /// concurrent writes, each valid on its own, from creating a cycle of tiers, a duplicate code or a dangling reference.
    pub async fn write_catalog(
        &self,
        read: &VersionedCatalog,
        entries: &[CatalogEntry<'_>],
        source: &EventSource,
        completion: Option<&Completion>,
    ) -> Result<WriteOutcome, StoreError> {
        let mut ids = IdGenerator::new(source.at);
        let version: Item = to_item(keys::catalog_version(), &VersionRecord { version: read.version + 1 })?;
        let unchanged = match read.version {
            0 => Condition::absent(),
            version => Condition::new("version = :read").value(":read", n(version)),
        };
        let mut transaction = Transaction::new();
        for entry in entries {
            let (subject, data) = entry.event(&read.catalog)?;
            transaction.put_always(entry.item()?).put_always(event_item(&source.event(&mut ids, subject, data))?);
            let Some((owner, metadata)) = entry.metadata() else { continue };
            if *metadata != owner.metadata(&read.catalog).cloned().unwrap_or_default() {
                transaction.put_always(metadata_item(owner.key(), metadata)?);
            }
        }
        transaction.put(version, unchanged);
        Ok(match self.commit_with_completion(transaction, completion).await? {
            CommitOutcome::Done => WriteOutcome::Done,
            CommitOutcome::ConditionFailed(_) => WriteOutcome::Conflict,
        })
    }
}

impl CatalogEntry<'_> {
    fn item(&self) -> Result<Item, StoreError> {
        let mut item = match self {
            Self::Product(product) => to_item(keys::product(product.id), product),
            Self::Tier(tier) => to_item(keys::tier(tier.id), tier),
            Self::Feature(feature) => to_item(keys::feature(feature.id), feature),
        }?;
        item.remove("metadata");
        Ok(item)
    }

    /// Returns the event that this entry is new, or differs from that in the catalog that was read.
    fn event(&self, read: &Catalog) -> Result<(Subject, EventData), StoreError> {
        Ok(match *self {
            Self::Product(product) => {
                let data = match read.products.get(&product.id) {
                    Some(before) => EventData::ProductUpdated(changes(before, product)?),
                    None => EventData::ProductCreated(product.clone()),
                };
                (Subject::Product(product.id), data)
            }
            Self::Tier(tier) => {
                let data = match read.tiers.get(&tier.id) {
                    Some(before) => EventData::PricingTierUpdated(changes(before, tier)?),
                    None => EventData::PricingTierCreated(tier.clone()),
                };
                (Subject::PricingTier(tier.id), data)
            }
            Self::Feature(feature) => {
                let data = match read.features.get(&feature.id) {
                    Some(before) => EventData::ProductFeatureUpdated(changes(before, feature)?),
                    None => EventData::ProductFeatureCreated(feature.clone()),
                };
                (Subject::ProductFeature(feature.id), data)
            }
        })
    }

    /// Returns the metadata of the entry if they were read or set.
    fn metadata(&self) -> Option<(MetadataOwner, &Metadata)> {
        match self {
            Self::Product(product) => Some((MetadataOwner::Product(product.id), product.metadata.as_ref()?)),
            Self::Tier(tier) => Some((MetadataOwner::Tier(tier.id), tier.metadata.as_ref()?)),
            Self::Feature(_) => None,
        }
    }
}

fn changes<T: Serialize>(before: &T, after: &T) -> Result<Changes, StoreError> {
    Changes::between(before, after).map_err(|error| StoreError::InvalidItem(error.to_string()))
}

pub(super) fn from_catalog_item<T: DeserializeOwned>(mut item: Item) -> Result<T, StoreError> {
    let Key { pk, sk } = Key::new("PK", "SK");
    item.remove(&pk);
    item.remove(&sk);
    from_item(item)
}

/// The maximum age of a cached catalog.
const MAX_AGE: SignedDuration = SignedDuration::from_secs(60);

/// The catalog that a warm function caches.
#[derive(Debug, Clone, Default)]
pub struct CatalogCache(Arc<TtlCache<Catalog>>);

impl CatalogCache {
    /// Returns the catalog, at most one minute old.
    pub async fn read(&self, table: &Table, now: Timestamp) -> Result<Arc<Catalog>, StoreError> {
        self.read_containing(table, now, |_| true).await
    }

    /// Returns the catalog for display: while the table is unavailable, a copy that is at most a day old.
    pub async fn read_for_display(&self, table: &Table, now: Timestamp) -> Result<MaybeStale<Catalog>, StoreError> {
        self.0.or_stale((MAX_AGE, MAX_STALE), now, self.read(table, now)).await
    }

    /// Returns the catalog, at most one minute old. Reads it again if `is_sufficient` returns false for the cached
    /// catalog, so that entries created by another process are found immediately.
    pub async fn read_containing(
        &self,
        table: &Table,
        now: Timestamp,
        is_sufficient: impl Fn(&Catalog) -> bool,
    ) -> Result<Arc<Catalog>, StoreError> {
        if let Some(cached) = self.0.fresh(MAX_AGE, now).filter(|cached| is_sufficient(&cached.value)) {
            return Ok(cached.value);
        }
        let read = self.0.start_read();
        Ok(self.0.store(read, table.catalog_items().await?, now))
    }

    /// Writes the entry that `make` returns for the current catalog, with its event, and retries with a newer catalog after
    /// concurrent writes.
    ///
    /// Outdates the cache: this process sees the change immediately, other processes within a minute.
    pub async fn change<T, E>(
        &self,
        table: &Table,
        source: &EventSource,
        make: impl Fn(&Catalog) -> Result<T, E>,
    ) -> Result<T, E>
    where
        for<'b> CatalogEntry<'b>: From<&'b T>,
        E: From<StoreError>,
    {
        self.change_entry(table, (None, source), make, |_| ready(Ok::<_, StoreError>(None)).boxed()).await
    }

    /// Writes an entry like [`change`](Self::change). In the catalog that `make` receives, `owner` has its metadata.
    pub async fn change_with_metadata<T, E>(
        &self,
        table: &Table,
        owner: MetadataOwner,
        source: &EventSource,
        make: impl Fn(&Catalog) -> Result<T, E>,
    ) -> Result<T, E>
    where
        for<'b> CatalogEntry<'b>: From<&'b T>,
        E: From<StoreError>,
    {
        self.change_entry(table, (Some(owner), source), make, |_| ready(Ok::<_, StoreError>(None)).boxed()).await
    }

    /// Writes an entry like [`change`](Self::change), with the completion of the request's idempotency record, which
    /// `complete` returns.
    pub async fn change_once<'a, T, E, C>(
        &self,
        table: &Table,
        source: &EventSource,
        make: impl Fn(&Catalog) -> Result<T, E>,
        complete: impl Fn(&T) -> BoxFuture<'a, Result<Option<Completion>, C>>,
    ) -> Result<T, E>
    where
        for<'b> CatalogEntry<'b>: From<&'b T>,
        E: From<StoreError> + From<C>,
    {
        self.change_entry(table, (None, source), make, complete).await
    }

    async fn change_entry<'a, T, E, C>(
        &self,
        table: &Table,
        (owner, source): (Option<MetadataOwner>, &EventSource),
        make: impl Fn(&Catalog) -> Result<T, E>,
        complete: impl Fn(&T) -> BoxFuture<'a, Result<Option<Completion>, C>>,
    ) -> Result<T, E>
    where
        for<'b> CatalogEntry<'b>: From<&'b T>,
        E: From<StoreError> + From<C>,
    {
        let mut backoff = Backoff::default();
        loop {
            let read = match owner {
                Some(owner) => table.catalog_with_metadata(owner).await?,
                None => table.catalog().await?,
            };
            let entry = make(&read.catalog)?;
            let completion = complete(&entry).await?;
            match self.write(table, &read, &[CatalogEntry::from(&entry)], source, completion.as_ref()).await? {
                WriteOutcome::Done => return Ok(entry),
                WriteOutcome::Conflict => backoff.retry().await?,
            }
        }
    }

    /// Writes the entries that `make` returns for the current catalog, in their order and in batches of
    /// [`MAX_ENTRIES`], until it returns none. The catalog must be valid after every batch. Returns the resulting
    /// catalog.
    pub async fn change_in_batches<T, E>(
        &self,
        table: &Table,
        source: &EventSource,
        make: impl Fn(&Catalog) -> Result<Vec<T>, E>,
    ) -> Result<Catalog, E>
    where
        for<'b> CatalogEntry<'b>: From<&'b T>,
        E: From<StoreError>,
    {
        let mut backoff = Backoff::default();
        loop {
            let read = table.catalog().await?;
            let entries = make(&read.catalog)?;
            if entries.is_empty() {
                return Ok(read.catalog);
            }
            let batch: Vec<CatalogEntry<'_>> = entries.iter().take(MAX_ENTRIES).map(CatalogEntry::from).collect();
            if self.write(table, &read, &batch, source, None).await? == WriteOutcome::Conflict {
                backoff.retry().await?;
            }
        }
    }

    async fn write(
        &self,
        table: &Table,
        read: &VersionedCatalog,
        entries: &[CatalogEntry<'_>],
        source: &EventSource,
        completion: Option<&Completion>,
    ) -> Result<WriteOutcome, StoreError> {
        let written = table.write_catalog(read, entries, source, completion).await;
        // Also after an error, since the write may have taken effect.
        self.0.outdate();
        written
    }
}
