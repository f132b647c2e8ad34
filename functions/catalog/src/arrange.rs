//! Moves a product, a pricing tier or a product feature to another place of its list. A move says before which other
//! thing something is to stand, so that those of two operators at once both hold.
//!
//! Lists are in the order of `sort_order`, which a program sets as it likes; this is for people who drag, and no endpoint.

use shared::{
    domain::{
        Catalog, Feature, FeatureId, Product, ProductId, Tier, TierId, Timestamp, catalog::arrange as new_numbers,
    },
    http::Problem,
    store::{
        Table,
        catalog::{CatalogCache, CatalogEntry},
    },
};

/// What is moved, and before what: none is the end of its list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Move {
    /// Among all products.
    Product(ProductId, Option<ProductId>),
    /// Among the tiers of its product.
    Tier(TierId, Option<TierId>),
    /// Among the features of its product.
    Feature(FeatureId, Option<FeatureId>),
}

/// Something that stands in a list.
trait Listed: Clone {
    type Id: Copy + Ord + ToString;
    fn id(&self) -> Self::Id;
    fn number(&self) -> i32;
    fn at(self, number: i32, now: Timestamp) -> Self;
}

/// Moves it. Gives the ids of the list as it is then, in their order.
pub async fn arrange(table: &Table, copy: &CatalogCache, now: Timestamp, wanted: Move) -> Result<Vec<String>, Problem> {
    match wanted {
        Move::Product(id, before) => {
            let list = |catalog: &Catalog| Ok(catalog.products.values().cloned().collect());
            among(table, copy, now, (id, before), list).await
        }
        Move::Tier(id, before) => {
            let list = |catalog: &Catalog| {
                let product = catalog.tiers.get(&id).ok_or_else(Problem::not_found)?.product_id;
                Ok(catalog.tiers.values().filter(|tier| tier.product_id == product).cloned().collect())
            };
            among(table, copy, now, (id, before), list).await
        }
        Move::Feature(id, before) => {
            let list = |catalog: &Catalog| {
                let product = catalog.features.get(&id).ok_or_else(Problem::not_found)?.product_id;
                Ok(catalog.features.values().filter(|feature| feature.product_id == product).cloned().collect())
            };
            among(table, copy, now, (id, before), list).await
        }
    }
}

async fn among<T: Listed>(
    table: &Table,
    copy: &CatalogCache,
    now: Timestamp,
    (id, before): (T::Id, Option<T::Id>),
    list: impl Fn(&Catalog) -> Result<Vec<T>, Problem>,
) -> Result<Vec<String>, Problem>
where
    for<'b> CatalogEntry<'b>: From<&'b T>,
{
    let ordered = |catalog: &Catalog| -> Result<Vec<T>, Problem> {
        let mut things = list(catalog)?;
        things.sort_by_key(|thing| (thing.number(), thing.id().to_string()));
        Ok(things)
    };
    let make = |catalog: &Catalog| -> Result<Vec<T>, Problem> {
        let things = ordered(catalog)?;
        let places: Vec<_> = things.iter().map(|thing| (thing.id(), thing.number())).collect();
        let changes = new_numbers(&places, id, before).ok_or_else(Problem::not_found)?;
        let thing = |id: T::Id| things.iter().find(|thing| thing.id() == id).cloned();
        Ok(changes.into_iter().filter_map(|(id, number)| Some(thing(id)?.at(number, now))).collect())
    };
    let catalog = copy.change_in_parts(table, make).await?;
    Ok(ordered(&catalog)?.into_iter().map(|thing| thing.id().to_string()).collect())
}

impl Listed for Product {
    type Id = ProductId;

    fn id(&self) -> ProductId {
        self.id
    }

    fn number(&self) -> i32 {
        self.sort_order
    }

    fn at(self, sort_order: i32, updated_at: Timestamp) -> Self {
        Self { sort_order, updated_at, ..self }
    }
}

impl Listed for Tier {
    type Id = TierId;

    fn id(&self) -> TierId {
        self.id
    }

    fn number(&self) -> i32 {
        self.sort_order
    }

    fn at(self, sort_order: i32, updated_at: Timestamp) -> Self {
        Self { sort_order, updated_at, ..self }
    }
}

impl Listed for Feature {
    type Id = FeatureId;

    fn id(&self) -> FeatureId {
        self.id
    }

    fn number(&self) -> i32 {
        self.sort_order
    }

    fn at(self, sort_order: i32, updated_at: Timestamp) -> Self {
        Self { sort_order, updated_at, ..self }
    }
}
