//! What a license grants, and the forms that override it.

use axum::{extract::State, response::Response};
use licenses::get_license;
use maud::{Markup, html};
use serde_json::{Value, json};
use shared::{
    domain::{
        Catalog, Entitlement, EntitlementKind, Feature, FeatureId, Grant, License, LicenseId, Override, Status,
        Timestamp, catalog::MAX_LIMIT,
    },
    http::{
        Code, ListQuery, PathId, Problem, RequestContext,
        resources::{LicenseResource, OverrideResource},
    },
    store::Table,
};

use super::detail::{LicenseTab, license_page, read_customer};
use crate::{
    api::Api,
    form_data::{FormData, version_of},
    links, queries,
    ui::{
        components::{self, empty_state, link_button},
        entitlements,
        form_page::FormPage,
        format,
        forms::Form,
        inputs::{Choice, Input},
        layout::NavSection,
        notice::{Notice, NoticeQuery},
        request_body::request_body,
    },
    viewer::{Operator, PathIds},
};

/// A license with the catalog, read from the table, so that operators see their changes at once.
struct LicenseInCatalog {
    license: License,
    resource: LicenseResource,
    catalog: Catalog,
}

impl LicenseInCatalog {
    async fn read(table: &Table, id: LicenseId, now: Timestamp) -> Result<Self, Problem> {
        let (license, catalog) = tokio::join!(get_license::get(table, id), table.catalog());
        let (license, seats_used) = license?.ok_or_else(Problem::not_found)?;
        let resource = LicenseResource::new(&license, Some(seats_used), now);
        Ok(Self { license, resource, catalog: catalog?.catalog })
    }

    /// The entitlements with these overrides.
    fn entitlements(&self, overrides: &[Override], now: Timestamp) -> Vec<Entitlement<'_>> {
        let tier = self.catalog.tiers.get(&self.license.tier_id);
        tier.map(|tier| self.catalog.entitlements(tier, overrides, now, None)).unwrap_or_default()
    }

    fn features(&self) -> Vec<&Feature> {
        let own = |feature: &&Feature| feature.product_id == self.license.product_id;
        let mut features: Vec<_> = self.catalog.features.values().filter(own).collect();
        features.sort_by_key(|feature| (feature.sort_order, feature.id));
        features
    }

    fn find_feature(&self, id: FeatureId) -> Result<&Feature, Problem> {
        self.features().into_iter().find(|feature| feature.id == id).ok_or_else(Problem::not_found)
    }

    /// The override of a feature that has not ended.
    fn find_override(&self, feature: FeatureId, now: Timestamp) -> Option<&Override> {
        self.license.overrides.iter().find(|one| one.feature_id == feature && one.lasts_past(now))
    }
}

pub(super) async fn show(
    Operator(viewer): Operator,
    State(table): State<Table>,
    PathId(id): PathId<LicenseId>,
    ctx: RequestContext,
    query: Result<ListQuery<NoticeQuery>, Problem>,
) -> Result<Response, Problem> {
    let notice = query?.filter.notice;
    let read = LicenseInCatalog::read(&table, id, ctx.now).await?;
    let customer = read_customer(&table, &read.resource).await?;
    let reason = queries::suspension_reason(&table, id, read.resource.status).await?;
    let entitlements = read.entitlements(&read.license.overrides, ctx.now);
    let rows = read.features().into_iter().map(|feature| {
        let found = entitlements.iter().find(|one| one.feature.id == feature.id);
        row(&read, feature, found, ctx.now)
    });
    let rows: Vec<_> = rows.collect();
    let content = html! {
        @if rows.is_empty() {
            (empty_state("No features yet", "The product has no features.", &html! {}))
        } @else {
            div.stack {
                p.muted.prose { "What apps get in their tokens. An override applies to this license in place of its tier." }
                (components::table("Entitlements", ["Feature", "Value", "From", "Note", ""], rows))
            }
        }
    };
    let license = (&read.resource, reason.as_deref(), ctx.now);
    let layout = license_page(license, customer.as_ref(), &read.catalog, LicenseTab::Entitlements, &content);
    Ok(layout.notice(notice).render(&viewer))
}

fn row(read: &LicenseInCatalog, feature: &Feature, found: Option<&Entitlement<'_>>, now: Timestamp) -> Vec<Markup> {
    let path = format!("{}/{}", links::entitlements(read.license.id), feature.id);
    let present = read.find_override(feature.id, now);
    let label = if present.is_some() { "Edit override" } else { "Override" };
    let is_changeable = matches!(read.resource.status, Status::Active | Status::Suspended | Status::Expired);
    vec![
        html! {
            strong { (feature.name) }
            span.subtext { (feature.key) @if feature.display_only { " · display only" } }
        },
        format::or(found.map(|one| html! { (entitlements::value(one)) }), "Not included"),
        format::or(found.map(|one| entitlements::source(&read.catalog, one.source)), "–"),
        html! { (present.and_then(|one| one.note.as_deref()).unwrap_or_default()) },
        html! { @if is_changeable { (link_button(&path, label)) } },
    ]
}

