//! What the lines need beside their own item, collected from all items of an export, and checked for completeness.

use std::{
    collections::{BTreeMap, BTreeSet},
    error::Error,
    path::Path,
};

use shared::{
    domain::{Catalog, CustomerId, License, LicenseId, NotInCatalogError, ProductId, TierId},
    store::{export::ExportedItem, licenses::KeyPointer},
};

use super::{data_file::DataFile, error::ExportError, lines::LicenseLine};

/// Why an item that another one refers to may be missing.
const INCOMPLETE: &str = "the export may have a part of a transaction that was in progress; export another time";

/// The part of an export that is held in memory.
#[derive(Default)]
pub(super) struct Contents {
    catalog: Catalog,
    pub(super) customers: BTreeSet<CustomerId>,
    pub(super) licenses: BTreeMap<LicenseId, LicenseParts>,
    /// The products and tiers of license keys, each with one license key.
    tiers_in_use: BTreeMap<(ProductId, TierId), LicenseId>,
    pub(super) other_items: u64,
}

/// What belongs to a license key. Its parts can be in different files, in any order.
#[derive(Default)]
pub(super) struct LicenseParts {
    /// The customer and the generation.
    license: Option<(Option<CustomerId>, u32)>,
    /// The newest generation of the key string, and its hash.
    key_string: Option<(u32, [u8; 32])>,
}

impl Contents {
    /// Reads all items, and fails if one is invalid or lacks another one that it refers to.
    pub(super) fn read(directory: &Path, files: &[DataFile]) -> Result<Self, Box<dyn Error>> {
        let mut contents = Self::default();
        for file in files {
            file.for_each_item(|item| {
                contents.add(item);
                Ok(())
            })?;
        }
        contents.check().map_err(|problem| ExportError::new(directory, problem))?;
        Ok(contents)
    }

    fn add(&mut self, item: ExportedItem) {
        match item {
            ExportedItem::Customer(customer) => {
                self.customers.insert(customer.id);
                return;
            }
            ExportedItem::License(license) => {
                self.tiers_in_use.insert((license.product_id, license.tier_id), license.id);
                let parts = self.licenses.entry(license.id).or_default();
                parts.license = Some((license.customer_id, license.generation));
                return;
            }
            ExportedItem::KeyString { sha256, pointer: KeyPointer { license_id, generation } } => {
                let parts = self.licenses.entry(license_id).or_default();
                // The records of earlier key strings stay in the table.
                if parts.key_string.is_none_or(|(newest, _)| newest < generation) {
                    parts.key_string = Some((generation, sha256));
                }
            }
            ExportedItem::Product(product) => {
                self.catalog.products.insert(product.id, product);
            }
            ExportedItem::Tier(tier) => {
                self.catalog.tiers.insert(tier.id, *tier);
            }
            ExportedItem::Other => {}
        }
        self.other_items += 1;
    }

    fn check(&self) -> Result<(), String> {
        for (id, parts) in &self.licenses {
            let Some((customer, _)) = parts.license else {
                return Err(format!("license {id} is missing, but its key string is not: {INCOMPLETE}"));
            };
            if let Some(customer) = customer.filter(|customer| !self.customers.contains(customer)) {
                return Err(format!("{customer}, the customer of license {id}, is missing: {INCOMPLETE}"));
            }
            parts
                .current_key_string()
                .ok_or_else(|| format!("the key string of license {id} is missing: {INCOMPLETE}"))?;
        }
        for ((product, tier), license) in &self.tiers_in_use {
            if !self.catalog.products.contains_key(product) || !self.catalog.tiers.contains_key(tier) {
                return Err(format!("{}: {INCOMPLETE}", NotInCatalogError(*license)));
            }
        }
        Ok(())
    }

    /// Returns the line of a license key.
    pub(super) fn license_line(&self, license: License) -> Result<LicenseLine, String> {
        let key_string = self.licenses.get(&license.id).and_then(LicenseParts::current_key_string);
        let (product, tier) =
            self.catalog.product_and_tier(&license).ok_or_else(|| NotInCatalogError(license.id).to_string())?;
        let (product_code, tier_code) = (product.code.clone(), tier.code.clone());
        let sha256 =
            key_string.ok_or_else(|| format!("license {} was changed while the export was read", license.id))?;
        Ok(LicenseLine::new(license, product_code, tier_code, sha256))
    }
}

impl LicenseParts {
    /// Returns the hash of the key string of the license key's generation.
    fn current_key_string(&self) -> Option<&[u8; 32]> {
        let (_, generation) = self.license?;
        self.key_string.as_ref().filter(|(newest, _)| *newest == generation).map(|(_, sha256)| sha256)
    }
}
