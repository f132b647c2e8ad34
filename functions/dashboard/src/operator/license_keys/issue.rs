//! Issues a license, after a preview.

use axum::{extract::State, response::Response};
use licenses::issue::{self, Request};
use serde::Deserialize;
use serde_json::{Map, Value};
use shared::{
    domain::{Catalog, Customer, CustomerId, FieldError, FieldErrorCode, Product, Tier, Timestamp},
    http::{ListQuery, Problem, RequestContext, extractors::parse_json},
    store::Table,
};

use super::{
    issue_preview, key_page,
    terms::{PREVIEWED, expiry_inputs, expiry_json, seat_inputs, seats_json},
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
    inputs.extend(expiry_inputs(Choice::new("term", "After one license term")));
    inputs.extend(seat_inputs(None));
    let form = Form::new(links::NEW_LICENSE_KEY, inputs, "Review", links::LICENSE_KEYS);
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

/// Previews a license, and issues it through the API once it was previewed. Shows its key string.
pub(super) async fn create(
    Operator(viewer): Operator,
    State(table): State<Table>,
    ctx: RequestContext,
    api: Api,
    data: FormData,
) -> Result<Response, Problem> {
    let catalog = table.catalog().await?.catalog;
    let form = issue_page(&catalog, None);
    if data.is_back() {
        return Ok(form.render_submitted(&viewer, &data));
    }
    let response = async {
        let customer = find_customer(&table, &data).await?;
        let body = request_body(&data, customer.id);
        if data.get(PREVIEWED).is_empty() {
            let page = preview(&table, &catalog, (&customer, &body), (&form, &data), ctx.now).await?;
            return Ok(page.render(&viewer));
        }
        let issued = api.post("/api/v1.0/license-keys", &data, &body).await?;
        Ok(key_page::render(&viewer, "License issued", &issued))
    };
    Ok(response.await.unwrap_or_else(|problem: Problem| form.render_error(&viewer, &data, &problem)))
}

/// Checks the request as the API does, and returns the page that previews its license.
async fn preview(
    table: &Table,
    catalog: &Catalog,
    (customer, body): (&Customer, &Value),
    submitted: (&FormPage, &FormData),
    now: Timestamp,
) -> Result<FormPage, Problem> {
    let request: Request = parse_json(body.to_string().as_bytes())?;
    let preview = issue::preview(table, &request, now).await?;
    let tier = catalog.tiers.get(&request.tier_id).ok_or_else(Problem::not_found)?;
    issue_preview::page(table, (catalog, tier, customer), submitted, preview).await
}

/// Returns the customer with the submitted email address.
async fn find_customer(table: &Table, data: &FormData) -> Result<Customer, Problem> {
    let found = table.customer_by_email(data.get("customer_id")).await?;
    let missing = || FieldError::at("/customer_id", FieldErrorCode::InvalidValue, "no customer has this email address");
    Ok(found.ok_or_else(missing)?.customer)
}

/// The body of the API request.
fn request_body(data: &FormData, customer: CustomerId) -> Value {
    let mut body: Map<String, Value> = seats_json(data);
    body.extend(expiry_json(data).as_object().cloned().unwrap_or_default());
    body.insert("customer_id".to_owned(), customer.to_string().into());
    body.insert("tier_id".to_owned(), data.get("tier_id").into());
    Value::Object(body)
}