fn inputs(read: &LicenseInCatalog, feature: &Feature, now: Timestamp) -> Vec<Input> {
    let of_tier = read.entitlements(&[], now).into_iter().find(|one| one.feature.id == feature.id);
    let of_tier = of_tier.map_or_else(|| "not included".to_owned(), |one| entitlements::value(&one));
    let present = read.find_override(feature.id, now);
    let as_tier = Choice::new("tier", format!("As the tier ({of_tier})"));
    let grant = present.map(|one| one.grant);
    let mut inputs = match feature.kind {
        EntitlementKind::Flag => {
            let value = match grant {
                Some(Grant::Flag(true)) => "on",
                Some(Grant::Flag(false)) => "off",
                _ => "tier",
            };
            let choices = vec![as_tier, Choice::new("on", "On"), Choice::new("off", "Off")];
            vec![Input::select("value", "Value", choices).required().value(value)]
        }
        EntitlementKind::Limit => {
            let (value, number) = match grant {
                Some(Grant::Limit(Some(limit))) => ("number", Some(limit.to_string())),
                Some(Grant::Limit(None)) => ("unlimited", None),
                _ => ("tier", None),
            };
            let choices = vec![as_tier, Choice::new("unlimited", "Unlimited"), Choice::new("number", "Number")];
            vec![Input::select("value", "Value", choices).required().value(value), limit_input().optional_value(number)]
        }
    };
    inputs.extend([
        Input::date_time("expires_at", "Ends at")
            .optional_value(present.and_then(|one| one.expires_at).map(format::date_time_input))
            .hint("Then the tier applies again. Leave blank for no end."),
        Input::text("note", "Note", 200)
            .optional_value(present.and_then(|one| one.note.as_deref()))
            .hint("Only operators see it."),
        Input::version(&read.resource.overrides),
    ]);
    inputs
}

fn limit_input() -> Input {
    Input::number("limit", "Number", 0, i64::try_from(MAX_LIMIT).unwrap_or(i64::MAX)).visible_when("value=number")
}

fn edit_page(read: &LicenseInCatalog, feature: &Feature, now: Timestamp) -> FormPage {
    let (license, parent) = (&read.license, links::entitlements(read.license.id));
    let form = Form::new(format!("{parent}/{}", feature.id), inputs(read, feature, now), "Save", &parent);
    FormPage::new(NavSection::LicenseKeys, format!("Override {}", feature.name), form)
        .breadcrumb(links::LICENSE_KEYS, "Licenses")
        .breadcrumb(parent, &license.key_hint)
        .intro(html! { p.muted.prose { "Machines get the value with their next heartbeat." } })
}

pub(super) async fn edit(
    Operator(viewer): Operator,
    State(table): State<Table>,
    PathIds(id, feature): PathIds<LicenseId, FeatureId>,
    ctx: RequestContext,
) -> Result<Response, Problem> {
    let read = LicenseInCatalog::read(&table, id, ctx.now).await?;
    Ok(edit_page(&read, read.find_feature(feature)?, ctx.now).render(&viewer))
}

/// Sets or removes the override of one feature. The other overrides stay; those that have ended are removed.
pub(super) async fn save(
    Operator(viewer): Operator,
    State(table): State<Table>,
    PathIds(id, feature): PathIds<LicenseId, FeatureId>,
    ctx: RequestContext,
    api: Api,
    data: FormData,
) -> Result<Response, Problem> {
    let read = LicenseInCatalog::read(&table, id, ctx.now).await?;
    let feature = read.find_feature(feature)?;
    let page = edit_page(&read, feature, ctx.now);
    if data.version().is_some_and(|version| version != version_of(&read.resource.overrides)) {
        let problem = Problem::new(Code::VersionConflict, "the overrides were changed");
        return Ok(page.render_error(&viewer, &data, &problem));
    }
    let others = read.license.overrides.iter().filter(|one| one.feature_id != feature.id && one.lasts_past(ctx.now));
    let mut overrides: Vec<Value> = others.map(|one| json!(OverrideResource::from(one))).collect();
    let position = overrides.len();
    overrides.extend(override_json(feature, &data));
    // The version of the whole license, because the other overrides are sent as they were read.
    let unchanged = FormData::with_version(&version_of(&read.resource));
    let path = format!("/api/v1.0/license-keys/{id}/overrides");
    Ok(match api.put(&path, &unchanged, &json!({ "overrides": overrides })).await {
        Ok(()) => Notice::EntitlementSaved.redirect_to(&links::entitlements(id)),
        Err(problem) => page.render_error(&viewer, &data, &at_inputs(problem, position)),
    })
}

/// The override of the form; none if the tier applies.
fn override_json(feature: &Feature, data: &FormData) -> Option<Value> {
    let inputs = [Input::date_time("expires_at", ""), Input::text("note", "", 200)];
    let mut body = request_body(data, &inputs);
    body["feature_id"] = json!(feature.id);
    match data.get("value") {
        "on" => body["enabled"] = true.into(),
        "off" => body["enabled"] = false.into(),
        "unlimited" => body["limit"] = Value::Null,
        "number" => body["limit"] = request_body(data, &[limit_input().required()])["limit"].take(),
        _ => return None,
    }
    Some(body)
}

/// Changes the pointers of the API's errors to the names of the inputs.
fn at_inputs(mut problem: Problem, position: usize) -> Problem {
    let prefix = format!("/overrides/{position}");
    for error in &mut problem.errors {
        if let Some(rest) = error.pointer.as_deref().and_then(|pointer| pointer.strip_prefix(&prefix)) {
            error.pointer = Some(rest.replace("/enabled", "/value"));
        }
    }
    problem
}
