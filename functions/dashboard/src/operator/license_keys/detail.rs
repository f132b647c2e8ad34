//! A license with its machines and its history.

use std::sync::Arc;

use axum::{extract::State, response::Response};
use licenses::list_events::events_of;
use maud::{Markup, html};
use serde::de::IgnoredAny;
use serde_json::json;
use shared::{
    Settings,
    auth::LicenseAccess,
    domain::{ActivationId, Catalog, Customer, LicenseId, Product, Status, Timestamp},
    http::{ListQuery, PathId, Problem, RequestContext, resources::LicenseResource},
    store::{Table, catalog::CatalogCache},
};

use super::actions::LicenseAction;
use crate::{
    api::Api,
    form_data::FormData,
    links, offline_activation,
    operator::activity::{ActivityNames, activity_feed},
    queries,
    session::Session,
    ui::{
        components::{
            Tone, banner, copyable, description_list, destructive_dialog_button, dialog_button, empty_state,
            license_badge, pagination, seat_usage, tabs,
        },
        form_page::FormPage,
        format,
        forms::Form,
        layout::{NavSection, PageLayout},
        machines::{Audience, machine_table},
        notice::{Notice, NoticeQuery, undo_button},
    },
    viewer::{Operator, PathIds},
};

/// A tab of the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LicenseTab {
    Machines,
    Entitlements,
    History,
}

impl LicenseTab {
    fn name(self) -> &'static str {
        match self {
            Self::Machines => "Machines",
            Self::Entitlements => "Entitlements",
            Self::History => "History",
        }
    }
}

/// The page with the license's machines.
pub(super) async fn machines(
    Operator(viewer): Operator,
    State(table): State<Table>,
    State(catalog): State<CatalogCache>,
    State(settings): State<Arc<Settings>>,
    PathId(id): PathId<LicenseId>,
    ctx: RequestContext,
    query: Result<ListQuery<NoticeQuery>, Problem>,
) -> Result<Response, Problem> {
    let ListQuery { filter, paging } = query?;
    let (license, machines) = tokio::join!(
        queries::license(&table, id, ctx.now),
        queries::machines(&table, &settings, (LicenseAccess::All, id), &paging, ctx.now),
    );
    let (license, machines) = (license?, machines?);
    let reason = queries::suspension_reason(&table, id, license.status).await?;
    let customer = read_customer(&table, &license).await?;
    let catalog = catalog.read(&table, ctx.now).await?;
    let path = links::license_key(id);
    let content = html! {
        @if machines.items.is_empty() {
            (empty_state("No active machines", "Machines appear here when they activate.", &html! {}))
        } @else {
            (machine_table(&path, &machines.items, ctx.now, Audience::Operator))
            (pagination(&paging, machines.next_cursor.as_deref(), |cursor| links::with_query(&path, &[("cursor", cursor)])))
        }
    };
    let details = notice_details(&license, &catalog, filter.notice, &viewer.session);
    let layout = license_page(
        (&license, reason.as_deref(), ctx.now),
        customer.as_ref(),
        &catalog,
        LicenseTab::Machines,
        &content,
    );
    Ok(layout.notice_with(filter.notice, details).render(&viewer))
}

/// The page with the license's history.
pub(super) async fn history(
    Operator(viewer): Operator,
    State(table): State<Table>,
    State(catalog): State<CatalogCache>,
    PathId(id): PathId<LicenseId>,
    ctx: RequestContext,
    query: Result<ListQuery<NoticeQuery>, Problem>,
) -> Result<Response, Problem> {
    let ListQuery { filter, paging } = query?;
    let (license, events) = tokio::join!(queries::license(&table, id, ctx.now), events_of(&table, id, &paging));
    let (license, events) = (license?, events?.ok_or_else(Problem::not_found)?);
    let reason = queries::suspension_reason(&table, id, license.status).await?;
    let customer = read_customer(&table, &license).await?;
    let catalog = catalog.read(&table, ctx.now).await?;
    let path = history_path(id);
    let names = ActivityNames {
        catalog: &catalog,
        session: &viewer.session,
        license: Some((license.product_id, customer.as_ref())),
    };
    let content = html! {
        (activity_feed(&events.items, names))
        (pagination(&paging, events.next.as_deref(), |cursor| links::with_query(&path, &[("cursor", cursor)])))
    };
    let layout = license_page(
        (&license, reason.as_deref(), ctx.now),
        customer.as_ref(),
        &catalog,
        LicenseTab::History,
        &content,
    );
    Ok(layout.notice(filter.notice).render(&viewer))
}

