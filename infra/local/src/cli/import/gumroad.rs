//! Exports of Gumroad: the CSV file of the page *Sales*, and pages of `/v2/sales`.

use std::collections::{BTreeMap, HashSet};

use serde_json::Value;
use shared::domain::{Customer, Secret};

use super::{
    conversion::{Conversion, PartialCustomer},
    files::InputFile,
    json::read_objects,
    lines::{LicenseKey, LicenseLine, LicenseStatus, Record},
    object::{FieldProblem, Object},
    rows::{Headings, Row, read_rows, time},
    tiers::{Bought, BoughtKind},
    times::DateMeans,
};

/// The first cell of the last row of the CSV file, which has sums.
const TOTALS: &str = "Totals";
/// The columns that every CSV file must have.
const REQUIRED_COLUMNS: &[&str] = &["Purchase ID", "Item Name", "Purchase Email", "License Key"];

/// A sale, from either form.
struct Sale {
    id: String,
    key: Option<Secret>,
    email: Option<String>,
    name: Option<String>,
    product: ProductNames,
    variants: Option<String>,
    order_number: Option<String>,
    created_at: Option<String>,
    ended_at: Option<String>,
    seats: Option<Value>,
    /// A later payment of a subscription, which has the license key of the first.
    is_recurring: bool,
    status: LicenseStatus,
}

/// The names of a product: its id, the last part of its URL, and its name.
struct ProductNames {
    id: Option<String>,
    permalink: Option<String>,
    name: Option<String>,
}

/// Adds the lines of the files. A JSON file starts with `{` or `[`.
pub(super) fn convert(files: &[InputFile], conversion: &mut Conversion) {
    let mut sales = Vec::new();
    for file in files {
        if file.text.trim_start().starts_with(['{', '[']) {
            sales.extend(read_json(file, conversion));
        } else {
            sales.extend(read_csv(file, conversion));
        }
    }
    let without_key = sales.iter().filter(|(_, sale)| sale.key.is_none()).count();
    conversion.note_omitted(without_key, "sale", "without a license key");
    add_sales(sales, conversion);
}

/// The payments of a subscription share a license key: the first that is not a repeated payment is imported, otherwise the oldest.
fn add_sales(mut sales: Vec<(Record, Sale)>, conversion: &mut Conversion) {
    sales.retain(|(_, sale)| sale.key.is_some());
    let (mut repeated, first): (Vec<_>, Vec<_>) = sales.into_iter().partition(|(_, sale)| sale.is_recurring);
    repeated.sort_by(|(_, one), (_, other)| one.created_at.cmp(&other.created_at));
    let mut keys = HashSet::new();
    let mut payments = 0;
    for (record, sale) in first.into_iter().chain(repeated) {
        let Some(key) = sale.key.clone() else { continue };
        let is_new = keys.insert(key.sha256());
        if sale.is_recurring && !is_new {
            payments += 1;
        } else {
            add_sale(&record, sale, key, conversion);
        }
    }
    conversion.note_omitted(payments, "repeated payment", "of a subscription");
}

fn add_sale(record: &Record, sale: Sale, key: Secret, conversion: &mut Conversion) {
    let Some(email) = sale.email else {
        conversion.add_problem(record, FieldProblem::missing("email address"));
        return;
    };
    // Gumroad has no id for customers without an account.
    let customer = PartialCustomer {
        external_id: external_id(&Customer::email_key(&email)),
        name: sale.name,
        email: Some(email),
        company: None,
        metadata: BTreeMap::new(),
    };
    let line = LicenseLine {
        customer_external_id: conversion.add_owner(record, customer),
        issued_at: sale.created_at,
        expires_at: Some(sale.ended_at.into()),
        max_users: sale.seats,
        status: sale.status,
        metadata: sale.order_number.map(|number| ("order_number".to_owned(), number)).into_iter().collect(),
        ..LicenseLine::new(external_id(&sale.id), LicenseKey::Text(key))
    };
    conversion.add_license(record, bought(sale.product, sale.variants.as_deref()), line);
}

fn external_id(id: &str) -> String {
    format!("gumroad:{id}")
}

/// Returns the variant and the product. Variants have no ids: their names are `PRODUCT / VARIANT`.
fn bought(product: ProductNames, variants: Option<&str>) -> Vec<Bought> {
    let variant = |product: &String| {
        let name = variants.map(|variants| format!("{product} / {variants}"));
        name.map(|name| Bought { kind: BoughtKind::Variant, id: None, name: Some(name) })
    };
    let ids = [&product.name, &product.id, &product.permalink];
    let variants: Vec<_> = ids.into_iter().flatten().filter_map(variant).collect();
    let permalink = product.permalink.map(|id| Bought { kind: BoughtKind::Product, id: Some(id), name: None });
    let product = Bought { kind: BoughtKind::Product, id: product.id, name: product.name };
    variants.into_iter().chain([product]).chain(permalink).collect()
}

/// A sale that was refunded, charged back or revoked gives no right to the license key. A vendor can enable a disabled one again.
fn status(is_revoked: bool, is_disabled: bool) -> LicenseStatus {
    match (is_revoked, is_disabled) {
        (true, _) => LicenseStatus::Revoked,
        (false, true) => LicenseStatus::Suspended,
        (false, false) => LicenseStatus::Active,
    }
}

