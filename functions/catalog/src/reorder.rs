//! Moves a product, a pricing tier or a product feature within its list, for drag and drop in the dashboard. There is
//! no API endpoint for it: API clients set `sort_order`.
//!
//! A move names the item to insert before instead of a position, so that concurrent moves of two operators both take
//! effect.

use shared::{
    domain::{
        Catalog, EventSource, Feature, FeatureId, Product, ProductId, Tier, TierId, Timestamp,
        catalog::reorder as new_sort_orders,
    },
    store::{
        Table,
        catalog::{CatalogCache, CatalogEntry},
    },
};

use crate::errors::CatalogError;

/// An item to move and the item to insert it before; `None` moves it to the end of its list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Move {
    /// Moves a product within the list of all products.
    Product(ProductId, Option<ProductId>),
    /// Moves a tier within the tiers of its product.
    Tier(TierId, Option<TierId>),
    /// Moves a feature within the features of its product.
    Feature(FeatureId, Option<FeatureId>),
}

/// A catalog item that is listed in the order of its `sort_order`.
trait Sortable: Clone {
    type Id: Copy + Ord + ToString;
    fn id(&self) -> Self::Id;
    fn sort_order(&self) -> i32;
    fn with_sort_order(self, sort_order: i32, updated_at: Timestamp) -> Self;
}

/// Moves an item. Returns the ids of the resulting list, in order.
///
/// # Errors
///
/// [`CatalogError::NotFound`] if the item or the item to insert it before does not exist in the list.
pub async fn reorder(
    table: &Table,
    cache: &CatalogCache,
    source: &EventSource,
    requested: Move,
) -> Result<Vec<String>, CatalogError> {
    match requested {
        Move::Product(id, before) => {
            let list = |catalog: &Catalog| Ok(catalog.products.values().cloned().collect());
            move_in_list(table, cache, source, (id, before), list).await
        }
        Move::Tier(id, before) => {
            let list = |catalog: &Catalog| {
                let product = catalog.tiers.get(&id).ok_or(CatalogError::NotFound)?.product_id;
                Ok(catalog.tiers.values().filter(|tier| tier.product_id == product).cloned().collect())
            };
            move_in_list(table, cache, source, (id, before), list).await
        }
        Move::Feature(id, before) => {
            let list = |catalog: &Catalog| {
                let product = catalog.features.get(&id).ok_or(CatalogError::NotFound)?.product_id;
                Ok(catalog.features.values().filter(|feature| feature.product_id == product).cloned().collect())
            };
            move_in_list(table, cache, source, (id, before), list).await
        }
    }
}

async fn move_in_list<T: Sortable>(
    table: &Table,
    cache: &CatalogCache,
    source: &EventSource,
    (id, before): (T::Id, Option<T::Id>),
    list: impl Fn(&Catalog) -> Result<Vec<T>, CatalogError>,
) -> Result<Vec<String>, CatalogError>
where
    for<'b> CatalogEntry<'b>: From<&'b T>,
{
    let ordered = |catalog: &Catalog| -> Result<Vec<T>, CatalogError> {
        let mut items = list(catalog)?;
        items.sort_by_key(|item| (item.sort_order(), item.id().to_string()));
        Ok(items)
    };
    let changed_items = |catalog: &Catalog| -> Result<Vec<T>, CatalogError> {
        let items = ordered(catalog)?;
        let sort_orders: Vec<_> = items.iter().map(|item| (item.id(), item.sort_order())).collect();
        let changes = new_sort_orders(&sort_orders, id, before).ok_or(CatalogError::NotFound)?;
        let item = |id: T::Id| items.iter().find(|item| item.id() == id).cloned();
        Ok(changes
            .into_iter()
            .filter_map(|(id, sort_order)| Some(item(id)?.with_sort_order(sort_order, source.at)))
            .collect())
    };
    let catalog = cache.change_in_batches(table, source, changed_items).await?;
    Ok(ordered(&catalog)?.into_iter().map(|item| item.id().to_string()).collect())
}

impl Sortable for Product {
    type Id = ProductId;

    fn id(&self) -> ProductId {
        self.id
    }

    fn sort_order(&self) -> i32 {
        self.sort_order
    }

    fn with_sort_order(self, sort_order: i32, updated_at: Timestamp) -> Self {
        Self { sort_order, updated_at, ..self }
    }
}

impl Sortable for Tier {
    type Id = TierId;

    fn id(&self) -> TierId {
        self.id
    }

    fn sort_order(&self) -> i32 {
        self.sort_order
    }

    fn with_sort_order(self, sort_order: i32, updated_at: Timestamp) -> Self {
        Self { sort_order, updated_at, ..self }
    }
}

impl Sortable for Feature {
    type Id = FeatureId;

    fn id(&self) -> FeatureId {
        self.id
    }

    fn sort_order(&self) -> i32 {
        self.sort_order
    }

    fn with_sort_order(self, sort_order: i32, updated_at: Timestamp) -> Self {
        Self { sort_order, updated_at, ..self }
    }
}
