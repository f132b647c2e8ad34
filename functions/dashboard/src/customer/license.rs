//! One of a customer's license keys: what it is, its key string and its machines.

use activations::list_activations;
use axum::response::Response;
use maud::{Markup, html};
use serde::Deserialize;
use shared::{
    auth::Reach,
    domain::{Catalog, License, LicenseId, Secret, Status},
    http::{
        List, ListBody, PathId, Problem,
        resources::{ActivationResource, ActivationStatus, LicenseResource},
    },
    keymaking::open_key,
};

use super::{
    free_seat,
    licenses::{self, ends, name},
    own_license,
};
use crate::{
    enter::Visit,
    ui::{
        address,
        components::{
            Column, badge, code, copyable, danger_link, empty, facts, notice, pages, seats, secret, section, status,
            table,
        },
        icons,
        inputs::secrets,
        shell::{Page, Place},
        show,
    },
};

/// Where a license's page is.
pub(super) fn path(id: LicenseId) -> String {
    format!("{}/{id}", licenses::HERE)
}

/// What the address says.
#[derive(Debug, Deserialize)]
pub(super) struct Asked {
    done: Option<String>,
}

pub(super) async fn show_one(
    visit: Visit,
    PathId(id): PathId<LicenseId>,
    asked: Result<List<Asked>, Problem>,
) -> Result<Response, Problem> {
    let List { filter, paging } = asked?;
    let license = own_license(&visit, id).await?;
    let reach = Reach::Own(license.customer_id);
    let table = &visit.services.table;
    let used = async { Ok(table.seats_used(&license).await?) };
    let sold = async { Ok(visit.services.catalog.read(table, visit.call.now).await?) };
    let machines = list_activations::list(&visit.services, reach, id, &paging, &visit.call);
    let (used, sold, machines) = tokio::try_join!(used, sold, machines)?;
    let shown = LicenseResource::new(&license, Some(used), visit.call.now);
    let content = html! {
        (state(&shown))
        (about(&sold, &shown))
        (section("License key", &html! {}, &key(&visit, &shown)))
        (section("In the app", &html! {}, &for_the_app(&visit, id)))
        (section("Machines", &html! {}, &machines_of(&visit, &shown, &machines, paging.cursor.is_some())))
    };
    let title = name(&sold, &shown);
    let page = Page::new(Place::Licenses, &title, content).below(&[(licenses::HERE, "Your licenses")]);
    Ok(page.aside(status(shown.status)).done(filter.done.as_deref()).draw(&visit))
}

/// What a license key that is not active means.
fn state(license: &LicenseResource) -> Markup {
    let (tone, text) = match license.status {
        Status::Active => return html! {},
        Status::Suspended => (
            "warn",
            "The vendor has suspended this license key. Until it is reinstated, apps renew no token and no machine activates.",
        ),
        Status::Expired => {
            ("warn", "This license key has ended. Ask the vendor to renew it, and your machines go on as they are.")
        }
        Status::Superseded => ("calm", "Another license key of yours took the place of this one."),
        Status::Revoked => ("bad", "The vendor has revoked this license key, for good."),
    };
    notice(
        tone,
        &html! {
            p {
                (text)
                @if let Some(reason) = &license.revocation_reason { " The reason: " (reason) }
                @if let Some(other) = license.superseded_by { " " a href=(path(other)) { "See the one that counts now" } "." }
            }
        },
    )
}

fn about(sold: &Catalog, license: &LicenseResource) -> Markup {
    let features = sold.tiers.get(&license.tier_id).map(|tier| sold.features_of(tier)).unwrap_or_default();
    let mut features: Vec<_> = features.into_iter().map(|had| had.feature).collect();
    features.sort_by_key(|feature| (feature.sort_order, feature.id));
    let names: Vec<&str> = features.into_iter().map(|feature| feature.name.as_str()).collect();
    let mut rows = vec![
        ("Seats", seats(license.seats_used, license.max_users)),
        ("Issued", show::day(license.issued_at)),
        ("Ends", ends(license)),
    ];
    if let Some(tenants) = license.max_tenants {
        rows.push(("Tenants", html! { (show::limit(Some(tenants), "tenant")) }));
    }
    rows.push(("Id", copyable(&license.id.to_string(), "the id")));
    html! {
        (facts(&rows))
        @if !names.is_empty() { p.includes { span.muted { "Includes " } (names.join(", ")) } }
    }
}