fn read_csv(file: &InputFile, conversion: &mut Conversion) -> Vec<(Record, Sale)> {
    let Some((headings, rows)) = read_rows(file, conversion) else { return Vec::new() };
    let missing: Vec<_> = REQUIRED_COLUMNS.iter().filter(|name| headings.position(name).is_none()).collect();
    if !missing.is_empty() {
        let names = missing.iter().map(|name| format!("\"{name}\"")).collect::<Vec<_>>().join(", ");
        let detail = format!("{names} missing; is this the CSV file of Gumroad's page Sales?");
        conversion.refuse_file(Record::at_line(&file.name, 1), FieldProblem::new("headings", detail));
        return Vec::new();
    }
    let mut sales = Vec::new();
    for row in rows {
        if row.cell(headings.position("Purchase ID")) == Some(TOTALS) {
            continue;
        }
        match sale_of_row(&headings, &row) {
            Ok(sale) => sales.push((row.record, sale)),
            Err(problem) => conversion.add_problem(&row.record, problem),
        }
    }
    sales
}

fn sale_of_row(headings: &Headings, row: &Row) -> Result<Sale, FieldProblem> {
    let raw = |name: &str| row.cell(headings.position(name));
    let cell = |name: &str| raw(name).map(without_quote).map(str::to_owned);
    let flag = |name: &str| match raw(name) {
        None | Some("0" | "false") => Ok(false),
        Some("1" | "true") => Ok(true),
        Some(_) => Err(FieldProblem::new(name, "expected 0 or 1")),
    };
    let at = |name: &str| raw(name).map(|cell| time(name, cell, DateMeans::Start)).transpose();
    let is_revoked =
        flag("Fully Refunded?")? || flag("Access Revoked?")? || (flag("Disputed?")? && !flag("Dispute Won?")?);
    let is_disabled = raw("License Key Enabled?").is_some() && !flag("License Key Enabled?")?;
    let giftee = cell("Giftee Email");
    Ok(Sale {
        id: cell("Purchase ID").ok_or_else(|| FieldProblem::missing("Purchase ID"))?,
        key: raw("License Key").map(|key| Secret::new(key.to_owned())),
        // The name is that of the person who paid for the gift.
        name: cell("Buyer Name").filter(|_| giftee.is_none()),
        email: giftee.or_else(|| cell("Purchase Email")),
        product: ProductNames { id: cell("Product ID"), permalink: None, name: cell("Item Name") },
        variants: cell("Variants").map(|variants| without_parentheses(&variants)),
        order_number: cell("Order Number"),
        created_at: at("Purchase Time (UTC timezone)")?.map_or_else(|| at("Purchase Date"), |time| Ok(Some(time)))?,
        ended_at: at("Subscription End Date")?,
        seats: None,
        is_recurring: flag("Recurring Charge?")?,
        status: status(is_revoked, is_disabled),
    })
}

/// Removes the quote that Gumroad writes before cells that a spreadsheet would take for a formula.
fn without_quote(cell: &str) -> &str {
    let rest = cell.strip_prefix('\'').filter(|rest| rest.starts_with(['=', '@', '|', '%', '+', '-']));
    rest.unwrap_or(cell)
}

fn without_parentheses(text: &str) -> String {
    let inside = text.strip_prefix('(').and_then(|text| text.strip_suffix(')'));
    inside.unwrap_or(text).to_owned()
}

fn read_json(file: &InputFile, conversion: &mut Conversion) -> Vec<(Record, Sale)> {
    let objects = read_objects(std::slice::from_ref(file), &["sales", "sale"], |_| "sale".to_owned(), conversion);
    let mut sales = Vec::new();
    for (record, object) in objects {
        match sale_of_object(Object(&object)) {
            Ok(sale) => sales.push((record, sale)),
            Err(problem) => conversion.add_problem(&record, problem),
        }
    }
    sales
}

fn sale_of_object(sale: Object) -> Result<Sale, FieldProblem> {
    let text = |path: &str| sale.text(path).map(|text| text.map(str::to_owned));
    let is_charged_back = sale.flag("chargedback")?
        || sale.flag("chargebacked")?
        || (sale.flag("disputed")? && !sale.flag("dispute_won")?);
    let ended_at = sale.time("subscription_ended_at")?;
    // Without a time of expiry, the license key of a subscription that ended would never expire.
    let has_ended = (sale.flag("ended")? || sale.flag("dead")?) && ended_at.is_none();
    let giftee = text("giftee_email")?;
    let seats = sale.limit("quantity")?.filter(|_| sale.flag("is_multiseat_license") == Ok(true));
    Ok(Sale {
        id: sale.required_text("id")?.to_owned(),
        key: text("license_key")?.map(Secret::new),
        name: text("full_name")?.filter(|_| giftee.is_none()),
        email: giftee
            .map_or_else(|| text("purchase_email"), |email| Ok(Some(email)))?
            .map_or_else(|| text("email"), |email| Ok(Some(email)))?,
        product: ProductNames {
            id: text("product_id")?,
            permalink: text("product_permalink")?,
            name: text("product_name")?,
        },
        variants: variants(sale)?,
        order_number: sale.id("order_id")?,
        created_at: sale.time("created_at")?,
        ended_at,
        seats,
        is_recurring: sale.flag("recurring_charge")?,
        status: status(
            sale.flag("refunded")? || is_charged_back || sale.flag("access_revoked")?,
            sale.flag("license_disabled")? || has_ended,
        ),
    })
}

/// Returns the names of the variants as the CSV file has them. The API has an object with a name for each category.
fn variants(sale: Object) -> Result<Option<String>, FieldProblem> {
    match sale.at("variants") {
        Some(Value::Object(categories)) => {
            let names: Vec<_> = categories.values().filter_map(Value::as_str).filter(|name| !name.is_empty()).collect();
            Ok((!names.is_empty()).then(|| names.join(", ")))
        }
        _ => sale.text("variants").map(|text| text.map(without_parentheses)),
    }
}
