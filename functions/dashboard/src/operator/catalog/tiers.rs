//! Pricing tiers.

use axum::response::{IntoResponse, Redirect, Response};
use catalog::resources::TierResource;
use maud::{Markup, html};
use serde_json::Value;
use shared::{
    domain::{BillingPeriod, Catalog, ProductId, Tier, TierId},
    http::{ListQuery, PathId, Problem},
};

use super::{
    HERE, features_of,
    order::{Row, sortable},
    path, product,
    products::Asked,
    read, tiers_of, views,
};
use crate::{
    assets::Asset,
    enter::Operator,
    form::Sent,
    ui::{
        components::{badge, empty, link, primary_link},
        inputs::{Choice, Form, Input},
        shell::{Page, Place},
        show,
    },
};

/// The list: a product's first page.
pub(super) async fn list(
    Operator(visit): Operator,
    PathId(id): PathId<ProductId>,
    asked: Result<ListQuery<Asked>, Problem>,
) -> Result<Response, Problem> {
    let asked = asked?.filter;
    let catalog = read(&visit).await?;
    let product = product(&catalog, id)?;
    let here = path(id);
    let new = primary_link(&format!("{here}/tiers/new"), "New tier");
    let rows: Vec<_> = tiers_of(&catalog, id).into_iter().map(|tier| row(&catalog, tier)).collect();
    let content = html! {
        @if let Some(text) = &product.description { p.muted.prose { (text) } }
        (views(id, "tiers"))
        @if rows.is_empty() {
            (empty("No pricing tiers yet", "A tier is what a customer buys of this product: a price, seats and features.", &new))
        } @else {
            (sortable(&visit, "Pricing tiers", &format!("{here}/tiers/move"), &rows))
        }
    };
    let actions = html! { (link(&format!("{here}/edit"), "Edit product")) (new) };
    let aside = if product.is_active {
        html! {}
    } else {
        badge("Not sold", "dim")
    };
    let page = Page::new(Place::Products, &product.name, content).below(&[(HERE, "Products")]).aside(aside);
    Ok(page.actions(actions).script(Asset::Order).done(asked.done.as_deref()).render(&visit))
}

fn row(catalog: &Catalog, tier: &Tier) -> Row {
    let includes = tier.includes_tier_id.and_then(|id| catalog.tiers.get(&id));
    let had = catalog.features_of(tier);
    let inherited = had.iter().filter(|feature| feature.inherited_from.is_some()).count();
    let own = had.len() - inherited;
    Row {
        id: tier.id.to_string(),
        name: tier.name.clone(),
        content: html! {
            div.row-title {
                a href={ "/dashboard/tiers/" (tier.id) "/edit" } { (tier.name) } " "
                code.muted { (tier.code) }
                @if !tier.is_active { (badge("Not sold", "dim")) }
                @if tier.is_claimable { (badge("Claimable", "good")) }
            }
            p.row-more {
                (prices(tier)) " · "
                (show::limit(tier.max_users, "seat")) " · " (own) " own and " (inherited) " inherited features"
                @if let Some(base) = includes { " · includes " (base.name) }
            }
        },
    }
}

fn prices(tier: &Tier) -> String {
    let price = |amount| show::price(amount, &tier.currency);
    if tier.monthly_price == 0 && tier.annual_price == 0 {
        return price(0);
    }
    format!("{} a month, {} a year", price(tier.monthly_price), price(tier.annual_price))
}

/// The number of what is put at the end of a list.
pub(super) fn after(last: Option<i32>) -> i32 {
    last.map_or(0, |last| last.saturating_add(16))
}

