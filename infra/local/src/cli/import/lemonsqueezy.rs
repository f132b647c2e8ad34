//! Exports of Lemon Squeezy: pages of `/v1/license-keys`, `/v1/license-key-instances` and, for their names, `/v1/order-items`, in
//! JSON:API. Related objects can be in `included`.

use serde_json::Value;

use super::{
    conversion::{Conversion, PartialCustomer},
    files::InputFile,
    json::JsonApi,
    lines::{ActivationLine, LicenseKey, LicenseLine, LicenseStatus, Record},
    object::{FieldProblem, Object, text_of},
    tiers::{Bought, BoughtKind, MachineIdSource},
};

const TYPES: &[&str] = &["license-keys", "license-key-instances", "order-items", "products", "variants", "customers"];
const STATUSES: &[&str] = &["inactive", "active", "expired", "disabled"];

/// Adds the lines of the files. Objects may be in any order, and in any of the files.
pub(super) fn convert(files: &[InputFile], conversion: &mut Conversion) {
    let objects = JsonApi::read(files, TYPES, conversion);
    for (record, license) in objects.of_type("license-keys") {
        let added = add_license(record, license, &objects, conversion);
        conversion.check(record, added);
    }
    let source = conversion.map.machine_id;
    for (record, instance) in objects.of_type("license-key-instances") {
        match instance_line(instance, source) {
            Ok(line) => conversion.add_activation(record, line),
            Err(problem) => conversion.add_problem(record, problem),
        }
    }
}

fn external_id(id: &str) -> String {
    format!("lemonsqueezy:{id}")
}

fn add_license(
    record: &Record,
    license: Object,
    objects: &JsonApi,
    conversion: &mut Conversion,
) -> Result<(), FieldProblem> {
    let id = license.required_id("id")?;
    let expires_at = license.time("attributes.expires_at")?;
    let line = LicenseLine {
        issued_at: license.time("attributes.created_at")?,
        max_users: license.limit("attributes.activation_limit")?,
        status: status(license, expires_at.as_ref())?,
        expires_at: Some(expires_at.into()),
        metadata: license.id("attributes.order_id")?.map(|order| ("order_id".to_owned(), order)).into_iter().collect(),
        ..LicenseLine::new(external_id(&id), LicenseKey::Text(license.key("attributes.key")?))
    };
    let bought = bought(license, objects)?;
    let customer_external_id = conversion.add_owner(record, customer(license, objects)?);
    conversion.add_license(record, bought, LicenseLine { customer_external_id, ..line });
    Ok(())
}

/// Returns the customer: the object if the files contain it, otherwise what the license key says.
fn customer(license: Object, objects: &JsonApi) -> Result<PartialCustomer, FieldProblem> {
    let id = license.required_id("attributes.customer_id")?;
    let object = objects.find("customers", &id);
    let field = |of_customer: &str, of_license: &str| match object {
        Some(customer) => customer.text(of_customer),
        None => license.text(of_license),
    };
    Ok(PartialCustomer {
        external_id: external_id(&id),
        name: field("attributes.name", "attributes.user_name")?.map(str::to_owned),
        email: field("attributes.email", "attributes.user_email")?.map(str::to_owned),
        company: None,
        metadata: std::collections::BTreeMap::new(),
    })
}

/// A license key of a subscription that ended is `expired` and can have no time of expiry. Imported as active, it would never expire.
fn status(license: Object, expires_at: Option<&String>) -> Result<LicenseStatus, FieldProblem> {
    let status = license.required_text("attributes.status")?;
    let is_disabled = license.flag("attributes.disabled")?;
    match status {
        status if !STATUSES.contains(&status) => Err(FieldProblem::status("attributes.status", STATUSES)),
        "disabled" => Ok(LicenseStatus::Suspended),
        _ if is_disabled => Ok(LicenseStatus::Suspended),
        "expired" if expires_at.is_none() => Ok(LicenseStatus::Suspended),
        _ => Ok(LicenseStatus::Active),
    }
}

/// Returns the variant and the product. Only the order item has the variant.
fn bought(license: Object, objects: &JsonApi) -> Result<Vec<Bought>, FieldProblem> {
    let product_id = license.id("attributes.product_id")?;
    let item_id = license.id("attributes.order_item_id")?;
    let item = item_id.and_then(|id| objects.find("order-items", &id)).unwrap_or(Object(&Value::Null));
    let product = product_id.as_ref().and_then(|id| objects.find("products", id));
    let product_name = item.text("attributes.product_name")?.or(text_of(product, "attributes.name")?);
    let variant_id = item.id("attributes.variant_id")?;
    let variant = variant_id.as_ref().and_then(|id| objects.find("variants", id));
    let variant_name = item.text("attributes.variant_name")?.or(text_of(variant, "attributes.name")?);
    // Many products have a variant with the name "Default".
    let variant_name = product_name.zip(variant_name).map(|(product, variant)| format!("{product} / {variant}"));
    let variant = variant_id.map(|id| Bought { kind: BoughtKind::Variant, id: Some(id), name: variant_name });
    let product = Bought { kind: BoughtKind::Product, id: product_id, name: product_name.map(str::to_owned) };
    Ok(variant.into_iter().chain([product]).collect())
}

/// An app identifies itself by the identifier that Lemon Squeezy generated for it, or by the name that it sent.
fn instance_line(instance: Object, source: MachineIdSource) -> Result<ActivationLine, FieldProblem> {
    let name = instance.text("attributes.name")?.map(str::to_owned);
    let machine_id = match source {
        MachineIdSource::Id => instance.required_text("attributes.identifier")?,
        MachineIdSource::Name => instance.required_text("attributes.name")?,
    };
    Ok(ActivationLine {
        license_external_id: external_id(&instance.required_id("attributes.license_key_id")?),
        machine_id: machine_id.to_owned(),
        machine_name: name,
    })
}
