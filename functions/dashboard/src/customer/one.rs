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
    auth::LicenseAccess,
    domain::{Activation, ActivationId, Jwk, License, LicenseId, Status},
    http::{
        ListQuery, PathId, Problem,
        resources::{ActivationResource, ActivationStatus, LicenseResource},
    },
};

use super::licenses::HERE;
use crate::{
    enter::{PathIds, Visit},
    form::Sent,
    operator::license_keys::one::machine_status,
    ui::{
        address,
        components::{Column, copyable, empty, facts, link, notice, pages, seats, secret, section, status, table},
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
    asked: Result<ListQuery<Asked>, Problem>,
) -> Result<Response, Problem> {
    let ListQuery { filter, paging } = asked?;
    let license = own_license(&visit.app, &visit.session.user(), id).await?;
    let reach = LicenseAccess::Own(license.customer_id);
    let table = &visit.app.table;
    let used = async { Ok(table.seats_used(&license).await?) };
    let catalog = async { Ok(visit.app.catalog.read(table, visit.ctx.now).await?) };
    let machines = list_activations::list(&visit.app, reach, id, &paging, &visit.ctx);
    let (used, catalog, machines) = tokio::try_join!(used, catalog, machines)?;
    let (product, tier) =
        catalog.product_and_tier(&license).map_or(("License", "–"), |(product, tier)| (&*product.name, &*tier.name));
    let here = path(id);
    let next = machines.next_cursor.as_deref().map(|cursor| address(&here, &[("cursor", cursor)]));
    let first = paging.cursor.is_some().then_some(here.as_str());
    let content = html! {
        (state(&LicenseResource::new(&license, None, visit.ctx.now)))
        (facts(&[
            ("Tier", html! { (tier) }),
            ("Seats", seats(Some(used), license.max_users)),
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
        .aside(status(license.status(visit.ctx.now)))
        .done(done.as_deref())
        .render(&visit))
}

/// What a license key that is not active means for its owner.
fn state(license: &LicenseResource) -> Markup {
    let (tone, text) = match license.status {
        Status::Active => return html! {},
        Status::Suspended => (
            "warn",
            "The vendor has suspended this license. Until it is reinstated, no token is renewed and no machine activates.",
        ),
        Status::Expired => {
            ("warn", "This license has ended. If the vendor renews it, your machines go on as they are.")
        }
        Status::Superseded => ("calm", "Another license of yours has taken the place of this one."),
        Status::Revoked => ("bad", "The vendor has revoked this license, for good."),
    };
    let content = html! {
        p {
            (text)
            @if let Some(reason) = &license.revocation_reason { " The reason: “" (reason) "”." }
            @if let Some(other) = license.superseded_by { " " a href=(path(other)) { "Go to the one that counts now" } "." }
        }
    };
    notice(tone, &content)
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
                (machine.last_heartbeat_at.map_or_else(|| html! { "–" }, |at| show::ago(at, visit.ctx.now)))
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
    let own = own_key(&visit.app, &visit.session.user(), id).await?;
    let content = html! {
        div.stack {
            @if own.license.refusal(true, own.license.generation, visit.ctx.now).is_some() {
                (notice("warn", &html! { p { "This license is not active: an app will not take its key." } }))
            }
            p.prose { "Keep it as you would a password: whoever has it can use your seats." }
            (secret(own.license_key.expose(), "the key"))
            div.actions { (link(&path(id), "Back to the license")) }
        }
    };
    Ok(Page::new(Place::Licenses, "Your license key", content).below(&[(HERE, "Your licenses")]).render(&visit))
}

/// A file with all that an app needs to activate, and to verify tokens without a network.
pub(super) async fn download(visit: Visit, PathId(id): PathId<LicenseId>) -> Result<Response, Problem> {
    let own = own_key(&visit.app, &visit.session.user(), id).await?;
    let (catalog, ring) =
        tokio::try_join!(visit.app.catalog.read(&visit.app.table, visit.ctx.now), visit.app.table.ring())?;
    let product = catalog.products.get(&own.license.product_id).map_or("license", |product| product.code.as_str());
    let settings = &visit.app.settings;
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
    let text = serde_json::to_string_pretty(&file).map_err(|error| Problem::internal(error.to_string()))?;
    let headers = [
        (CONTENT_TYPE, "application/json".to_owned()),
        (CONTENT_DISPOSITION, format!("attachment; filename=\"{product}-license.json\"")),
    ];
    Ok((headers, text).into_response())
}

type MachinePath = PathIds<LicenseId, ActivationId>;

/// A machine of one of the person's own license keys.
async fn own_machine(visit: &Visit, PathIds(id, activation): MachinePath) -> Result<(License, Activation), Problem> {
    let license = own_license(&visit.app, &visit.session.user(), id).await?;
    let found = visit.app.table.activation(id, activation.machine).await?;
    Ok((license, found.filter(|found| found.id == activation).ok_or_else(Problem::not_found)?))
}

/// Asks before a seat is freed.
pub(super) async fn ask_free(visit: Visit, asked: MachinePath) -> Result<Response, Problem> {
    let (license, machine) = own_machine(&visit, asked).await?;
    let back = path(license.id);
    let action = format!("{back}/machines/{}/free", machine.id);
    let content = html! {
        div.stack.prose {
            p {
                strong { (machine.machine_name.as_deref().unwrap_or(&machine.machine_id)) }
                " gives up its seat, and another machine can take it at once. The app there must activate again with the license key \
                before it goes on, and only if a seat is free then."
            }
            p.muted { "Without a connection it can't know, and works until " (show::time(machine.lease_expires_at)) " at most." }
            (Form::new(&action, Vec::new(), "Free the seat", &back).dangerous().render(&visit))
        }
    };
    Ok(Page::new(Place::Licenses, "Free this seat?", content)
        .below(&[(HERE, "Your licenses"), (&back, &license.key_hint)])
        .render(&visit))
}

/// Frees a seat.
pub(super) async fn free(visit: Visit, asked: MachinePath) -> Result<Response, Problem> {
    let (license, machine) = own_machine(&visit, asked).await?;
    let api = format!("/api/v1.0/license-activations/{}/deactivate", machine.id);
    visit.post(&api, &Sent::default(), &json!({})).await?;
    Ok(Redirect::to(&format!("{}?done=freed", path(license.id))).into_response())
}