/// The fields of a tier. Amounts have the digits of `currency`.
fn inputs(catalog: &Catalog, product: ProductId, current: Option<&Tier>, currency: &str) -> Vec<Input> {
    let number = |value: Option<u32>| value.map(|value| value.to_string());
    let of = |read: fn(&Tier) -> u32| current.map(|tier| read(tier).to_string());
    let mut inputs = Vec::new();
    if current.is_none() {
        inputs.push(
            Input::text("code", "Code", 64).required().hint("By which apps know it in a token. It never changes."),
        );
    }
    inputs.extend([
        Input::text("name", "Name", 200).required().maybe(current.map(|tier| &*tier.name)),
        Input::lines("description", "Description", 2000).maybe(current.and_then(|tier| tier.description.as_deref())),
        Input::heading("What it brings"),
        Input::choice("includes_tier_id", "Includes", others(catalog, product, current))
            .maybe(current.and_then(|tier| tier.includes_tier_id).map(|id| id.to_string()))
            .hint("It has every feature of that tier as well, and of those that it includes."),
        Input::checkboxes("feature_ids", "Features of its own", features(catalog, product))
            .values(current.map(|tier| tier.feature_ids.iter().map(ToString::to_string).collect()).unwrap_or_default()),
        Input::number("max_users", "Seats", 1, 100_000)
            .maybe(current.and_then(|tier| number(tier.max_users)))
            .hint("Empty: no limit."),
        Input::number("max_tenants", "Tenants", 1, i64::from(u32::MAX))
            .maybe(current.and_then(|tier| number(tier.max_tenants)))
            .hint("For apps that count tenants. Empty: no limit."),
        Input::heading("What it costs"),
        Input::text("currency", "Currency", 3).required().value(currency).hint("Three letters, such as EUR."),
        Input::money("monthly_price", "Price a month", show::digits_of(currency))
            .required()
            .maybe(current.map(|tier| show::amount(tier.monthly_price, currency))),
        Input::money("annual_price", "Price a year", show::digits_of(currency))
            .required()
            .maybe(current.map(|tier| show::amount(tier.annual_price, currency))),
        Input::choice("billing_period", "A license key lasts", periods())
            .required()
            .maybe(current.map(|tier| period_word(tier.billing_period))),
        Input::checkbox("is_active", "Sold")
            .checked(current.is_none_or(|tier| tier.is_active))
            .hint("Shown in the catalog."),
        Input::checkbox("is_claimable", "Customers can claim it")
            .checked(current.is_some_and(|tier| tier.is_claimable))
            .hint("Whoever signs in can take it once, without you."),
        Input::heading("How its tokens live"),
        Input::number("token_ttl_seconds", "Life of a token, in seconds", 1, 31_536_000)
            .or_default()
            .maybe(of(|tier| tier.token_ttl_seconds))
            .hint("How long an app goes on without a heartbeat. Empty: an hour."),
        Input::number("heartbeat_interval_seconds", "Heartbeat every so many seconds", 1, 31_536_000)
            .or_default()
            .maybe(of(|tier| tier.heartbeat_interval_seconds))
            .hint("At most the life of a token. Empty: 15 minutes, or less."),
        Input::number("renew_after_seconds", "A token is renewed from this age, in seconds", 0, 15_768_000)
            .maybe(current.and_then(|tier| number(tier.renew_after_seconds)))
            .hint("Empty: half the time between heartbeats."),
        Input::number("grace_period_seconds", "Grace after a token’s end, in seconds", 0, 2_592_000)
            .or_default()
            .maybe(of(|tier| tier.grace_period_seconds))
            .hint("Empty: none."),
    ]);
    inputs
}

fn others(catalog: &Catalog, product: ProductId, current: Option<&Tier>) -> Vec<Choice> {
    let others = tiers_of(catalog, product).into_iter().filter(|tier| current.is_none_or(|own| own.id != tier.id));
    let others = others.map(|tier| Choice::new(tier.id.to_string(), &tier.name));
    std::iter::once(Choice::new("", "No other tier")).chain(others).collect()
}

fn features(catalog: &Catalog, product: ProductId) -> Vec<Choice> {
    let choice =
        |feature: &shared::domain::Feature| Choice::new(feature.id.to_string(), &feature.name).note(&feature.key);
    features_of(catalog, product).into_iter().map(choice).collect()
}

fn periods() -> Vec<Choice> {
    vec![Choice::new("monthly", "A month"), Choice::new("annual", "A year"), Choice::new("perpetual", "For ever")]
}

fn period_word(period: BillingPeriod) -> &'static str {
    match period {
        BillingPeriod::Monthly => "monthly",
        BillingPeriod::Annual => "annual",
        BillingPeriod::Perpetual => "perpetual",
    }
}

/// The currency that a new tier begins with: that of the product's other tiers.
fn usual_currency(catalog: &Catalog, product: ProductId) -> &str {
    tiers_of(catalog, product).last().map_or("EUR", |tier| tier.currency.as_str())
}

fn new_page<'a>(form: Markup, trail: &'a [(&'a str, &'a str)]) -> Page<'a> {
    Page::new(Place::Products, "New pricing tier", form).below(trail)
}

