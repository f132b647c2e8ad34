//! Issues a license.

use axum::response::Response;
use maud::Markup;
use serde::Deserialize;
use serde_json::{Map, Value};
use shared::{
    domain::{Catalog, CustomerId, FieldError, FieldErrorCode, Product, Tier},
    http::{ListQuery, Problem},
};

use super::{
    BASE_PATH,
    actions::{expiry_inputs, expiry_json, seat_inputs, seats_json, show_key},
};
use crate::{
    form_data::FormData,
    operator::customers,
    page_context::{OperatorContext, PageContext},
    ui::{
        format,
        forms::Form,
        inputs::{Choice, Input},
        layout::{NavSection, PageLayout},
    },
};

/// The query of the form.
#[derive(Debug, Deserialize)]
pub(super) struct NewLicenseQuery {
    /// The customer whose email is filled in.
    customer_id: Option<CustomerId>,
}

pub(super) async fn new(
    OperatorContext(page): OperatorContext,
    query: Result<ListQuery<NewLicenseQuery>, Problem>,
) -> Result<Response, Problem> {
    let ListQuery { filter, .. } = query?;
    let email = match filter.customer_id {
        Some(id) => Some(customers::read(&page, id).await?.email),
        None => None,
    };
    let catalog = page.app.table.catalog().await?.catalog;
    Ok(issue_page(issue_form(&catalog, email).render(&page)).render(&page))
}

fn issue_page(content: Markup) -> PageLayout<'static> {
    PageLayout::new(NavSection::LicenseKeys, "Issue license", content).breadcrumbs(&[(BASE_PATH, "Licenses")])
}

fn issue_form(catalog: &Catalog, email: Option<String>) -> Form<'static> {
    let mut inputs = vec![
        Input::email("customer_id", "Customer email")
            .required()
            .optional_value(email)
            .hint("Must be an existing customer."),
        Input::select("tier_id", "Tier", tier_choices(catalog)).required(),
    ];
    inputs.extend(expiry_inputs("After one license term"));
    inputs.extend(seat_inputs());
    Form::new("/dashboard/license-keys/new", inputs, "Issue license", BASE_PATH)
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
pub(super) async fn create(OperatorContext(page): OperatorContext, data: FormData) -> Result<Response, Problem> {
    let response = match request_body(&page, &data).await? {
        Ok(body) => page.post("/api/v1.0/license-keys", &data, &body).await,
        Err(problem) => Err(problem),
    };
    match response {
        Ok(response) => {
            let id = response["license"]["id"].as_str().unwrap_or_default();
            Ok(show_key(&page, "License issued", &format!("{BASE_PATH}/{id}"), &response))
        }
        Err(problem) => {
            let catalog = page.app.table.catalog().await?.catalog;
            let form = issue_form(&catalog, None).with_error(&data, &problem).render(&page);
            Ok(issue_page(form).render_error(&page, &problem))
        }
    }
}

/// The body of the API request, or the validation error of an unknown customer.
async fn request_body(page: &PageContext, data: &FormData) -> Result<Result<Value, Problem>, Problem> {
    let Some(found) = page.app.table.customer_by_email(data.get("customer_id")).await? else {
        let error = FieldError::at("/customer_id", FieldErrorCode::InvalidValue, "no customer has this email address");
        return Ok(Err(error.into()));
    };
    let mut body: Map<String, Value> = seats_json(data);
    body.extend(expiry_json(data).as_object().cloned().unwrap_or_default());
    body.insert("customer_id".to_owned(), found.customer.id.to_string().into());
    body.insert("tier_id".to_owned(), data.get("tier_id").into());
    Ok(Ok(Value::Object(body)))
}
