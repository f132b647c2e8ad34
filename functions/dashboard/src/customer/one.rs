//! One license of one's own: its key string, its machines, and what an app needs.

use activations::list_activations;
use axum::{
    http::header::{CONTENT_DISPOSITION, CONTENT_TYPE},
    response::{IntoResponse, Redirect, Response},
};
use maud::{Markup, html};
use registration::own_key::{own_key, own_license};
use serde::Deserialize;
use serde_json::json;
use shared::{
    auth::Reach,
    domain::{ActivationId, Jwk, License, LicenseId},
    http::{
        List, PathId, Problem,
        resources::{ActivationResource, ActivationStatus},
    },
};

use super::licenses::HERE;
use crate::{
    enter::{PathIds, Visit},
    form::Sent,
    operator::license_keys::one::machine_status,
    ui::{
        address,
        components::{Column, copyable, empty, facts, link, notice, pages, secret, section, status, table},
        icons,
        inputs::{Form, secrets},
        shell::{Page, Place},
        show,
    },
};

/// What the address says.
#[derive(Debug, Deserialize)]
pub(super) struct Asked {
    done: Option<String>,
}

fn path(id: LicenseId) -> String {
    format!("{HERE}/{id}")
}

/// The page.
pub(super) async fn page(
    visit: Visit,
    PathId(id): PathId<LicenseId>,
    asked: Result<List<Asked>, Problem>,
) -> Result<Response, Problem> {
    let List { filter, paging } = asked?;
    let license = own_license(&visit.services, &visit.session.user(), id).await?;
    let reach = Reach::Own(license.customer_id);
    let machines = list_activations::list(&visit.services, reach, id, &paging, &visit.call).await?;
    let catalog = visit.services.catalog.read(&visit.services.table, visit.call.now).await?;
    let (product, tier) =
        catalog.sold(&license).map_or(("License", "–"), |(product, tier)| (&*product.name, &*tier.name));
    let here = path(id);
    let next = machines.next_cursor.as_deref().map(|cursor| address(&here, &[("cursor", cursor)]));
    let first = paging.cursor.is_some().then_some(here.as_str());
    let content = html! {
        (facts(&[
            ("Tier", html! { (tier) }),
            ("Seats", html! { (show::limit(license.max_users, "seat")) }),
            ("Since", show::exact_time(license.issued_at)),
            ("Ends", license.expires_at.map_or_else(|| html! { "Never" }, show::exact_time)),
            ("License key", html! { code { (license.key_hint) } }),
            ("Id, if you are asked for it", copyable(&id.to_string(), "the id")),
        ]))
        (section("Use it", &html! {}, &use_it(&visit, &here)))
        (section("Machines", &html! {}, &html! {
            @if machines.items.is_empty() {
                (empty("No machine uses it yet", "Type the license key into the app: the machine appears here.", &html! {}))
            } @else {
                (rows(&visit, &here, &machines.items))
                (pages(first, next.as_deref()))
            }
        }))
    };
    let done = filter.done;
    Ok(Page::new(Place::Licenses, product, content)
        .below(&[(HERE, "Your licenses")])
        .aside(status(license.status(visit.call.now)))
        .done(done.as_deref())
        .draw(&visit))
}

fn use_it(visit: &Visit, here: &str) -> Markup {
    html! {
        div.card.stack {
            p { "Type the license key into the app, or give it the file, where it takes one. Whoever has either can use your seats." }
            div.actions {
                form.inline method="post" action={ (here) "/key" } data-form { (secrets(visit)) button.button.primary { "Show the license key" } }
                form.inline method="post" action={ (here) "/download" } data-download { (secrets(visit)) button.button { (icons::download()) "Download the license file" } }
            }
        }
    }
}

fn rows(visit: &Visit, here: &str, machines: &[ActivationResource]) -> Markup {
    let columns = [
        Column::new("Machine"),
        Column::new("State"),
        Column::new("Last sign of life"),
        Column::new("Since"),
        Column::new(""),
    ];
    let row = |machine: &ActivationResource| {
        vec![
            html! {
                strong { (machine.machine_name.as_deref().unwrap_or(&machine.machine_id)) }
                @if machine.machine_name.is_some() { span.sub { (machine.machine_id) } }
            },
            machine_status(machine.status),
            html! {
                (machine.last_heartbeat_at.map_or_else(|| html! { "–" }, |at| show::ago(at, visit.call.now)))
                @if let Some(ip) = &machine.last_ip { span.sub { "from " (ip) } }
            },
            machine.activated_at.map_or_else(|| html! { "–" }, show::day),
            html! {
                @if machine.status != ActivationStatus::Deactivated {
                    a.button href={ (here) "/machines/" (machine.id) "/free" } data-dialog { "Free the seat" }
                }
            },
        ]
    };
    table("Machines", &columns, &machines.iter().map(row).collect::<Vec<_>>())
}

