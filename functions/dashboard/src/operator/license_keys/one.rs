//! One license key: what it is, its machines and its history.

use activations::list_activations;
use axum::response::{IntoResponse, Redirect, Response};
use licenses::{get_license, list_events::events_of};
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::json;
use shared::{
    auth::LicenseAccess,
    domain::{ActivationId, LicenseId, Status},
    http::{
        ListQuery, PathId, Problem,
        resources::{ActivationResource, ActivationStatus, LicenseResource},
    },
};

use super::{HERE, actions::Action, path};
use crate::{
    enter::{Operator, PathIds, Visit},
    form::Sent,
    operator::{customers, events::feed, names_of},
    ui::{
        address,
        components::{
            Column, badge, copyable, danger_link, dialog_link, empty, facts, notice, pages, seats, status, table, tabs,
        },
        inputs::Form,
        shell::{Page, Place},
        show,
    },
};

/// What the address says.
#[derive(Debug, Deserialize)]
pub(super) struct Asked {
    done: Option<String>,
}

/// The machines that hold its seats.
pub(super) async fn machines(
    Operator(visit): Operator,
    PathId(id): PathId<LicenseId>,
    asked: Result<ListQuery<Asked>, Problem>,
) -> Result<Response, Problem> {
    let ListQuery { filter, paging } = asked?;
    let (license, machines) = tokio::join!(
        get_license::get(&visit.app.table, id, &visit.ctx),
        list_activations::list(&visit.app, LicenseAccess::All, id, &paging, &visit.ctx),
    );
    let (license, machines) = (license?, machines?);
    let here = path(id);
    let next = machines.next_cursor.as_deref().map(|cursor| address(&here, &[("cursor", cursor)]));
    let first = paging.cursor.is_some().then_some(here.as_str());
    let below = html! {
        @if machines.items.is_empty() {
            (empty("No machine holds a seat", "An app that activates with the key string appears here.", &html! {}))
        } @else {
            (machine_rows(&here, &machines.items, &visit))
            (pages(first, next.as_deref()))
        }
    };
    frame(&visit, &license, "machines", filter.done.as_deref(), &below).await
}

/// What happened to it.
pub(super) async fn history(
    Operator(visit): Operator,
    PathId(id): PathId<LicenseId>,
    asked: Result<ListQuery<Asked>, Problem>,
) -> Result<Response, Problem> {
    let ListQuery { filter, paging } = asked?;
    let (license, events) =
        tokio::join!(get_license::get(&visit.app.table, id, &visit.ctx), events_of(&visit.app.table, id, &paging),);
    let (license, events) = (license?, events?);
    let here = format!("{}/history", path(id));
    let next = events.next_cursor.as_deref().map(|cursor| address(&here, &[("cursor", cursor)]));
    let below = html! {
        (feed(&events.items, false))
        (pages(paging.cursor.is_some().then_some(here.as_str()), next.as_deref()))
    };
    frame(&visit, &license, "history", filter.done.as_deref(), &below).await
}

async fn frame(
    visit: &Visit,
    license: &LicenseResource,
    tab: &str,
    done: Option<&str>,
    below: &Markup,
) -> Result<Response, Problem> {
    let catalog = visit.app.catalog.read(&visit.app.table, visit.ctx.now).await?;
    let names = names_of(visit, license.customer_id.into_iter().collect()).await?;
    let tier = catalog.tiers.get(&license.tier_id).map_or("–", |tier| tier.name.as_str());
    let product = catalog.products.get(&license.product_id).map_or("–", |product| product.name.as_str());
    let here = path(license.id);
    let customer = license.customer_id.and_then(|id| Some((id, names.get(&id)?)));
    let content = html! {
        (explained(license))
        (facts(&[
            ("Customer", html! { @if let Some((id, name)) = customer { a href=(customers::path(id)) { (name) } } @else { "–" } }),
            ("Product and tier", html! { (product) ", " (tier) }),
            ("Seats", seats(license.seats_used, license.max_users)),
            ("Issued", show::exact_time(license.issued_at)),
            ("Ends", license.expires_at.map_or_else(|| html! { "Never" }, show::exact_time)),
            ("Key string", html! { (license.key_hint) span.sub { "generation " (license.generation) } }),
            ("Id", copyable(&license.id.to_string(), "the id")),
        ]))
        div.section {
            (tabs("Of this license key", &[(&here, "Machines", tab == "machines"), (&format!("{here}/history"), "History", tab == "history")]))
            (below)
        }
    };
    let actions = html! {
        @for action in Action::of(license.status) {
            @let href = format!("{here}/{}", action.word());
            @if action.is_dangerous() { (danger_link(&href, action.name())) } @else { (dialog_link(&href, action.name())) }
        }
        (dialog_link(&format!("{here}/audit"), "Audit"))
    };
    let page = Page::new(Place::LicenseKeys, &license.key_hint, content)
        .below(&[(HERE, "License keys")])
        .aside(status(license.status))
        .actions(actions)
        .done(done);
    Ok(page.render(visit))
}