fn history_path(id: LicenseId) -> String {
    format!("{}/history", links::license_key(id))
}

pub(super) async fn read_customer(table: &Table, license: &LicenseResource) -> Result<Option<Customer>, Problem> {
    let Some(id) = license.customer_id.flatten() else { return Ok(None) };
    Ok(table.customer(id).await?.map(|found| found.customer))
}

/// The parts that all tabs share.
pub(super) fn license_page(
    (license, suspension_reason, now): (&LicenseResource, Option<&str>, Timestamp),
    customer: Option<&Customer>,
    catalog: &Catalog,
    tab: LicenseTab,
    tab_content: &Markup,
) -> PageLayout {
    let tier = catalog.tiers.get(&license.tier_id).map_or("–", |tier| tier.name.as_str());
    let product = catalog.products.get(&license.product_id);
    let path = links::license_key(license.id);
    let content = html! {
        (status_banner(license, suspension_reason))
        (product_banner(license.status, product))
        (borrowed_banner(license, now))
        (description_list(&[
            ("Customer", html! { @if let Some(customer) = customer { a href=(links::customer(customer.id)) { (format::customer_name(customer)) } } @else { "–" } }),
            ("Tier", html! { (product.map_or("–", |product| product.name.as_str())) " " (tier) }),
            ("Seats", seat_usage(license.seats_used, license.max_users)),
            ("Issued", format::exact_date_time(license.issued_at)),
            ("Expires", format::expiry(license.expires_at, license.grace_ends_at, format::exact_date_time)),
            ("License key", html! { code { (license.key_hint) } @if license.generation > 1 { span.subtext { "Regenerated " (license.generation - 1) "×" } } }),
            ("ID", copyable(&license.id.to_string(), "ID")),
        ]))
        div.section {
            (tabs("License", &[
                (&path, LicenseTab::Machines.name(), tab == LicenseTab::Machines),
                (&links::entitlements(license.id), LicenseTab::Entitlements.name(), tab == LicenseTab::Entitlements),
                (&history_path(license.id), LicenseTab::History.name(), tab == LicenseTab::History),
            ]))
            (tab_content)
        }
    };
    let offers_offline =
        catalog.tiers.get(&license.tier_id).is_some_and(|tier| offline_activation::is_offered(tier, license.status));
    let actions = html! {
        @if offers_offline { (offline_activation::button(&path)) }
        @for action in LicenseAction::allowed(license.status) {
            @let href = format!("{path}/{}", action.path_segment());
            @if action.is_destructive() { (destructive_dialog_button(&href, action.label())) } @else { (dialog_button(&href, action.label())) }
        }
        (dialog_button(&format!("{path}/audit"), "Audit"))
    };
    PageLayout::new(NavSection::LicenseKeys, &license.key_hint, content)
        .tab(tab.name())
        .breadcrumb(links::LICENSE_KEYS, "Licenses")
        .badge(license_badge(license.status, product))
        .actions(actions)
}

/// What the confirmation of an action says besides: the new terms, and how to undo it.
fn notice_details(license: &LicenseResource, catalog: &Catalog, notice: Option<Notice>, session: &Session) -> Markup {
    let undo = |action: LicenseAction| {
        let path = format!("{}/{}", links::license_key(license.id), action.path_segment());
        undo_button(session, &path, ("reason", ""))
    };
    match (notice, license.status) {
        (Some(Notice::Suspended), Status::Suspended) => undo(LicenseAction::Reinstate),
        (Some(Notice::Reinstated), Status::Active) => undo(LicenseAction::Suspend),
        (Some(Notice::Renewed), _) => html! {
            @if let Some(end) = license.expires_at { "It expires " (format::date_time(end)) "." } @else { "It never expires." }
        },
        (Some(Notice::Changed), _) => {
            let tier = catalog.tiers.get(&license.tier_id).map_or("–", |tier| tier.name.as_str());
            html! { "It has the tier " (tier) " and " (format::limit(license.max_users, "seat").to_lowercase()) "." }
        }
        _ => html! {},
    }
}

