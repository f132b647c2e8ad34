//! Pricing tiers.

use axum::{extract::State, response::Response};
use catalog::tier::{ReplaceTierInput, TierInput, TierResource};
use maud::html;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use shared::{
    domain::{
        BillingPeriod, Catalog, EntitlementKind, Feature, Product, ProductId, SeatUnit, Tier, TierId, ValidationErrors,
    },
    http::{ListQuery, PathId, Problem, RequestContext, extractors::parse_json},
    store::{Table, catalog::MetadataOwner},
};

use super::{
    items::{CODE_RULE, CreatedItem, features_of, find_product, next_sort_order, read_catalog, tiers_of},
    list_notice::list_notice,
    product_page::{ProductTab, features_path, product_form, product_page},
};
use crate::{
    api::Api,
    assets::Asset,
    form_data::FormData,
    links,
    ui::{
        components::{Tone, badge, empty_state, primary_button},
        form_page::FormPage,
        format,
        forms::Form,
        inputs::{Choice, Input},
        limits::LimitRow,
        notice::{Notice, NoticeQuery},
        reorderable_list::{ReorderableRow, reorderable_list},
    },
    viewer::Operator,
};

/// The tiers of a product, on the product's first page.
pub(super) async fn list(
    Operator(viewer): Operator,
    State(table): State<Table>,
    PathId(id): PathId<ProductId>,
    query: Result<ListQuery<NoticeQuery>, Problem>,
) -> Result<Response, Problem> {
    let query = query?.filter;
    let catalog = read_catalog(&table).await?;
    let product = find_product(&catalog, id)?;
    let path = links::product(id);
    let new = primary_button(&format!("{path}/tiers/new"), "New tier");
    let reorder_path = format!("{path}/tiers/reorder");
    let rows: Vec<_> = tiers_of(&catalog, id).into_iter().map(|tier| row(&catalog, tier)).collect();
    let content = html! {
        @if rows.is_empty() {
            (empty_state("No pricing tiers yet", "A tier defines a price, seats and features.", &new))
        } @else {
            (reorderable_list(&viewer.session, "Pricing tiers", &reorder_path, &rows))
        }
    };
    let status = html! { @if !product.is_active { (badge("Inactive", Tone::Neutral)) } };
    let layout = product_page(product, ProductTab::Tiers, &new, &content).badge(status).script(Asset::Reorder);
    Ok(list_notice(layout, &query, &viewer, &reorder_path, &rows).render(&viewer))
}

fn row(catalog: &Catalog, tier: &Tier) -> ReorderableRow {
    let parent = tier.includes_tier_id.and_then(|id| catalog.tiers.get(&id));
    let features = catalog.features_of(tier);
    let inherited = features.iter().filter(|feature| feature.inherited_from.is_some()).count();
    ReorderableRow {
        id: tier.id.to_string(),
        name: tier.name.clone(),
        path: links::tier(tier.id),
        content: html! {
            div.row-title {
                a href=(links::tier(tier.id)) { (tier.name) } " "
                code.muted { (tier.code) }
                @if !tier.is_active { (badge("Inactive", Tone::Neutral)) }
                @if tier.is_claimable { (badge("Self-service", Tone::Success)) }
            }
            p.row-details {
                (format::prices(tier)) " · " (format::limit(tier.max_users, "seat")) " · " (format::count(features.len() as u64, "feature"))
                @if inherited > 0 { " (" (inherited) " inherited)" }
                @if let Some(parent) = parent { " · inherits from " (parent.name) }
            }
        },
    }
}

