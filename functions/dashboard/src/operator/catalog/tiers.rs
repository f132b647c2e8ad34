//! Pricing tiers.

use axum::response::{IntoResponse, Redirect, Response};
use catalog::tier::TierResource;
use maud::{Markup, html};
use serde_json::Value;
use shared::{
    domain::{BillingPeriod, Catalog, ProductId, Tier, TierId},
    http::{ListQuery, PathId, Problem},
};

use super::{
    BASE_PATH, ProductTab, features_of, find_product, next_sort_order, path, product_tabs, read_catalog,
    reorder::{ReorderableRow, reorderable_list},
    tiers_of,
};
use crate::{
    assets::Asset,
    form_data::FormData,
    page_context::OperatorContext,
    ui::{
        components::{NoticeQuery, Tone, badge, empty_state, link_button, primary_button},
        format,
        forms::Form,
        inputs::{Choice, Input},
        layout::{NavSection, PageLayout},
    },
};

/// The tiers of a product, on the product's first page.
pub(super) async fn list(
    OperatorContext(page): OperatorContext,
    PathId(id): PathId<ProductId>,
    query: Result<ListQuery<NoticeQuery>, Problem>,
) -> Result<Response, Problem> {
    let query = query?.filter;
    let catalog = read_catalog(&page).await?;
    let product = find_product(&catalog, id)?;
    let path = path(id);
    let new = primary_button(&format!("{path}/tiers/new"), "New tier");
    let rows: Vec<_> = tiers_of(&catalog, id).into_iter().map(|tier| row(&catalog, tier)).collect();
    let content = html! {
        @if let Some(text) = &product.description { p.muted.prose { (text) } }
        (product_tabs(id, ProductTab::Tiers))
        @if rows.is_empty() {
            (empty_state("No pricing tiers yet", "A tier defines a price, seats and features.", &new))
        } @else {
            (reorderable_list(&page, "Pricing tiers", &format!("{path}/tiers/reorder"), &rows))
        }
    };
    let actions = html! { (link_button(&format!("{path}/edit"), "Edit product")) (new) };
    let status = html! { @if !product.is_active { (badge("Inactive", Tone::Neutral)) } };
    let layout = PageLayout::new(NavSection::Products, &product.name, content).breadcrumbs(&[(BASE_PATH, "Products")]);
    let layout = layout.badge(status).actions(actions).script(Asset::Reorder);
    Ok(layout.notice(query.notice.as_deref()).render(&page))
}

fn row(catalog: &Catalog, tier: &Tier) -> ReorderableRow {
    let parent = tier.includes_tier_id.and_then(|id| catalog.tiers.get(&id));
    let features = catalog.features_of(tier);
    let inherited = features.iter().filter(|feature| feature.inherited_from.is_some()).count();
    ReorderableRow {
        id: tier.id.to_string(),
        name: tier.name.clone(),
        content: html! {
            div.row-title {
                a href={ "/dashboard/tiers/" (tier.id) "/edit" } { (tier.name) } " "
                code.muted { (tier.code) }
                @if !tier.is_active { (badge("Inactive", Tone::Neutral)) }
                @if tier.is_claimable { (badge("Self-service", Tone::Success)) }
            }
            p.row-details {
                (prices(tier)) " · " (format::limit(tier.max_users, "seat")) " · " (format::count(features.len() as u64, "feature"))
                @if inherited > 0 { " (" (inherited) " inherited)" }
                @if let Some(parent) = parent { " · inherits from " (parent.name) }
            }
        },
    }
}

fn prices(tier: &Tier) -> String {
    let price = |amount| format::price(amount, &tier.currency);
    if tier.monthly_price == 0 && tier.annual_price == 0 {
        return price(0);
    }
    format!("{} / month · {} / year", price(tier.monthly_price), price(tier.annual_price))
}

