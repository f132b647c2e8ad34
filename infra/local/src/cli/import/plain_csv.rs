//! CSV files of any origin. A file has license keys with their customers, customers alone, or machines; its columns tell which.

use std::collections::BTreeMap;

use serde_json::Value;
use shared::domain::Secret;

use super::{
    conversion::{Conversion, PartialCustomer, email_external_id},
    files::InputFile,
    lines::{ActivationLine, LicenseKey, LicenseLine, LicenseStatus, Record},
    object::FieldProblem,
    rows::{Headings, Row, read_rows, time},
    tier_reference::{TierFields, TierReference},
    tiers::{Bought, BoughtKind, ImportMap},
    times::DateMeans,
};

/// The fields that a column can have. Columns `metadata.NAME` are metadata of license keys.
const FIELDS: &[&str] = &[
    "external_id",
    "license_key",
    "license_key_sha256",
    "tier_id",
    "product_code",
    "tier_code",
    "plan",
    "name",
    "issued_at",
    "expires_at",
    "max_users",
    "max_tenants",
    "status",
    "tag",
    "customer_external_id",
    "customer_name",
    "customer_email",
    "customer_company",
    "license_external_id",
    "machine_id",
    "machine_name",
];
const METADATA: &str = "metadata.";
/// Words for a license key that never expires, and for no limit.
const NEVER: &[&str] = &["never", "null"];
const UNLIMITED: &[&str] = &["unlimited", "null"];

/// Adds the lines of the files.
pub(super) fn convert(files: &[InputFile], conversion: &mut Conversion) {
    let map = conversion.map;
    let read = files.iter().filter_map(|file| Some((file, read_rows(file, conversion)?)));
    let tables: Vec<_> = read.map(|(file, (headings, rows))| (file, headings, rows)).collect();
    for problem in map_problems(map, &tables) {
        conversion.refuse_file(Record::named(&"--map".into(), "columns and defaults".to_owned()), problem);
    }
    for (file, headings, rows) in &tables {
        add_rows(file, &Columns::find(headings, map), rows, conversion);
    }
}

/// Returns what is wrong with the fields and the columns of the map. A column must be in one of the files.
fn map_problems(map: &ImportMap, tables: &[(&InputFile, Headings, Vec<Row>)]) -> Vec<FieldProblem> {
    let unknown = map.columns.keys().chain(map.defaults.keys()).filter(|field| !is_field(field));
    let unknown = unknown.map(|field| {
        let detail = format!("is not a field; the fields are: {}, {METADATA}NAME", FIELDS.join(", "));
        FieldProblem::new(field, detail)
    });
    let is_missing = |heading: &str| tables.iter().all(|(_, headings, _)| headings.position(heading).is_none());
    let missing = map.columns.iter().filter(|(_, heading)| is_missing(heading)).map(|(field, heading)| {
        let headings = tables.iter().flat_map(|(_, headings, _)| headings.iter());
        let headings = headings.map(|heading| format!("\"{heading}\"")).collect::<Vec<_>>().join(", ");
        FieldProblem::new(field, format!("no column \"{heading}\"; the columns are: {headings}"))
    });
    unknown.chain(missing).collect()
}

fn is_field(name: &str) -> bool {
    FIELDS.contains(&name) || name.strip_prefix(METADATA).is_some_and(|name| !name.is_empty())
}

/// What the rows of a file describe.
#[derive(Clone, Copy)]
enum Content {
    Licenses,
    Customers,
    Machines,
}

/// The positions of the columns, by field.
struct Columns<'a> {
    positions: BTreeMap<String, usize>,
    unused: Vec<String>,
    map: &'a ImportMap,
}

impl<'a> Columns<'a> {
    /// Finds the column of each field: the one with the heading of the map, otherwise the one that is called like the field, where
    /// `License Key` is `license_key`.
    fn find(headings: &Headings, map: &'a ImportMap) -> Self {
        let mapped =
            map.columns.iter().filter_map(|(field, heading)| Some((field.clone(), headings.position(heading)?)));
        let mut positions: BTreeMap<_, _> = mapped.collect();
        let mut unused = Vec::new();
        for (position, heading) in headings.iter().enumerate() {
            let field = match heading.split_once('.') {
                Some((prefix, name)) if prefix.eq_ignore_ascii_case("metadata") => format!("{METADATA}{name}"),
                _ => heading.to_lowercase().replace([' ', '-'], "_"),
            };
            if positions.values().any(|used| *used == position) {
                continue;
            }
            if is_field(&field) && !positions.contains_key(&field) {
                positions.insert(field, position);
            } else {
                unused.push(format!("\"{heading}\""));
            }
        }
        Self { positions, unused, map }
    }

