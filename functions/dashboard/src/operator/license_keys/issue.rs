//! Issues a license.

use axum::{extract::State, response::Response};
use serde::Deserialize;
use serde_json::{Map, Value};
use shared::{
    domain::{Catalog, CustomerId, FieldError, FieldErrorCode, Product, Tier},
    http::{ListQuery, Problem},
    store::Table,
};

use super::{
    key_page,
    terms::{expiry_inputs, expiry_json, seat_inputs, seats_json},
};
use crate::{
    api::Api,
    form_data::FormData,
    links,
    operator::customers,
    ui::{
        form_page::FormPage,
        format,
        forms::Form,
        inputs::{Choice, Input},
        layout::NavSection,
    },
    viewer::Operator,
};

/// The query of the form.
#[derive(Debug, Deserialize)]
pub(super) struct NewLicenseQuery {
    /// The customer whose email is filled in.
    customer_id: Option<CustomerId>,
}

pub(super) async fn new(
    Operator(viewer): Operator,
    State(table): State<Table>,
    query: Result<ListQuery<NewLicenseQuery>, Problem>,
) -> Result<Response, Problem> {
    let ListQuery { filter, .. } = query?;
    let email = match filter.customer_id {
        Some(id) => customers::read(&table, id).await?.email,
        None => None,
    };
    Ok(issue_page(&table.catalog().await?.catalog, email).render(&viewer))
}

fn issue_page(catalog: &Catalog, email: Option<String>) -> FormPage {
    let mut inputs = vec![
        Input::email("customer_id", "Customer email")
            .required()
            .optional_value(email)
            .hint("Must be an existing customer."),
        Input::select("tier_id", "Tier", tier_choices(catalog)).required(),
    ];
    inputs.extend(expiry_inputs("After one license term"));
    inputs.extend(seat_inputs());
    let form = Form::new(links::NEW_LICENSE_KEY, inputs, "Issue license", links::LICENSE_KEYS);
    FormPage::new(NavSection::LicenseKeys, "Issue license", form).breadcrumb(links::LICENSE_KEYS, "Licenses")
}

/// All tiers, active ones first.
fn tier_choices(catalog: &Catalog) -> Vec<Choice> {
    let product = |tier: &Tier| catalog.products.get(&tier.product_id);
    let mut tiers: Vec<(&Product, &Tier)> =
        catalog.tiers.values().filter_map(|tier| Some((product(tier)?, tier))).collect();
    tiers.sort_by_key(|(product, tier)| (!tier.is_active, product.sort_order, product.id, tier.sort_order, tier.id));
    let choice = |(product, tier): &(&Product, &Tier)| {
        let note = if tier.is_active { format::limit(tier.max_users, "seat") } else { "inactive".to_owned() };
        Choice::new(tier.id.to_string(), format!("{} {}", product.name, tier.name)).note(note)
    };
    tiers.iter().map(choice).collect()
}

/// Issues a license through the API and shows its key string.
pub(super) async fn create(
    Operator(viewer): Operator,
    State(table): State<Table>,
    api: Api,
    data: FormData,
) -> Result<Response, Problem> {
    let issued = match request_body(&table, &data).await? {
        Ok(body) => api.post("/api/v1.0/license-keys", &data, &body).await,
        Err(problem) => Err(problem),
    };
    Ok(match issued {
        Ok(issued) => key_page::render(&viewer, "License issued", &issued),
        Err(problem) => issue_page(&table.catalog().await?.catalog, None).render_error(&viewer, &data, &problem),
    })
}

/// The body of the API request, or the validation error of an unknown customer.
async fn request_body(table: &Table, data: &FormData) -> Result<Result<Value, Problem>, Problem> {
    let Some(found) = table.customer_by_email(data.get("customer_id")).await? else {
        let error = FieldError::at("/customer_id", FieldErrorCode::InvalidValue, "no customer has this email address");
        return Ok(Err(error.into()));
    };
    let mut body: Map<String, Value> = seats_json(data);
    body.extend(expiry_json(data).as_object().cloned().unwrap_or_default());
    body.insert("customer_id".to_owned(), found.customer.id.to_string().into());
    body.insert("tier_id".to_owned(), data.get("tier_id").into());
    Ok(Ok(Value::Object(body)))
}