fn key(visit: &Visit, license: &LicenseResource) -> Markup {
    html! {
        form.line method="post" action={ (path(license.id)) "/key" } data-form {
            (secrets(visit))
            (code(&license.key_hint))
            button.button { "Show key" }
        }
    }
}

fn for_the_app(visit: &Visit, id: LicenseId) -> Markup {
    html! {
        form.line method="post" action={ (path(id)) "/app-file" } data-download {
            (secrets(visit))
            p.muted.prose {
                "One file with all that the app needs to activate a machine: the license key, where to ask, and the public keys that "
                "tell a real answer from a forged one. Keep it as safe as the key."
            }
            button.button { (icons::download()) "Download what an app needs" }
        }
    }
}

fn machines_of(
    visit: &Visit,
    license: &LicenseResource,
    machines: &ListBody<ActivationResource>,
    is_later: bool,
) -> Markup {
    if machines.items.is_empty() && !is_later {
        return empty(
            "No machine holds a seat",
            "When the app activates with the license key, its machine stands here.",
            &html! {},
        );
    }
    let columns = [
        Column::new("Machine"),
        Column::new("Last sign of life"),
        Column::new("Address"),
        Column::new("Since"),
        Column::new(""),
    ];
    let here = path(license.id);
    let next = machines.next_cursor.as_deref().map(|cursor| address(&here, &[("cursor", cursor)]));
    let rows: Vec<_> = machines.items.iter().map(|machine| row(visit, machine)).collect();
    html! {
        (table("Machines", &columns, &rows))
        (pages(is_later.then_some(here.as_str()), next.as_deref()))
    }
}

fn row(visit: &Visit, machine: &ActivationResource) -> Vec<Markup> {
    let called = machine.machine_name.as_deref().unwrap_or(&machine.machine_id);
    let dash = || html! { "–" };
    vec![
        html! {
            strong { (called) }
            @if machine.machine_name.is_some() { code.sub { (machine.machine_id) } }
        },
        html! {
            (machine.last_heartbeat_at.map_or_else(dash, |at| show::ago(at, visit.call.now)))
            @if machine.status == ActivationStatus::Lapsed { " " (badge("Seat may be taken", "warn")) }
        },
        machine.last_ip.as_deref().map_or_else(dash, |ip| html! { (ip) }),
        machine.activated_at.map_or_else(dash, show::day),
        danger_link(&free_seat::path(&machine.id), "Free the seat"),
    ]
}

/// Shows the key string: in the answer to a form, so that no address leads to it and nothing keeps it.
pub(super) async fn show_key(visit: Visit, PathId(id): PathId<LicenseId>) -> Result<Response, Problem> {
    let license = own_license(&visit, id).await?;
    let key = key_string(&visit, &license).await?;
    let shown = LicenseResource::new(&license, None, visit.call.now);
    let sold = visit.services.catalog.read(&visit.services.table, visit.call.now).await?;
    let (here, name) = (path(id), name(&sold, &shown));
    let content = html! {
        (state(&shown))
        (key_shown(key.expose()))
        div.actions.after { a.button href=(here) { "Done" } }
    };
    let above = [(licenses::HERE, "Your licenses"), (here.as_str(), name.as_str())];
    let page = Page::new(Place::Licenses, "License key", content).below(&above);
    Ok(page.aside(status(shown.status)).draw(&visit))
}

/// A key string, and what to do with it.
pub(super) fn key_shown(key: &str) -> Markup {
    html! {
        div.stack.prose {
            (secret(key, "key"))
            p.muted { "Type or paste it into the app. Whoever has it can take your seats, so it goes to nobody else; you find it here again whenever you need it." }
        }
    }
}

/// The secret that a person types.
pub(super) async fn key_string(visit: &Visit, license: &License) -> Result<Secret, Problem> {
    let sealed = visit.services.table.sealed(license.id).await?.ok_or_else(Problem::not_found)?;
    Ok(open_key(&visit.services, license.id, &sealed).await?.0)
}
