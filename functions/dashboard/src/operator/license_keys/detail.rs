//! A license with its machines and its history.

use axum::response::{IntoResponse, Redirect, Response};
use licenses::list_events::events_of;
use maud::{Markup, html};
use serde_json::json;
use shared::{
    auth::LicenseAccess,
    domain::{ActivationId, Customer, LicenseId, Status},
    http::{
        ListQuery, PathId, Problem,
        resources::{ActivationResource, ActivationStatus, LicenseResource},
    },
};

use super::{BASE_PATH, actions::LicenseAction, path};
use crate::{
    form_data::FormData,
    operator::{
        activity::{ActivityNames, activity_feed},
        customers,
    },
    page_context::{OperatorContext, PageContext, PathIds},
    queries,
    ui::{
        components::{
            Column, NoticeQuery, Tone, badge, banner, copyable, description_list, destructive_dialog_button,
            dialog_button, empty_state, pagination, seat_usage, status_badge, table, tabs,
        },
        format,
        forms::Form,
        layout::{NavSection, PageLayout},
        with_query,
    },
};

/// A tab of the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum LicenseTab {
    Machines,
    History,
}

/// The page with the license's machines.
pub(super) async fn machines(
    OperatorContext(page): OperatorContext,
    PathId(id): PathId<LicenseId>,
    query: Result<ListQuery<NoticeQuery>, Problem>,
) -> Result<Response, Problem> {
    let ListQuery { filter, paging } = query?;
    let (license, machines) =
        tokio::join!(queries::license(&page, id), queries::machines(&page, LicenseAccess::All, id, &paging),);
    let (license, machines) = (license?, machines?);
    let customer = read_customer(&page, &license).await?;
    let path = path(id);
    let next = machines.next_cursor.as_deref().map(|cursor| with_query(&path, &[("cursor", cursor)]));
    let first = paging.cursor.is_some().then_some(path.as_str());
    let content = html! {
        @if machines.items.is_empty() {
            (empty_state("No active machines", "Machines appear here when they activate.", &html! {}))
        } @else {
            (machine_table(&path, &machines.items, &page))
            (pagination(first, next.as_deref()))
        }
    };
    let notice = filter.notice.as_deref();
    license_page(&page, &license, customer.as_ref(), LicenseTab::Machines, notice, &content).await
}

/// The page with the license's history.
pub(super) async fn history(
    OperatorContext(page): OperatorContext,
    PathId(id): PathId<LicenseId>,
    query: Result<ListQuery<NoticeQuery>, Problem>,
) -> Result<Response, Problem> {
    let ListQuery { filter, paging } = query?;
    let (license, events) = tokio::join!(queries::license(&page, id), events_of(&page.app.table, id, &paging));
    let (license, events) = (license?, events?.ok_or_else(Problem::not_found)?);
    let customer = read_customer(&page, &license).await?;
    let catalog = page.app.catalog.read(&page.app.table, page.ctx.now).await?;
    let path = format!("{}/history", path(id));
    let next = events.next.as_deref().map(|cursor| with_query(&path, &[("cursor", cursor)]));
    let names = ActivityNames {
        catalog: &catalog,
        session: &page.session,
        license: Some((license.product_id, customer.as_ref())),
    };
    let content = html! {
        (activity_feed(&events.items, names))
        (pagination(paging.cursor.is_some().then_some(path.as_str()), next.as_deref()))
    };
    let notice = filter.notice.as_deref();
    license_page(&page, &license, customer.as_ref(), LicenseTab::History, notice, &content).await
}

async fn read_customer(page: &PageContext, license: &LicenseResource) -> Result<Option<Customer>, Problem> {
    let Some(id) = license.customer_id else { return Ok(None) };
    Ok(page.app.table.customer(id).await?.map(|found| found.customer))
}