/// The inputs of a tier. Amounts have the decimal digits of `currency`.
fn inputs(catalog: &Catalog, product: ProductId, tier: Option<&Tier>, currency: &str) -> Vec<Input> {
    let text = |value: Option<u32>| value.map(|value| value.to_string());
    let field = |read: fn(&Tier) -> u32| tier.map(|tier| read(tier).to_string());
    let mut inputs = Vec::new();
    if tier.is_none() {
        inputs.push(
            Input::text("code", "Code", 40).required().hint("Identifies this tier in tokens. Can't be changed later."),
        );
    }
    inputs.extend([
        Input::text("name", "Name", 200).required().optional_value(tier.map(|tier| &*tier.name)),
        Input::multiline("description", "Description", 2000)
            .optional_value(tier.and_then(|tier| tier.description.as_deref())),
        Input::heading("Features and limits"),
        Input::select("includes_tier_id", "Inherits from", parent_choices(catalog, product, tier))
            .optional_value(tier.and_then(|tier| tier.includes_tier_id).map(|id| id.to_string()))
            .hint("Adds all features of that tier."),
        Input::checkboxes("feature_ids", "Additional features", feature_choices(catalog, product))
            .empty_link("No features yet.", format!("{}/features/new", path(product)))
            .values(tier.map(|tier| tier.feature_ids.iter().map(ToString::to_string).collect()).unwrap_or_default()),
        Input::number("max_users", "Seats", 1, 100_000)
            .optional_value(tier.and_then(|tier| text(tier.max_users)))
            .hint("Leave blank for unlimited."),
        Input::number("max_tenants", "Tenants", 1, i64::from(u32::MAX))
            .optional_value(tier.and_then(|tier| text(tier.max_tenants)))
            .hint("For multi-tenant apps. Leave blank for unlimited."),
        Input::heading("Pricing"),
        Input::text("currency", "Currency", 3)
            .required()
            .value(currency)
            .hint("Three-letter ISO code, for example EUR."),
        Input::money("monthly_price", "Monthly price", format::currency_digits(currency))
            .required()
            .optional_value(tier.map(|tier| format::decimal_amount(tier.monthly_price, currency))),
        Input::money("annual_price", "Annual price", format::currency_digits(currency))
            .required()
            .optional_value(tier.map(|tier| format::decimal_amount(tier.annual_price, currency))),
        Input::select("billing_period", "License term", term_choices())
            .required()
            .optional_value(tier.map(|tier| billing_period(tier.billing_period))),
        Input::checkbox("is_active", "Active")
            .checked(tier.is_none_or(|tier| tier.is_active))
            .hint("Inactive tiers are hidden from the catalog."),
        Input::checkbox("is_claimable", "Self-service")
            .checked(tier.is_some_and(|tier| tier.is_claimable))
            .hint("Any signed-in user can claim a license."),
        Input::heading("Token settings"),
        Input::number("token_ttl_seconds", "Token lifetime (seconds)", 1, 31_536_000)
            .or_default()
            .optional_value(field(|tier| tier.token_ttl_seconds))
            .hint("How long an app works without a heartbeat. Default: 1 hour."),
        Input::number("heartbeat_interval_seconds", "Heartbeat interval (seconds)", 1, 31_536_000)
            .or_default()
            .optional_value(field(|tier| tier.heartbeat_interval_seconds))
            .hint("At most the token lifetime. Default: 15 minutes or less."),
        Input::number("renew_after_seconds", "Renew tokens after (seconds)", 0, 15_768_000)
            .optional_value(tier.and_then(|tier| text(tier.renew_after_seconds)))
            .hint("Heartbeats renew tokens of at least this age. Default: half the heartbeat interval."),
        Input::number("grace_period_seconds", "Offline grace period (seconds)", 0, 2_592_000)
            .or_default()
            .optional_value(field(|tier| tier.grace_period_seconds))
            .hint("How long an app keeps working after its token expires. Default: none."),
    ]);
    inputs
}

fn parent_choices(catalog: &Catalog, product: ProductId, tier: Option<&Tier>) -> Vec<Choice> {
    let others = tiers_of(catalog, product).into_iter().filter(|other| tier.is_none_or(|tier| tier.id != other.id));
    let others = others.map(|tier| Choice::new(tier.id.to_string(), &tier.name));
    std::iter::once(Choice::new("", "None")).chain(others).collect()
}

fn feature_choices(catalog: &Catalog, product: ProductId) -> Vec<Choice> {
    let choice =
        |feature: &shared::domain::Feature| Choice::new(feature.id.to_string(), &feature.name).note(&feature.key);
    features_of(catalog, product).into_iter().map(choice).collect()
}

fn term_choices() -> Vec<Choice> {
    vec![Choice::new("monthly", "1 month"), Choice::new("annual", "1 year"), Choice::new("perpetual", "Perpetual")]
}

fn billing_period(period: BillingPeriod) -> &'static str {
    match period {
        BillingPeriod::Monthly => "monthly",
        BillingPeriod::Annual => "annual",
        BillingPeriod::Perpetual => "perpetual",
    }
}

/// The initial currency of a new tier: the one of the product's other tiers.
fn default_currency(catalog: &Catalog, product: ProductId) -> &str {
    tiers_of(catalog, product).last().map_or("EUR", |tier| tier.currency.as_str())
}

fn new_page<'a>(form: Markup, breadcrumbs: &'a [(&'a str, &'a str)]) -> PageLayout<'a> {
    PageLayout::new(NavSection::Products, "New pricing tier", form).breadcrumbs(breadcrumbs)
}