    fn has(&self, field: &str) -> bool {
        self.positions.contains_key(field)
    }

    /// Returns the cell of a field, or the default of the map if the cell is empty or the column is missing.
    fn cell<'b>(&'b self, row: &'b Row, field: &str) -> Option<&'b str> {
        let position = self.positions.get(field).copied();
        row.cell(position).or_else(|| self.map.defaults.get(field).map(String::as_str))
    }

    fn required<'b>(&'b self, row: &'b Row, field: &str) -> Result<&'b str, FieldProblem> {
        self.cell(row, field).ok_or_else(|| FieldProblem::missing(field))
    }

    fn content(&self) -> Option<Content> {
        if self.has("machine_id") {
            Some(Content::Machines)
        } else if self.has("license_key") || self.has("license_key_sha256") {
            Some(Content::Licenses)
        } else {
            self.has("customer_email").then_some(Content::Customers)
        }
    }
}

fn add_rows(file: &InputFile, columns: &Columns, rows: &[Row], conversion: &mut Conversion) {
    let Some(content) = columns.content() else {
        let detail = "expected a column license_key, license_key_sha256, machine_id or customer_email; columns with other \
            headings need an entry in --map";
        conversion.refuse_file(Record::at_line(&file.name, 1), FieldProblem::new("headings", detail));
        return;
    };
    if !columns.unused.is_empty() {
        let text = format!("{}: columns not imported: {}", file.name, columns.unused.join(", "));
        conversion.notices.push(text);
    }
    let licenses = matches!(content, Content::Licenses);
    if licenses && rows.iter().any(|row| columns.cell(row, "expires_at").is_none()) {
        let text = "license keys without expires_at expire one billing period after issued_at, or never if the pricing tier has none";
        conversion.notices.push(format!("{}: {text}", file.name));
    }
    for row in rows {
        let added = match content {
            Content::Licenses => add_license(columns, row, conversion),
            Content::Customers => add_customer(columns, row, conversion).map(drop),
            Content::Machines => add_machine(columns, row, conversion),
        };
        conversion.check(&row.record, added);
    }
}

fn add_license(columns: &Columns, row: &Row, conversion: &mut Conversion) -> Result<(), FieldProblem> {
    let cell = |field: &str| columns.cell(row, field).map(str::to_owned);
    let key = match (cell("license_key"), cell("license_key_sha256")) {
        (Some(key), None) => LicenseKey::Text(Secret::new(key)),
        (None, Some(hash)) => LicenseKey::Hash(hash),
        (None, None) => return Err(FieldProblem::missing("license_key")),
        (Some(_), Some(_)) => return Err(FieldProblem::new("license_key_sha256", "must be empty beside license_key")),
    };
    let at = |field: &str, date| columns.cell(row, field).map(|cell| time(field, cell, date)).transpose();
    let expires_at = match cell("expires_at") {
        Some(word) if is_word(NEVER, &word) => Some(Value::Null),
        _ => at("expires_at", DateMeans::End)?.map(Value::from),
    };
    let external_id = columns.required(row, "external_id")?.to_owned();
    if matches!(&key, LicenseKey::Text(key) if key.expose() == external_id) {
        return Err(FieldProblem::new("external_id", "must not be the license key: external ids are no secrets"));
    }
    let line = LicenseLine {
        tier: tier(columns, row)?,
        name: cell("name"),
        issued_at: at("issued_at", DateMeans::Start)?,
        expires_at,
        max_users: limit(columns, row, "max_users")?,
        max_tenants: limit(columns, row, "max_tenants")?,
        status: status(columns, row)?,
        metadata: metadata(columns, row),
        tag: cell("tag"),
        ..LicenseLine::new(external_id, key)
    };
    let plan = cell("plan").map(|plan| Bought { kind: BoughtKind::Plan, id: None, name: Some(plan) });
    let customer_external_id = add_customer(columns, row, conversion)?;
    let bought = plan.into_iter().collect();
    conversion.add_license(&row.record, bought, LicenseLine { customer_external_id, ..line });
    Ok(())
}