/// The inputs of a tier. Amounts have the decimal digits of `currency`.
fn inputs(catalog: &Catalog, product: ProductId, tier: Option<&Tier>, currency: &str) -> Vec<Input> {
    let text = |value: Option<u32>| value.map(|value| value.to_string());
    let field = |read: fn(&Tier) -> u32| tier.map(|tier| read(tier).to_string());
    let mut inputs = Vec::new();
    if tier.is_none() {
        inputs.push(
            Input::text("code", "Code", 40)
                .required()
                .hint("Identifies this tier in tokens. Can't be changed later.")
                .rule(CODE_RULE),
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
            .empty_link("No features yet.", format!("{}/new", features_path(product)))
            .values(tier.map(|tier| tier.feature_ids.iter().map(ToString::to_string).collect()).unwrap_or_default()),
    ]);
    let limits = limit_rows(catalog, product, tier);
    if !limits.is_empty() {
        inputs.push(
            Input::limits("feature_limits", "Limits", limits)
                .hint("Leave a number blank to inherit the limit, or for none. Own limits replace inherited ones."),
        );
    }
    inputs.extend([
        Input::number("max_users", "Seats", 1, 100_000)
            .optional_value(tier.and_then(|tier| text(tier.max_users)))
            .hint("Leave blank for unlimited."),
        Input::number("max_tenants", "Tenants", 1, i64::from(u32::MAX))
            .optional_value(tier.and_then(|tier| text(tier.max_tenants)))
            .hint("For multi-tenant apps. Leave blank for unlimited."),
    ]);
    if tier.is_none() {
        inputs.push(
            Input::select("seat_unit", "Each seat is held by", seat_unit_choices())
                .value("machine")
                .hint("A process holds a seat while the app runs: a floating license. Can't be changed later."),
        );
    }
    if tier.is_none_or(|tier| tier.seat_unit == SeatUnit::Machine) {
        inputs.push(
            Input::number("max_borrow_seconds", "Longest borrow (seconds)", 0, 31_536_000)
                .or_default()
                .optional_value(field(|tier| tier.max_borrow_seconds))
                .hint("How long a machine may borrow a seat to work offline. Only if machines hold the seats. Default: not at all."),
        );
    }
    inputs.extend([
        Input::heading("Pricing"),
        Input::text("currency", "Currency", 3)
            .required()
            .value(currency)
            .hint("Three-letter ISO code, for example EUR.")
            .rule("Enter a three-letter currency code, such as EUR."),
        Input::money("monthly_price", "Monthly price", currency)
            .required()
            .hint("0 for free.")
            .optional_value(tier.map(|tier| format::decimal_amount(tier.monthly_price, currency))),
        Input::money("annual_price", "Annual price", currency)
            .required()
            .hint("0 for free.")
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
            .hint("Heartbeats renew tokens of at least this age. Default: half the token lifetime or less."),
        Input::number("offline_grace_seconds", "Offline grace (seconds)", 0, 31_536_000)
            .or_default()
            .optional_value(field(|tier| tier.offline_grace_seconds))
            .hint("How long an app that can't reach the API keeps working after its token expires. Default: 3 days."),
        Input::number("expiry_grace_seconds", "Expiry grace (seconds)", 0, 7_776_000)
            .or_default()
            .optional_value(field(|tier| tier.expiry_grace_seconds))
            .hint("How long a license keeps working after it expires. Applies to licenses issued from now on. Default: none."),
    ]);
    inputs
}

fn parent_choices(catalog: &Catalog, product: ProductId, tier: Option<&Tier>) -> Vec<Choice> {
    let others = tiers_of(catalog, product).into_iter().filter(|other| tier.is_none_or(|tier| tier.id != other.id));
    let others = others.map(|tier| Choice::new(tier.id.to_string(), &tier.name));
    std::iter::once(Choice::new("", "None")).chain(others).collect()
}

fn feature_choices(catalog: &Catalog, product: ProductId) -> Vec<Choice> {
    let flags = features_of(catalog, product).into_iter().filter(|feature| feature.kind == EntitlementKind::Flag);
    flags.map(|feature| Choice::new(feature.id.to_string(), &feature.name).note(&feature.key)).collect()
}

fn limit_rows(catalog: &Catalog, product: ProductId, tier: Option<&Tier>) -> Vec<LimitRow> {
    let limits = features_of(catalog, product).into_iter().filter(|feature| feature.kind == EntitlementKind::Limit);
    let row = |feature: &Feature| {
        let unit = feature.unit.as_deref().map(|unit| format!(", in {unit}")).unwrap_or_default();
        let value = tier.and_then(|tier| tier.feature_limits.0.get(&feature.id).copied());
        LimitRow::new(feature.id.to_string(), &feature.name, format!("{}{unit}", feature.key), value)
    };
    limits.map(row).collect()
}