/// Shows the key string.
pub(super) async fn key(visit: Visit, PathId(id): PathId<LicenseId>) -> Result<Response, Problem> {
    let own = own_key(&visit.services, &visit.session.user(), id).await?;
    let content = html! {
        div.stack {
            @if own.license.refusal(true, own.license.generation, visit.call.now).is_some() {
                (notice("warn", &html! { p { "This license is not active: an app will not take its key." } }))
            }
            p.prose { "Keep it as you would a password: whoever has it can use your seats." }
            (secret(own.license_key.expose(), "the key"))
            div.actions { (link(&path(id), "Back to the license")) }
        }
    };
    Ok(Page::new(Place::Licenses, "Your license key", content).below(&[(HERE, "Your licenses")]).draw(&visit))
}

/// A file with all that an app needs to activate, and to verify tokens without a network.
pub(super) async fn download(visit: Visit, PathId(id): PathId<LicenseId>) -> Result<Response, Problem> {
    let own = own_key(&visit.services, &visit.session.user(), id).await?;
    let (catalog, ring) = tokio::try_join!(
        visit.services.catalog.read(&visit.services.table, visit.call.now),
        visit.services.table.ring()
    )?;
    let product = catalog.products.get(&own.license.product_id).map_or("license", |product| product.code.as_str());
    let settings = &visit.services.settings;
    let base = &settings.base_url;
    let roots: Vec<Jwk> = ring.roots.iter().map(Jwk::from).collect();
    let file = json!({
        "license_key": own.license_key.expose(),
        "license_id": id,
        "product": product,
        "issuer": settings.issuer,
        "license_configuration": format!("{base}/.well-known/license-configuration"),
        "activation_endpoint": format!("{base}/api/v1.0/license-activations/activate"),
        "heartbeat_endpoint": format!("{base}/api/v1.0/license-keys/heartbeat"),
        "jwks_uri": format!("{base}/.well-known/jwks.json"),
        "signed_jwks_uri": format!("{base}/.well-known/jwks.jwt"),
        "root_keys": roots,
    });
    let text = serde_json::to_string_pretty(&file).map_err(|error| Problem::fault(error.to_string()))?;
    let headers = [
        (CONTENT_TYPE, "application/json".to_owned()),
        (CONTENT_DISPOSITION, format!("attachment; filename=\"{product}-license.json\"")),
    ];
    Ok((headers, text).into_response())
}

async fn own_machine(visit: &Visit, id: LicenseId, activation: &ActivationId) -> Result<(License, String), Problem> {
    let license = own_license(&visit.services, &visit.session.user(), id).await?;
    let found = visit.services.table.activation(id, activation.machine).await?;
    let found = found.filter(|found| found.id == *activation).ok_or_else(Problem::not_found)?;
    let name = found.machine_name.unwrap_or(found.machine_id);
    Ok((license, name))
}

/// Asks before a seat is freed.
pub(super) async fn ask_free(
    visit: Visit,
    PathIds(id, activation): PathIds<LicenseId, ActivationId>,
) -> Result<Response, Problem> {
    let (license, name) = own_machine(&visit, id, &activation).await?;
    let back = path(id);
    let action = format!("{back}/machines/{activation}/free");
    let content = html! {
        div.stack {
            p.prose {
                strong { (name) } " gives up its seat at once, so that another machine can use it. The app there asks for the license \
                key again, at the latest when it has no more token that is good offline."
            }
            (Form::new(&action, Vec::new(), "Free the seat", &back).dangerous().draw(&visit))
        }
    };
    Ok(Page::new(Place::Licenses, "Free this seat?", content)
        .below(&[(HERE, "Your licenses"), (&back, &license.key_hint)])
        .draw(&visit))
}

/// Frees a seat.
pub(super) async fn free(
    visit: Visit,
    PathIds(id, activation): PathIds<LicenseId, ActivationId>,
) -> Result<Response, Problem> {
    own_machine(&visit, id, &activation).await?;
    let api = format!("/api/v1.0/license-activations/{activation}/deactivate");
    visit.post(&api, &Sent::default(), &json!({})).await?;
    Ok(Redirect::to(&format!("{}?done=freed", path(id))).into_response())
}