/// The parts that both tabs share.
async fn license_page(
    page: &PageContext,
    license: &LicenseResource,
    customer: Option<&Customer>,
    tab: LicenseTab,
    notice: Option<&str>,
    tab_content: &Markup,
) -> Result<Response, Problem> {
    let catalog = page.app.catalog.read(&page.app.table, page.ctx.now).await?;
    let tier = catalog.tiers.get(&license.tier_id).map_or("–", |tier| tier.name.as_str());
    let product = catalog.products.get(&license.product_id).map_or("–", |product| product.name.as_str());
    let path = path(license.id);
    let content = html! {
        (status_banner(license))
        (description_list(&[
            ("Customer", html! { @if let Some(customer) = customer { a href=(customers::path(customer.id)) { (customer.name) } } @else { "–" } }),
            ("Tier", html! { (product) " " (tier) }),
            ("Seats", seat_usage(license.seats_used, license.max_users)),
            ("Issued", format::exact_date_time(license.issued_at)),
            ("Expires", license.expires_at.map_or_else(|| html! { "Never" }, format::exact_date_time)),
            ("License key", html! { code { (license.key_hint) } @if license.generation > 1 { span.subtext { "Regenerated " (license.generation - 1) "×" } } }),
            ("ID", copyable(&license.id.to_string(), "ID")),
        ]))
        div.section {
            (tabs("License", &[
                (&path, "Machines", tab == LicenseTab::Machines),
                (&format!("{path}/history"), "History", tab == LicenseTab::History),
            ]))
            (tab_content)
        }
    };
    let actions = html! {
        @for action in LicenseAction::allowed(license.status) {
            @let href = format!("{path}/{}", action.path_segment());
            @if action.is_destructive() { (destructive_dialog_button(&href, action.label())) } @else { (dialog_button(&href, action.label())) }
        }
        (dialog_button(&format!("{path}/audit"), "Audit"))
    };
    let layout = PageLayout::new(NavSection::LicenseKeys, &license.key_hint, content)
        .breadcrumbs(&[(BASE_PATH, "Licenses")])
        .badge(status_badge(license.status))
        .actions(actions)
        .notice(notice);
    Ok(layout.render(page))
}

/// Explains a status other than active.
fn status_banner(license: &LicenseResource) -> Markup {
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
                p { "Replaced by a newer license." @if let Some(id) = license.superseded_by { " " a href=(path(id)) { "View the new license" } } }
            },
        ),
        Status::Suspended => banner(Tone::Warning, &html! { p { "Machines stop when their tokens expire." } }),
        Status::Expired => banner(Tone::Warning, &html! { p { "Renew this license to reactivate its machines." } }),
        Status::Active => html! {},
    }
}

fn machine_table(license_path: &str, machines: &[ActivationResource], page: &PageContext) -> Markup {
    let columns = [
        Column::new("Machine"),
        Column::new("Status"),
        Column::new("Last seen"),
        Column::new("Activated"),
        Column::new("IP address"),
        Column::new(""),
    ];
    let row = |machine: &ActivationResource| {
        vec![
            html! {
                strong { (machine.machine_name.as_deref().unwrap_or(&machine.machine_id)) }
                @if machine.machine_name.is_some() { span.subtext { (machine.machine_id) } }
            },
            machine_status(machine.status),
            machine.last_heartbeat_at.map_or_else(|| html! { "–" }, |at| format::time_ago(at, page.ctx.now)),
            machine.activated_at.map_or_else(|| html! { "–" }, format::date_time),
            html! { (machine.last_ip.as_deref().unwrap_or("–")) },
            dialog_button(&format!("{license_path}/machines/{}/deactivate", machine.id), "Deactivate"),
        ]
    };
    table("Machines", &columns, &machines.iter().map(row).collect::<Vec<_>>())
}

/// The badge of a machine's status.
pub(crate) fn machine_status(status: ActivationStatus) -> Markup {
    match status {
        ActivationStatus::Active => badge("Active", Tone::Success),
        ActivationStatus::Lapsed => badge("Inactive", Tone::Warning),
        ActivationStatus::Deactivated => badge("Deactivated", Tone::Neutral),
    }
}

/// Asks for confirmation before a machine is deactivated.
pub(super) async fn confirm_deactivate(
    OperatorContext(page): OperatorContext,
    PathIds(id, activation): PathIds<LicenseId, ActivationId>,
) -> Result<Response, Problem> {
    let found = page.app.table.activation(id, activation.machine).await?;
    let found = found.filter(|found| found.id == activation).ok_or_else(Problem::not_found)?;
    let license_path = path(id);
    let action = format!("{license_path}/machines/{activation}/deactivate");
    let name = found.machine_name.as_deref().unwrap_or(&found.machine_id);
    let content = html! {
        div.stack {
            p.prose {
                "Frees the seat of " strong { (name) } " immediately. Its app must activate again after its next heartbeat; \
                offline, it keeps working until its token expires."
            }
            (Form::new(&action, Vec::new(), "Deactivate", &license_path).destructive().render(&page))
        }
    };
    Ok(PageLayout::new(NavSection::LicenseKeys, "Deactivate this machine?", content)
        .breadcrumbs(&[(BASE_PATH, "Licenses"), (&license_path, "License")])
        .render(&page))
}

/// Deactivates a machine through the API.
pub(super) async fn deactivate(
    OperatorContext(page): OperatorContext,
    PathIds(id, activation): PathIds<LicenseId, ActivationId>,
) -> Result<Response, Problem> {
    let api_path = format!("/api/v1.0/license-activations/{activation}/deactivate");
    page.post(&api_path, &FormData::default(), &json!({})).await?;
    Ok(Redirect::to(&format!("{}?notice=deactivated", path(id))).into_response())
}