/// Why the key is as it is, where that is not plain.
fn explained(license: &LicenseResource) -> Markup {
    match license.status {
        Status::Revoked => notice(
            "bad",
            &html! {
                p {
                    "Revoked" @if let Some(at) = license.revoked_at { " on " (show::time(at)) } ". "
                    @if let Some(reason) = &license.revocation_reason { "“" (reason) "”" }
                }
            },
        ),
        Status::Superseded => notice(
            "calm",
            &html! {
                p { "A newer license key took its place" @if let Some(by) = license.superseded_by { ": " a href=(path(by)) { "the newer one" } } "." }
            },
        ),
        Status::Suspended => {
            notice("warn", &html! { p { "Suspended: no token of it is renewed until it is reinstated." } })
        }
        Status::Expired => notice(
            "warn",
            &html! { p { "It has ended. Renewing it makes it good again, with the machines that it has." } },
        ),
        Status::Active => html! {},
    }
}

fn machine_rows(here: &str, machines: &[ActivationResource], visit: &Visit) -> Markup {
    let columns = [
        Column::new("Machine"),
        Column::new("State"),
        Column::new("Last sign of life"),
        Column::new("Activated"),
        Column::new("Address"),
        Column::new(""),
    ];
    let row = |machine: &ActivationResource| {
        vec![
            html! {
                strong { (machine.machine_name.as_deref().unwrap_or(&machine.machine_id)) }
                @if machine.machine_name.is_some() { span.sub { (machine.machine_id) } }
            },
            machine_status(machine.status),
            machine.last_heartbeat_at.map_or_else(|| html! { "–" }, |at| show::ago(at, visit.ctx.now)),
            machine.activated_at.map_or_else(|| html! { "–" }, show::time),
            html! { (machine.last_ip.as_deref().unwrap_or("–")) },
            html! { a.button href={ (here) "/machines/" (machine.id) "/free" } data-dialog { "Free the seat" } },
        ]
    };
    table("Machines", &columns, &machines.iter().map(row).collect::<Vec<_>>())
}

/// Whether a machine holds its seat.
pub(crate) fn machine_status(status: ActivationStatus) -> Markup {
    match status {
        ActivationStatus::Active => badge("Holds a seat", "good"),
        ActivationStatus::Lapsed => badge("Lapsed", "warn"),
        ActivationStatus::Deactivated => badge("Ended", "dim"),
    }
}

/// Asks before a seat is freed.
pub(super) async fn ask_free(
    Operator(visit): Operator,
    PathIds(id, activation): PathIds<LicenseId, ActivationId>,
) -> Result<Response, Problem> {
    let found = visit.app.table.activation(id, activation.machine).await?;
    let found = found.filter(|found| found.id == activation).ok_or_else(Problem::not_found)?;
    let back = path(id);
    let action = format!("{back}/machines/{activation}/free");
    let name = found.machine_name.as_deref().unwrap_or(&found.machine_id);
    let content = html! {
        p.prose {
            strong { (name) } " gives up its seat at once, and another machine may take it. The app on it learns that at its next \
            heartbeat, and has to activate again; until its token ends it may go on offline."
        }
        (Form::new(&action, Vec::new(), "Free the seat", &back).dangerous().render(&visit))
    };
    Ok(Page::new(Place::LicenseKeys, "Free this seat?", content)
        .below(&[(HERE, "License keys"), (&back, "License key")])
        .render(&visit))
}

/// Frees a seat.
pub(super) async fn free(
    Operator(visit): Operator,
    PathIds(id, activation): PathIds<LicenseId, ActivationId>,
) -> Result<Response, Problem> {
    let api = format!("/api/v1.0/license-activations/{activation}/deactivate");
    visit.post(&api, &Sent::default(), &json!({})).await?;
    Ok(Redirect::to(&format!("{}?done=freed", path(id))).into_response())
}