/// Asks for a new one.
pub(super) async fn ask_new(Operator(visit): Operator, PathId(id): PathId<ProductId>) -> Result<Response, Problem> {
    let catalog = read(&visit).await?;
    let product = product(&catalog, id)?;
    let back = path(id);
    let inputs = inputs(&catalog, id, None, usual_currency(&catalog, id));
    let form = Form::new(&format!("{back}/tiers/new"), inputs, "Create tier", &back).render(&visit);
    Ok(new_page(form, &[(HERE, "Products"), (&back, &product.name)]).render(&visit))
}

/// Makes it.
pub(super) async fn create(
    Operator(visit): Operator,
    PathId(id): PathId<ProductId>,
    sent: Sent,
) -> Result<Response, Problem> {
    let catalog = read(&visit).await?;
    let product = product(&catalog, id)?;
    let back = path(id);
    let action = format!("{back}/tiers/new");
    let form =
        Form::new(&action, inputs(&catalog, id, None, &sent.get("currency").to_uppercase()), "Create tier", &back);
    let mut body = json(&sent, &form.inputs);
    body["product_id"] = id.to_string().into();
    body["sort_order"] = after(tiers_of(&catalog, id).last().map(|last| last.sort_order)).into();
    match visit.post("/api/v1.0/pricing-tiers", &sent, &body).await {
        Ok(_) => Ok(Redirect::to(&format!("{back}?done=created")).into_response()),
        Err(problem) => {
            let trail = [(HERE, "Products"), (&*back, &*product.name)];
            Ok(new_page(form.refused(&sent, &problem).render(&visit), &trail).refused(&visit, &problem))
        }
    }
}

fn json(sent: &Sent, inputs: &[Input]) -> Value {
    let mut body = sent.json(inputs);
    body["currency"] = sent.get("currency").to_uppercase().into();
    body
}

fn edit_form<'a>(action: &'a str, back: &'a str, catalog: &Catalog, tier: &Tier, currency: &str) -> Form<'a> {
    let version = Input::version(&TierResource::new(catalog, tier.clone()));
    let inputs = inputs(catalog, tier.product_id, Some(tier), currency).into_iter().chain([version]).collect();
    Form::new(action, inputs, "Save", back)
}

/// Asks for the fields of one.
pub(super) async fn ask_edit(Operator(visit): Operator, PathId(id): PathId<TierId>) -> Result<Response, Problem> {
    let catalog = read(&visit).await?;
    let tier = catalog.tiers.get(&id).ok_or_else(Problem::not_found)?;
    let product = product(&catalog, tier.product_id)?;
    let back = path(product.id);
    let form = edit_form(&format!("/dashboard/tiers/{id}/edit"), &back, &catalog, tier, &tier.currency).render(&visit);
    let trail = [(HERE, "Products"), (&*back, &*product.name)];
    Ok(edit_page(tier, &form, &trail).render(&visit))
}

fn edit_page<'a>(tier: &'a Tier, form: &Markup, trail: &'a [(&'a str, &'a str)]) -> Page<'a> {
    let content = html! {
        div.stack {
            p.muted.prose { "License keys of this tier follow at their next heartbeat, but for the seats, which are what each customer bought." }
            (form)
        }
    };
    Page::new(Place::Products, &tier.name, content).below(trail)
}

/// Saves them. Its place in the list stays.
pub(super) async fn edit(
    Operator(visit): Operator,
    PathId(id): PathId<TierId>,
    sent: Sent,
) -> Result<Response, Problem> {
    let catalog = read(&visit).await?;
    let tier = catalog.tiers.get(&id).ok_or_else(Problem::not_found)?;
    let product = product(&catalog, tier.product_id)?;
    let back = path(product.id);
    let action = format!("/dashboard/tiers/{id}/edit");
    let form = edit_form(&action, &back, &catalog, tier, &sent.get("currency").to_uppercase());
    let mut body = json(&sent, &form.inputs);
    body["sort_order"] = tier.sort_order.into();
    match visit.put(&format!("/api/v1.0/pricing-tiers/{id}"), &sent, &body).await {
        Ok(_) => Ok(Redirect::to(&format!("{back}?done=saved")).into_response()),
        Err(problem) => {
            let trail = [(HERE, "Products"), (&*back, &*product.name)];
            Ok(edit_page(tier, &form.refused(&sent, &problem).render(&visit), &trail).refused(&visit, &problem))
        }
    }
}