fn seat_unit_choices() -> Vec<Choice> {
    vec![Choice::new("machine", "Machines"), Choice::new("process", "Running processes")]
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

fn new_page(catalog: &Catalog, product: &Product, currency: &str) -> FormPage {
    let path = links::product(product.id);
    let inputs = inputs(catalog, product.id, None, currency);
    let form = Form::new(format!("{path}/tiers/new"), inputs, "Create tier", &path);
    product_form("New pricing tier", form, product, &path)
}

pub(super) async fn new(
    Operator(viewer): Operator,
    State(table): State<Table>,
    PathId(id): PathId<ProductId>,
) -> Result<Response, Problem> {
    let catalog = read_catalog(&table).await?;
    Ok(new_page(&catalog, find_product(&catalog, id)?, default_currency(&catalog, id)).render(&viewer))
}

pub(super) async fn create(
    Operator(viewer): Operator,
    State(table): State<Table>,
    api: Api,
    ctx: RequestContext,
    PathId(id): PathId<ProductId>,
    data: FormData,
) -> Result<Response, Problem> {
    let catalog = read_catalog(&table).await?;
    let currency = submitted_currency(&data);
    let page = new_page(&catalog, find_product(&catalog, id)?, &currency);
    let complete = |mut body: Value| {
        body["currency"] = currency.as_str().into();
        body["product_id"] = id.to_string().into();
        body["sort_order"] = next_sort_order(tiers_of(&catalog, id).last().map(|last| last.sort_order)).into();
        body
    };
    if let Some(body) = page.neutral_body(&data) {
        let problem = other_errors(&complete(body), |input: TierInput| input.check(&catalog, ctx.now));
        return Ok(page.render_error(&viewer, &data, &problem));
    }
    let body = complete(page.request_body(&data));
    Ok(match api.post::<CreatedItem<TierId>>("/api/v1.0/pricing-tiers", &data, &body).await {
        Ok(created) => Notice::TierCreated.redirect_to_list(&links::product(id), &created.id),
        Err(problem) => page.render_error(&viewer, &data, &problem),
    })
}

/// The problem of a submission with values that can't be converted: the errors of its other values, with which the form
/// shows those of conversion.
fn other_errors<T: DeserializeOwned>(body: &Value, check: impl FnOnce(T) -> Result<(), ValidationErrors>) -> Problem {
    match parse_json(body.to_string().as_bytes()) {
        Ok(input) => check(input).err().unwrap_or_default().into(),
        Err(problem) => problem,
    }
}

fn submitted_currency(data: &FormData) -> String {
    data.get("currency").to_uppercase()
}

fn find_tier(catalog: &Catalog, id: TierId) -> Result<&Tier, Problem> {
    catalog.tiers.get(&id).ok_or_else(Problem::not_found)
}

fn edit_page(catalog: &Catalog, tier: &Tier, currency: &str) -> Result<FormPage, Problem> {
    let path = links::product(tier.product_id);
    let version = Input::version(&TierResource::new(catalog, tier.clone()));
    let inputs = inputs(catalog, tier.product_id, Some(tier), currency).into_iter().chain([version]).collect();
    let form = Form::new(links::tier(tier.id), inputs, "Save", &path);
    let product = find_product(catalog, tier.product_id)?;
    Ok(product_form(&tier.name, form, product, &path).intro(html! {
        p.muted.prose { "Changes reach existing licenses at their next heartbeat. Their seat counts don't change. " a href=(links::activity_of(&tier.id.to_string())) { "Activity" } }
    }))
}

pub(super) async fn edit(
    Operator(viewer): Operator,
    State(table): State<Table>,
    PathId(id): PathId<TierId>,
) -> Result<Response, Problem> {
    let catalog = table.catalog_with_metadata(MetadataOwner::Tier(id)).await?.catalog;
    let tier = find_tier(&catalog, id)?;
    Ok(edit_page(&catalog, tier, &tier.currency)?.render(&viewer))
}

/// Updates a tier. Its position in the list and its metadata do not change.
pub(super) async fn update(
    Operator(viewer): Operator,
    State(table): State<Table>,
    api: Api,
    ctx: RequestContext,
    PathId(id): PathId<TierId>,
    data: FormData,
) -> Result<Response, Problem> {
    let catalog = table.catalog_with_metadata(MetadataOwner::Tier(id)).await?.catalog;
    let tier = find_tier(&catalog, id)?;
    let currency = submitted_currency(&data);
    let page = edit_page(&catalog, tier, &currency)?;
    let complete = |mut body: Value| {
        body["currency"] = currency.as_str().into();
        body["sort_order"] = tier.sort_order.into();
        body["metadata"] = json!(tier.metadata);
        body
    };
    if let Some(body) = page.neutral_body(&data) {
        let problem = other_errors(&complete(body), |input: ReplaceTierInput| input.check(tier, &catalog, ctx.now));
        return Ok(page.render_error(&viewer, &data, &problem));
    }
    let body = complete(page.request_body(&data));
    Ok(match api.put(&format!("/api/v1.0/pricing-tiers/{id}"), &data, &body).await {
        Ok(()) => Notice::TierSaved.redirect_to_list(&links::product(tier.product_id), &id),
        Err(problem) => page.render_error(&viewer, &data, &problem),
    })
}