/// Adds the customer of a row and returns the id by which license keys refer to it. Without an id of its own, a customer is known
/// by the email address.
fn add_customer(columns: &Columns, row: &Row, conversion: &mut Conversion) -> Result<Option<String>, FieldProblem> {
    let cell = |field: &str| columns.cell(row, field).map(str::to_owned);
    let (own_id, email) = (cell("customer_external_id"), cell("customer_email"));
    let by_email = email.as_deref().map(email_external_id);
    let has_email_column = columns.has("customer_email");
    let Some(external_id) = own_id.or(by_email) else {
        let has_name = cell("customer_name").or_else(|| cell("customer_company")).is_some();
        return if has_name { Err(FieldProblem::missing("customer_email")) } else { Ok(None) };
    };
    // Without a column for it, the id is that of a customer who was imported before or is in another file.
    if has_email_column {
        let customer = PartialCustomer {
            external_id: external_id.clone(),
            name: cell("customer_name"),
            email,
            company: cell("customer_company"),
            metadata: BTreeMap::new(),
        };
        conversion.add_customer(&row.record, customer);
    }
    Ok(conversion.customer_reference(external_id))
}

fn add_machine(columns: &Columns, row: &Row, conversion: &mut Conversion) -> Result<(), FieldProblem> {
    let line = ActivationLine {
        license_external_id: columns.required(row, "license_external_id")?.to_owned(),
        machine_id: columns.required(row, "machine_id")?.to_owned(),
        machine_name: columns.cell(row, "machine_name").map(str::to_owned),
    };
    conversion.add_activation(&row.record, line);
    Ok(())
}

/// Returns the pricing tier of the row itself. With a plan, or without anything, the map decides.
fn tier(columns: &Columns, row: &Row) -> Result<Option<TierReference>, FieldProblem> {
    let cell = |field: &str| columns.cell(row, field).map(str::to_owned);
    let fields =
        TierFields { tier_id: cell("tier_id"), product_code: cell("product_code"), tier_code: cell("tier_code") };
    match &fields {
        TierFields { tier_id: None, tier_code: None, .. } => Ok(None),
        _ => TierReference::try_from(fields).map(Some).map_err(|error| FieldProblem::new("tier_code", error)),
    }
}

fn is_word(words: &[&str], text: &str) -> bool {
    words.iter().any(|word| text.eq_ignore_ascii_case(word))
}

fn limit(columns: &Columns, row: &Row, field: &str) -> Result<Option<Value>, FieldProblem> {
    match columns.cell(row, field) {
        None => Ok(None),
        Some(word) if is_word(UNLIMITED, word) => Ok(Some(Value::Null)),
        Some(number) => {
            let number = number.parse::<u32>().map(|number| Some(number.into()));
            number.map_err(|_| FieldProblem::new(field, "expected an integer or the word unlimited"))
        }
    }
}

fn status(columns: &Columns, row: &Row) -> Result<LicenseStatus, FieldProblem> {
    let Some(text) = columns.cell(row, "status") else { return Ok(LicenseStatus::Active) };
    match (columns.map.statuses.get(text), &*text.to_ascii_lowercase()) {
        (Some(status), _) => Ok(*status),
        (None, "active") => Ok(LicenseStatus::Active),
        (None, "suspended") => Ok(LicenseStatus::Suspended),
        (None, "revoked") => Ok(LicenseStatus::Revoked),
        (None, _) => {
            let detail = "unknown status; expected active, suspended, revoked, or an entry of statuses in --map";
            Err(FieldProblem::new("status", detail))
        }
    }
}

fn metadata(columns: &Columns, row: &Row) -> BTreeMap<String, String> {
    let fields = columns.positions.keys().chain(columns.map.defaults.keys());
    let names = fields.filter_map(|field| field.strip_prefix(METADATA));
    let pairs = names.filter_map(|name| {
        let value = columns.cell(row, &format!("{METADATA}{name}"))?;
        Some((name.to_owned(), value.to_owned()))
    });
    pairs.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reference_lists_every_field() {
        let page = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/reference/cli.md"));
        let (_, section) = page.split_once("#### CSV files").unwrap();
        for field in FIELDS {
            assert!(section.contains(&format!("`{field}`")), "{field}");
        }
    }
}