/// Explains a status other than active.
fn status_banner(license: &LicenseResource, suspension_reason: Option<&str>) -> Markup {
    match license.status {
        Status::Revoked => banner(
            Tone::Danger,
            &html! {
                p {
                    "Revoked" @if let Some(at) = license.revoked_at { " on " (format::date_time(at)) } ". "
                    @if let Some(reason) = &license.revocation_reason { "“" (reason) "”" }
                }
            },
        ),
        Status::Superseded => banner(
            Tone::Info,
            &html! {
                p { "Replaced by a newer license." @if let Some(id) = license.superseded_by { " " a href=(links::license_key(id)) { "View the new license" } } }
            },
        ),
        Status::Suspended => banner(
            Tone::Warning,
            &html! { p { "Machines stop when their tokens expire." @if let Some(reason) = suspension_reason { " Reason: “" (reason) "”" } } },
        ),
        Status::Expired => banner(Tone::Warning, &html! { p { "Renew this license to reactivate its machines." } }),
        Status::Active => html! {},
    }
}

/// Says that a license can't be used because its product is inactive.
fn product_banner(status: Status, product: Option<&Product>) -> Markup {
    let is_final = matches!(status, Status::Superseded | Status::Revoked);
    let Some(product) = product.filter(|product| !product.is_active && !is_final) else { return html! {} };
    banner(
        Tone::Warning,
        &html! {
            p {
                (product.name) " is inactive: its licenses can't be used, and machines stop. "
                a href={ (links::product(product.id)) "/edit" } { "Edit product" }
            }
        },
    )
}

/// Says until when tokens of borrowed seats work, whatever happens to the license.
fn borrowed_banner(license: &LicenseResource, now: Timestamp) -> Markup {
    let Some(until) = license.last_borrowed_until.filter(|until| *until > now) else { return html! {} };
    banner(
        Tone::Info,
        &html! { p { "Seats are or were borrowed: their machines can work offline until " (format::date_time(until)) ", also if you revoke the license or free the seats." } },
    )
}

/// Asks for confirmation before a machine is deactivated.
pub(super) async fn confirm_deactivate(
    Operator(viewer): Operator,
    State(table): State<Table>,
    PathIds(id, activation): PathIds<LicenseId, ActivationId>,
    ctx: RequestContext,
) -> Result<Response, Problem> {
    let found = table.activation_with_id(&activation).await?.filter(|_| activation.license == id);
    let found = found.ok_or_else(Problem::not_found)?;
    let license_path = links::license_key(id);
    let action = format!("{license_path}/machines/{activation}/deactivate");
    let form = Form::new(action, Vec::new(), "Deactivate", &license_path).destructive();
    Ok(FormPage::new(NavSection::LicenseKeys, "Deactivate this machine?", form)
        .breadcrumb(links::LICENSE_KEYS, "Licenses")
        .breadcrumb(license_path, "License")
        .intro(html! {
            p.prose {
                "Frees the seat of " strong { (found.display_name()) } " immediately. Its app must activate again after its next heartbeat; "
                @if let Some(until) = found.activation.borrowed_until(ctx.now) {
                    "the seat is borrowed, so offline it keeps working until " (format::date_time(until)) "."
                } @else {
                    "offline, it keeps working until its token expires."
                }
            }
        })
        .render(&viewer))
}

/// Deactivates a machine through the API.
pub(super) async fn deactivate(
    Operator(_): Operator,
    api: Api,
    PathIds(id, activation): PathIds<LicenseId, ActivationId>,
) -> Result<Response, Problem> {
    let path = format!("/api/v1.0/license-activations/{activation}/deactivate");
    let IgnoredAny = api.post(&path, &FormData::default(), &json!({})).await?;
    Ok(Notice::Deactivated.redirect_to(&links::license_key(id)))
}
