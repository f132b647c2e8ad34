//! Exports of Keygen: pages of `/licenses`, `/machines`, `/users` and `/policies` in JSON:API, in files or one after the other.

use std::collections::HashSet;

use super::{
    conversion::{Conversion, PartialCustomer},
    files::InputFile,
    json::JsonApi,
    lines::{ActivationLine, LicenseKey, LicenseLine, LicenseStatus, Record},
    object::{FieldProblem, Object, text_of},
    tiers::{Bought, BoughtKind},
};

const TYPES: &[&str] = &["licenses", "machines", "users", "policies", "products"];
const STATUSES: &[&str] = &["ACTIVE", "INACTIVE", "EXPIRING", "EXPIRED", "SUSPENDED", "BANNED"];
/// The role of customers; the others work for the vendor.
const CUSTOMER_ROLE: &str = "user";

/// Adds the lines of the files. Objects may be in any order, and in any of the files.
pub(super) fn convert(files: &[InputFile], conversion: &mut Conversion) {
    let objects = JsonApi::read(files, TYPES, conversion);
    let owners: HashSet<String> =
        objects.of_type("licenses").filter_map(|(_, license)| owner_id(license).ok().flatten()).collect();
    let mut others = 0;
    for (record, user) in objects.of_type("users") {
        match customer(user) {
            Ok((id, role, _)) if role.is_some_and(|role| role != CUSTOMER_ROLE) && !owners.contains(&id) => others += 1,
            Ok((.., customer)) => conversion.add_customer(record, customer),
            Err(problem) => conversion.add_problem(record, problem),
        }
    }
    conversion.note_omitted(others, "user", "with another role than user");
    for (record, license) in objects.of_type("licenses") {
        let added = add_license(record, license, &objects, conversion);
        conversion.check(record, added);
    }
    for (record, machine) in objects.of_type("machines") {
        let line = machine_line(machine);
        match line {
            Ok(line) => conversion.add_activation(record, line),
            Err(problem) => conversion.add_problem(record, problem),
        }
    }
}

fn external_id(id: &str) -> String {
    format!("keygen:{id}")
}

/// Returns the id and the role of a user, and the customer.
fn customer(user: Object<'_>) -> Result<(String, Option<&str>, PartialCustomer), FieldProblem> {
    let id = user.required_id("id")?;
    let names = [user.text("attributes.firstName")?, user.text("attributes.lastName")?];
    let names: Vec<_> = names.into_iter().flatten().collect();
    let full_name = user.text("attributes.fullName")?.map(str::to_owned);
    let customer = PartialCustomer {
        external_id: external_id(&id),
        name: full_name.or_else(|| (!names.is_empty()).then(|| names.join(" "))),
        email: user.text("attributes.email")?.map(str::to_owned),
        company: None,
        metadata: user.metadata("attributes.metadata")?,
    };
    Ok((id, user.text("attributes.role")?, customer))
}

/// Returns the user that owns a license: `owner`, which older versions of the API call `user`.
fn owner_id(license: Object) -> Result<Option<String>, FieldProblem> {
    let owner = license.id("relationships.owner.data.id")?;
    owner.map_or_else(|| license.id("relationships.user.data.id"), |owner| Ok(Some(owner)))
}

fn add_license(
    record: &Record,
    license: Object,
    objects: &JsonApi,
    conversion: &mut Conversion,
) -> Result<(), FieldProblem> {
    let id = license.required_id("id")?;
    let owner = owner_id(license)?;
    let line = LicenseLine {
        customer_external_id: owner.and_then(|owner| conversion.customer_reference(external_id(&owner))),
        name: license.text("attributes.name")?.map(str::to_owned),
        issued_at: license.time("attributes.created")?,
        expires_at: Some(license.time("attributes.expiry")?.into()),
        max_users: license.limit("attributes.maxMachines")?,
        status: status(license)?,
        metadata: license.metadata("attributes.metadata")?,
        ..LicenseLine::new(external_id(&id), LicenseKey::Text(license.key("attributes.key")?))
    };
    conversion.add_license(record, bought(license, objects)?, line);
    Ok(())
}

fn status(license: Object) -> Result<LicenseStatus, FieldProblem> {
    let status = license.text("attributes.status")?;
    match status {
        Some(status) if !STATUSES.contains(&status) => Err(FieldProblem::status("attributes.status", STATUSES)),
        Some("SUSPENDED" | "BANNED") => Ok(LicenseStatus::Suspended),
        _ if license.flag("attributes.suspended")? => Ok(LicenseStatus::Suspended),
        _ => Ok(LicenseStatus::Active),
    }
}

/// Returns the policy and the product, with their names if the files contain them.
fn bought(license: Object, objects: &JsonApi) -> Result<Vec<Bought>, FieldProblem> {
    let policy_id = license.required_id("relationships.policy.data.id")?;
    let policy = objects.find("policies", &policy_id);
    let policy_name = text_of(policy, "attributes.name")?.map(str::to_owned);
    let of_policy = || policy.map_or(Ok(None), |policy| policy.id("relationships.product.data.id"));
    let product_id = license.id("relationships.product.data.id")?.map_or_else(of_policy, |id| Ok(Some(id)))?;
    let product = product_id.as_ref().and_then(|id| objects.find("products", id));
    let product_name = text_of(product, "attributes.name")?.map(str::to_owned);
    let policy = Bought { kind: BoughtKind::Policy, id: Some(policy_id), name: policy_name };
    let product = product_id.map(|id| Bought { kind: BoughtKind::Product, id: Some(id), name: product_name });
    Ok([policy].into_iter().chain(product).collect())
}

/// The app identifies a machine by its fingerprint.
fn machine_line(machine: Object) -> Result<ActivationLine, FieldProblem> {
    let name = machine.text("attributes.name")?;
    let hostname = machine.text("attributes.hostname")?;
    Ok(ActivationLine {
        license_external_id: external_id(&machine.required_id("relationships.license.data.id")?),
        machine_id: machine.required_text("attributes.fingerprint")?.to_owned(),
        machine_name: name.or(hostname).map(str::to_owned),
    })
}
