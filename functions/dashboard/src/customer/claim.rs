//! A customer claims a license key of a tier that may be claimed.

use std::sync::Arc;

use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};
use serde_json::json;
use shared::{
    domain::{Catalog, Code, Product, Tier, TierId},
    http::{PathId, Problem},
};

use super::{catalog, customer, license, licenses, welcome};
use crate::{
    enter::Visit,
    form::Sent,
    ui::{
        components::facts,
        inputs::Form,
        shell::{Page, Place},
        show,
    },
};

fn path(id: TierId) -> String {
    format!("{}/{id}/claim", catalog::HERE)
}

pub(super) async fn ask(visit: Visit, PathId(id): PathId<TierId>) -> Result<Response, Problem> {
    let (sold, customer) = tokio::try_join!(sold(&visit, id), customer(&visit))?;
    let (product, tier) = offered(&sold, id)?;
    let Some(customer) = customer else { return Ok(Redirect::to(&welcome::address_before(&path(id))).into_response()) };
    if let Some(license) = visit.services.table.claimed_license(customer.id, id).await? {
        return Ok(Redirect::to(&format!("{}?done=claimed-before", license::path(license))).into_response());
    }
    Ok(page(&visit, (product, tier), &form(&path(id))).draw(&visit))
}

async fn sold(visit: &Visit, id: TierId) -> Result<Arc<Catalog>, Problem> {
    let services = &visit.services;
    let holds = |catalog: &Catalog| catalog.tiers.contains_key(&id);
    Ok(services.catalog.read_with(&services.table, visit.call.now, holds).await?)
}

/// What the catalog shows; the rest is not there.
fn offered(sold: &Catalog, id: TierId) -> Result<(&Product, &Tier), Problem> {
    let tier = sold.tiers.get(&id).filter(|tier| tier.is_active).ok_or_else(Problem::not_found)?;
    let product = sold.products.get(&tier.product_id).filter(|product| product.is_active);
    Ok((product.ok_or_else(Problem::not_found)?, tier))
}

fn form(action: &str) -> Form<'_> {
    Form::new(action, Vec::new(), "Claim it", catalog::HERE)
}

fn page(visit: &Visit, (product, tier): (&Product, &Tier), form: &Form<'_>) -> Page<'static> {
    let ends = tier.billing_period.end(visit.call.now);
    let content = html! {
        div.stack.prose {
            p { "You get a license key of " strong { (product.name) " " (tier.name) } ", at once. You can claim it once." }
            (facts(&[
                ("Seats", html! { (show::limit(tier.max_users, "seat")) }),
                ("Price", html! { (price(tier)) }),
                ("Ends", ends.map_or_else(|| html! { "Never" }, show::day)),
            ]))
            (form.draw(visit))
        }
    };
    Page::new(Place::Catalog, "Claim a license", content).below(&[(catalog::HERE, "Catalog")])
}

fn price(tier: &Tier) -> String {
    match tier.monthly_price {
        0 => "Free".to_owned(),
        amount => format!("{} a month", show::price(amount, &tier.currency)),
    }
}

pub(super) async fn claim(visit: Visit, PathId(id): PathId<TierId>, sent: Sent) -> Result<Response, Problem> {
    let sold = sold(&visit, id).await?;
    let offer = offered(&sold, id)?;
    match visit.post("/api/v1.0/user/claim-license", &sent, &json!({ "tier_id": id })).await {
        Ok(issued) => Ok(claimed(&visit, offer, &issued)),
        Err(problem) if problem.code == Code::CustomerNotRegistered => {
            Ok(Redirect::to(&welcome::address_before(&path(id))).into_response())
        }
        Err(problem) => {
            let problem = in_words(problem, offer.0);
            let held = refused_over(&visit, id, problem.code).await?;
            let action = path(id);
            let form = form(&action).refused(&sent, &problem);
            let mut page = page(&visit, offer, &form);
            page.content = html! { (page.content) (held) };
            Ok(page.refused(&visit, &problem))
        }
    }
}

fn claimed(visit: &Visit, (product, tier): (&Product, &Tier), issued: &serde_json::Value) -> Response {
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let (key, license_id) = (text(&issued["license_key"]), text(&issued["license"]["id"]));
    let content = html! {
        p.lead { strong { (product.name) " " (tier.name) } " is yours. This is your license key:" }
        (license::key_shown(&key))
        div.actions.after {
            a.button href={ (licenses::HERE) "/" (license_id) } { "Go to the license" }
        }
    };
    Page::new(Place::Catalog, "Claimed", content).below(&[(catalog::HERE, "Catalog")]).draw(visit)
}

/// What was refused, in the words of whoever reads pages.
fn in_words(mut problem: Problem, product: &Product) -> Problem {
    let text = match problem.code {
        Code::TierNotClaimable => "This can't be claimed any more: ask the vendor for it.".to_owned(),
        Code::AlreadyClaimed => {
            "You have claimed this before, and it can be claimed once. Ask the vendor if you need another.".to_owned()
        }
        Code::AlreadyLicensed => format!(
            "You hold another license key of {}, and a claim takes nothing from you. Ask the vendor if you want this one in its place.",
            product.name
        ),
        _ => return problem,
    };
    problem.detail = text;
    problem
}

/// What stands in the way of a claim, to go to.
async fn refused_over(visit: &Visit, id: TierId, code: Code) -> Result<Markup, Problem> {
    let claimed = match customer(visit).await? {
        Some(customer) if code == Code::AlreadyClaimed => visit.services.table.claimed_license(customer.id, id).await?,
        _ => None,
    };
    Ok(html! {
        @match (claimed, code) {
            (Some(license), _) => div.actions.after { a.button href=(license::path(license)) { "Go to the license that you claimed" } },
            (None, Code::AlreadyLicensed | Code::AlreadyClaimed) => div.actions.after { a.button href=(licenses::HERE) { "Go to your licenses" } },
            _ => {},
        }
    })
}
