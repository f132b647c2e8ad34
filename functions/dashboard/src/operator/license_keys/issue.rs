//! Issues a license key.

use axum::response::Response;
use maud::Markup;
use serde::Deserialize;
use serde_json::{Map, Value};
use shared::{
    domain::{Catalog, Code, CustomerId, FieldError, Tier},
    http::{ListQuery, Problem},
};

use super::{
    HERE,
    actions::{end_inputs, ends_json, new_key, seats_json},
};
use crate::{
    enter::{Operator, Visit},
    form::Sent,
    operator::customers,
    ui::{
        inputs::{Choice, Form, Input},
        shell::{Page, Place},
        show,
    },
};

/// What the address says.
#[derive(Debug, Deserialize)]
pub(super) struct Asked {
    customer_id: Option<CustomerId>,
}

/// The form.
pub(super) async fn ask(
    Operator(visit): Operator,
    asked: Result<ListQuery<Asked>, Problem>,
) -> Result<Response, Problem> {
    let ListQuery { filter, .. } = asked?;
    let email = match filter.customer_id {
        Some(id) => Some(customers::read(&visit, id).await?.email),
        None => None,
    };
    let catalog = visit.app.table.catalog().await?.catalog;
    Ok(page(form(&catalog, email).render(&visit)).render(&visit))
}

fn page(content: Markup) -> Page<'static> {
    Page::new(Place::LicenseKeys, "Issue a license key", content).below(&[(HERE, "License keys")])
}

fn form(catalog: &Catalog, email: Option<String>) -> Form<'static> {
    let mut inputs = vec![
        Input::email("customer_id", "Customer’s e-mail address")
            .required()
            .maybe(email)
            .hint("Of a customer who is there already."),
        Input::choice("tier_id", "Tier", tiers(catalog)).required(),
    ];
    inputs.extend(end_inputs("After one billing period of the tier", "period"));
    inputs.extend([
        Input::choice(
            "seats",
            "Seats",
            vec![
                Choice::new("tier", "As the tier has it"),
                Choice::new("none", "No limit"),
                Choice::new("own", "A number of its own"),
            ],
        )
        .required(),
        Input::number("max_users", "Number of seats", 1, 100_000).when("seats=own"),
    ]);
    Form::new("/dashboard/license-keys/new", inputs, "Issue the key", HERE)
}

/// What is sold, and then what is not.
fn tiers(catalog: &Catalog) -> Vec<Choice> {
    let product = |tier: &Tier| catalog.products.get(&tier.product_id);
    let mut tiers: Vec<_> = catalog.tiers.values().filter_map(|tier| Some((product(tier)?, tier))).collect();
    tiers.sort_by_key(|(product, tier)| (!tier.is_active, product.sort_order, product.id, tier.sort_order, tier.id));
    let choice = |(product, tier): &(&_, &Tier)| {
        let product: &shared::domain::Product = product;
        let name = format!("{} {}", product.name, tier.name);
        Choice::new(tier.id.to_string(), name).note(if tier.is_active {
            show::limit(tier.max_users, "seat")
        } else {
            "not sold".to_owned()
        })
    };
    tiers.iter().map(choice).collect()
}

/// Issues it.
pub(super) async fn issue(Operator(visit): Operator, sent: Sent) -> Result<Response, Problem> {
    let asked = match body(&visit, &sent).await? {
        Ok(body) => visit.post("/api/v1.0/license-keys", &sent, &body).await,
        Err(problem) => Err(problem),
    };
    match asked {
        Ok(answer) => {
            let id = answer["license"]["id"].as_str().unwrap_or_default();
            Ok(new_key(&visit, &format!("{HERE}/{id}"), &answer))
        }
        Err(problem) => {
            let catalog = visit.app.table.catalog().await?.catalog;
            Ok(page(form(&catalog, None).refused(&sent, &problem).render(&visit)).refused(&visit, &problem))
        }
    }
}

/// What the API is asked with; a problem where there is no such customer.
async fn body(visit: &Visit, sent: &Sent) -> Result<Result<Value, Problem>, Problem> {
    let Some(found) = visit.app.table.customer_by_email(sent.get("customer_id")).await? else {
        let fault = FieldError::at("/customer_id", Code::InvalidValue, "no customer has this e-mail address");
        return Ok(Err(fault.into()));
    };
    let mut body: Map<String, Value> = seats_json(sent);
    body.extend(ends_json(sent).as_object().cloned().unwrap_or_default());
    body.insert("customer_id".to_owned(), found.customer.id.to_string().into());
    body.insert("tier_id".to_owned(), sent.get("tier_id").into());
    Ok(Ok(Value::Object(body)))
}