pub(super) async fn new(
    OperatorContext(page): OperatorContext,
    PathId(id): PathId<ProductId>,
) -> Result<Response, Problem> {
    let catalog = read_catalog(&page).await?;
    let product = find_product(&catalog, id)?;
    let path = path(id);
    let inputs = inputs(&catalog, id, None, default_currency(&catalog, id));
    let form = Form::new(&format!("{path}/tiers/new"), inputs, "Create tier", &path).render(&page);
    Ok(new_page(form, &[(BASE_PATH, "Products"), (&path, &product.name)]).render(&page))
}

pub(super) async fn create(
    OperatorContext(page): OperatorContext,
    PathId(id): PathId<ProductId>,
    data: FormData,
) -> Result<Response, Problem> {
    let catalog = read_catalog(&page).await?;
    let product = find_product(&catalog, id)?;
    let path = path(id);
    let action = format!("{path}/tiers/new");
    let inputs = inputs(&catalog, id, None, &data.get("currency").to_uppercase());
    let form = Form::new(&action, inputs, "Create tier", &path);
    let mut body = request_body(&data, &form.inputs);
    body["product_id"] = id.to_string().into();
    body["sort_order"] = next_sort_order(tiers_of(&catalog, id).last().map(|last| last.sort_order)).into();
    match page.post("/api/v1.0/pricing-tiers", &data, &body).await {
        Ok(_) => Ok(Redirect::to(&format!("{path}?notice=created")).into_response()),
        Err(problem) => {
            let breadcrumbs = [(BASE_PATH, "Products"), (&*path, &*product.name)];
            let form = form.with_error(&data, &problem).render(&page);
            Ok(new_page(form, &breadcrumbs).render_error(&page, &problem))
        }
    }
}

fn request_body(data: &FormData, inputs: &[Input]) -> Value {
    let mut body = data.to_json(inputs);
    body["currency"] = data.get("currency").to_uppercase().into();
    body
}

fn edit_form<'a>(action: &'a str, path: &'a str, catalog: &Catalog, tier: &Tier, currency: &str) -> Form<'a> {
    let version = Input::version(&TierResource::new(catalog, tier.clone()));
    let inputs = inputs(catalog, tier.product_id, Some(tier), currency).into_iter().chain([version]).collect();
    Form::new(action, inputs, "Save", path)
}

pub(super) async fn edit(
    OperatorContext(page): OperatorContext,
    PathId(id): PathId<TierId>,
) -> Result<Response, Problem> {
    let catalog = read_catalog(&page).await?;
    let tier = catalog.tiers.get(&id).ok_or_else(Problem::not_found)?;
    let product = find_product(&catalog, tier.product_id)?;
    let path = path(product.id);
    let form = edit_form(&format!("/dashboard/tiers/{id}/edit"), &path, &catalog, tier, &tier.currency).render(&page);
    let breadcrumbs = [(BASE_PATH, "Products"), (&*path, &*product.name)];
    Ok(edit_page(tier, &form, &breadcrumbs).render(&page))
}

fn edit_page<'a>(tier: &'a Tier, form: &Markup, breadcrumbs: &'a [(&'a str, &'a str)]) -> PageLayout<'a> {
    let content = html! {
        div.stack {
            p.muted.prose { "Changes reach existing licenses at their next heartbeat. Their seat counts don't change." }
            (form)
        }
    };
    PageLayout::new(NavSection::Products, &tier.name, content).breadcrumbs(breadcrumbs)
}

/// Updates a tier. Its position in the list does not change.
pub(super) async fn update(
    OperatorContext(page): OperatorContext,
    PathId(id): PathId<TierId>,
    data: FormData,
) -> Result<Response, Problem> {
    let catalog = read_catalog(&page).await?;
    let tier = catalog.tiers.get(&id).ok_or_else(Problem::not_found)?;
    let product = find_product(&catalog, tier.product_id)?;
    let path = path(product.id);
    let action = format!("/dashboard/tiers/{id}/edit");
    let form = edit_form(&action, &path, &catalog, tier, &data.get("currency").to_uppercase());
    let mut body = request_body(&data, &form.inputs);
    body["sort_order"] = tier.sort_order.into();
    match page.put(&format!("/api/v1.0/pricing-tiers/{id}"), &data, &body).await {
        Ok(_) => Ok(Redirect::to(&format!("{path}?notice=saved")).into_response()),
        Err(problem) => {
            let breadcrumbs = [(BASE_PATH, "Products"), (&*path, &*product.name)];
            let form = form.with_error(&data, &problem).render(&page);
            Ok(edit_page(tier, &form, &breadcrumbs).render_error(&page, &problem))
        }
    }
}
