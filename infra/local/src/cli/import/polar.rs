//! Exports of Polar: pages of `/v1/license-keys`, and license keys with their activations from `/v1/license-keys/{id}`.

use std::collections::HashMap;

use serde_json::Value;

use super::{
    conversion::{Conversion, PartialCustomer},
    files::InputFile,
    json::read_objects,
    lines::{ActivationLine, LicenseKey, LicenseLine, LicenseStatus, Record},
    object::{FieldProblem, Object},
    tiers::{Bought, BoughtKind, MachineIdSource},
};

const STATUSES: &[&str] = &["granted", "revoked", "disabled"];

/// Adds the lines of the files. An object of a page and the same license key with its activations are one.
pub(super) fn convert(files: &[InputFile], conversion: &mut Conversion) {
    let objects = read_objects(files, &["items"], type_of, conversion);
    let benefits = benefit_names(&objects);
    for (record, object) in &objects {
        let added = match type_of(object).as_str() {
            "license key" => add_license(record, Object(object), &benefits, conversion),
            "benefit" => Ok(()),
            _ => Err(FieldProblem::new("object", "is not a license key of Polar")),
        };
        conversion.check(record, added);
    }
}

/// Polar's objects have no type: a license key is what has a key, and a benefit is what has a description.
fn type_of(object: &Value) -> String {
    let name = match object {
        object if object.get("key").is_some() => "license key",
        object if object.get("description").is_some() && object.get("type").is_some() => "benefit",
        _ => "object",
    };
    name.to_owned()
}

fn benefit_names(objects: &[(Record, Value)]) -> HashMap<&str, &str> {
    let benefits = objects.iter().filter(|(_, object)| type_of(object) == "benefit");
    benefits.filter_map(|(_, benefit)| Some((benefit["id"].as_str()?, benefit["description"].as_str()?))).collect()
}

fn external_id(id: &str) -> String {
    format!("polar:{id}")
}

fn add_license(
    record: &Record,
    license: Object,
    benefits: &HashMap<&str, &str>,
    conversion: &mut Conversion,
) -> Result<(), FieldProblem> {
    let id = license.required_id("id")?;
    let benefit_id = license.required_text("benefit_id")?;
    let line = LicenseLine {
        issued_at: license.time("created_at")?,
        expires_at: Some(license.time("expires_at")?.into()),
        max_users: license.limit("limit_activations")?,
        status: status(license)?,
        ..LicenseLine::new(external_id(&id), LicenseKey::Text(license.key("key")?))
    };
    let activations = activations(license, &external_id(&id), conversion.map.machine_id)?;
    let customer_external_id = conversion.add_owner(record, customer(license)?);
    let name = benefits.get(benefit_id).map(|name| (*name).to_owned());
    let benefit = Bought { kind: BoughtKind::Benefit, id: Some(benefit_id.to_owned()), name };
    conversion.add_license(record, vec![benefit], LicenseLine { customer_external_id, ..line });
    for activation in activations {
        conversion.add_activation(record, activation);
    }
    Ok(())
}

/// The vendor's own id of the customer becomes metadata, because the external id says that the customer is from Polar.
fn customer(license: Object) -> Result<PartialCustomer, FieldProblem> {
    let id = license.id("customer.id")?.map_or_else(|| license.required_id("customer_id"), Ok)?;
    let own_id = license.text("customer.external_id")?.map(|id| ("external_id".to_owned(), id.to_owned()));
    let mut metadata = license.metadata("customer.metadata")?;
    metadata.extend(own_id);
    Ok(PartialCustomer {
        external_id: external_id(&id),
        name: license.text("customer.name")?.map(str::to_owned),
        email: license.text("customer.email")?.map(str::to_owned),
        company: None,
        metadata,
    })
}

/// `revoked` is what Polar does if a subscription ends or an order is refunded, `disabled` what the vendor does.
fn status(license: Object) -> Result<LicenseStatus, FieldProblem> {
    match license.required_text("status")? {
        "granted" => Ok(LicenseStatus::Active),
        "disabled" => Ok(LicenseStatus::Suspended),
        "revoked" => Ok(LicenseStatus::Revoked),
        _ => Err(FieldProblem::status("status", STATUSES)),
    }
}

/// An app identifies itself by the id that Polar generated for the activation, or by the label that it sent.
fn activations(license: Object, id: &str, source: MachineIdSource) -> Result<Vec<ActivationLine>, FieldProblem> {
    let items = match license.at("activations") {
        None => return Ok(Vec::new()),
        Some(Value::Array(items)) => items,
        Some(_) => return Err(FieldProblem::new("activations", "expected a list")),
    };
    let line = |(index, item): (usize, &Value)| {
        let activation = Object(item);
        let in_list =
            |problem: FieldProblem| FieldProblem { field: format!("activations.{index}.{}", problem.field), ..problem };
        let machine_id = match source {
            MachineIdSource::Id => activation.required_text("id"),
            MachineIdSource::Name => activation.required_text("label"),
        };
        Ok(ActivationLine {
            license_external_id: id.to_owned(),
            machine_id: machine_id.map_err(in_list)?.to_owned(),
            machine_name: activation.text("label").map_err(in_list)?.map(str::to_owned),
        })
    };
    items.iter().enumerate().map(line).collect()
}
