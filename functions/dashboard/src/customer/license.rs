//! A license of the signed-in customer: its key string, its machines, and the license file.

use axum::{
    extract::FromRef,
    http::header::{CONTENT_DISPOSITION, CONTENT_TYPE},
    response::{IntoResponse, Redirect, Response},
};
use maud::{Markup, html};
use registration::own_key::{self, OwnKey};
use serde_json::json;
use shared::{
    auth::LicenseAccess,
    domain::{Activation, ActivationId, Jwk, License, LicenseId, Status},
    http::{
        ListQuery, PathId, Problem,
        resources::{ActivationResource, ActivationStatus, LicenseResource},
    },
    tokens::KeyStrings,
};

use super::licenses::BASE_PATH;
use crate::{
    form_data::FormData,
    operator::license_keys::detail::machine_status,
    page_context::{PageContext, PathIds},
    queries,
    ui::{
        components::{
            Column, NoticeQuery, Tone, banner, copyable, description_list, dialog_button, empty_state, link_button,
            pagination, seat_usage, secret, section, status_badge, table,
        },
        format,
        forms::{Form, hidden_fields},
        icons,
        layout::{NavSection, PageLayout},
        with_query,
    },
};

fn path(id: LicenseId) -> String {
    format!("{BASE_PATH}/{id}")
}

async fn own_license(page: &PageContext, id: LicenseId) -> Result<License, Problem> {
    let found = own_key::own_license(&page.app.table, &page.session.user(), id).await?;
    found.ok_or_else(Problem::not_found)
}

async fn own_key(page: &PageContext, id: LicenseId) -> Result<OwnKey, Problem> {
    let (table, key_strings) = (&page.app.table, KeyStrings::from_ref(&page.app));
    let found = own_key::own_key(table, &key_strings, &page.session.user(), id).await?;
    found.ok_or_else(Problem::not_found)
}

pub(super) async fn show(
    page: PageContext,
    PathId(id): PathId<LicenseId>,
    query: Result<ListQuery<NoticeQuery>, Problem>,
) -> Result<Response, Problem> {
    let ListQuery { filter, paging } = query?;
    let license = own_license(&page, id).await?;
    let access = LicenseAccess::Own(license.customer_id);
    let table = &page.app.table;
    let used = async { Ok(table.seats_used(&license).await?) };
    let catalog = async { Ok(page.app.catalog.read(table, page.ctx.now).await?) };
    let machines = queries::machines(&page, access, id, &paging);
    let (used, catalog, machines) = tokio::try_join!(used, catalog, machines)?;
    let (product, tier) =
        catalog.product_and_tier(&license).map_or(("License", "–"), |(product, tier)| (&*product.name, &*tier.name));
    let path = path(id);
    let next = machines.next_cursor.as_deref().map(|cursor| with_query(&path, &[("cursor", cursor)]));
    let first = paging.cursor.is_some().then_some(path.as_str());
    let content = html! {
        (status_banner(&LicenseResource::new(&license, None, page.ctx.now)))
        (description_list(&[
            ("Tier", html! { (tier) }),
            ("Seats", seat_usage(Some(used), license.max_users)),
            ("Issued", format::exact_date_time(license.issued_at)),
            ("Expires", license.expires_at.map_or_else(|| html! { "Never" }, format::exact_date_time)),
            ("License key", html! { code { (license.key_hint) } }),
            ("License ID (for support)", copyable(&id.to_string(), "license ID")),
        ]))
        (section("Activate", &html! {}, &activation_card(&page, &path)))
        (section("Machines", &html! {}, &html! {
            @if machines.items.is_empty() {
                (empty_state("No active machines", "Enter the license key in the app. Its machine then appears here.", &html! {}))
            } @else {
                (machine_table(&page, &path, &machines.items))
                (pagination(first, next.as_deref()))
            }
        }))
    };
    Ok(PageLayout::new(NavSection::Licenses, product, content)
        .breadcrumbs(&[(BASE_PATH, "Your licenses")])
        .badge(status_badge(license.status(page.ctx.now)))
        .notice(filter.notice.as_deref())
        .render(&page))
}

/// Explains a status other than active.
fn status_banner(license: &LicenseResource) -> Markup {
    let (tone, text) = match license.status {
        Status::Active => return html! {},
        Status::Suspended => (
            Tone::Warning,
            "The vendor has suspended this license. Your machines will stop working. Contact the vendor.",
        ),
        Status::Expired => (Tone::Warning, "This license has expired. Contact the vendor to renew it."),
        Status::Superseded => (Tone::Info, "This license was replaced by a newer one."),
        Status::Revoked => (Tone::Danger, "The vendor has permanently revoked this license."),
    };
    let content = html! {
        p {
            (text)
            @if let Some(reason) = &license.revocation_reason { " Reason: “" (reason) "”." }
            @if let Some(id) = license.superseded_by { " " a href=(path(id)) { "View the new license" } }
        }
    };
    banner(tone, &content)
}

fn activation_card(page: &PageContext, license_path: &str) -> Markup {
    html! {
        div.card.stack {
            p { "Enter the license key in the app, or import the license file. Keep both private: anyone who has them can use your seats." }
            div.actions {
                form.inline-form method="post" action={ (license_path) "/key" } { (hidden_fields(page)) button.button.primary { "Show license key" } }
                form.inline-form method="post" action={ (license_path) "/download" } data-download { (hidden_fields(page)) button.button { (icons::download()) "Download license file" } }
            }
        }
    }
}

fn machine_table(page: &PageContext, license_path: &str, machines: &[ActivationResource]) -> Markup {
    let columns = [
        Column::new("Machine"),
        Column::new("Status"),
        Column::new("Last seen"),
        Column::new("Activated"),
        Column::new(""),
    ];
    let row = |machine: &ActivationResource| {
        vec![
            html! {
                strong { (machine.machine_name.as_deref().unwrap_or(&machine.machine_id)) }
                @if machine.machine_name.is_some() { span.subtext { (machine.machine_id) } }
            },
            machine_status(machine.status),
            html! {
                (machine.last_heartbeat_at.map_or_else(|| html! { "–" }, |at| format::time_ago(at, page.ctx.now)))
                @if let Some(ip) = &machine.last_ip { span.subtext { (ip) } }
            },
            machine.activated_at.map_or_else(|| html! { "–" }, format::date),
            html! {
                @if machine.status != ActivationStatus::Deactivated {
                    (dialog_button(&format!("{license_path}/machines/{}/deactivate", machine.id), "Deactivate"))
                }
            },
        ]
    };
    table("Machines", &columns, &machines.iter().map(row).collect::<Vec<_>>())
}

/// Shows the key string.
pub(super) async fn show_key(page: PageContext, PathId(id): PathId<LicenseId>) -> Result<Response, Problem> {
    let own = own_key(&page, id).await?;
    let content = html! {
        div.stack {
            @if own.license.refusal(true, own.license.generation, page.ctx.now).is_some() {
                (banner(Tone::Warning, &html! { p { "This license is not active. Apps will reject its key." } }))
            }
            p.prose { "Keep it private: anyone who has it can use your seats." }
            (secret(own.license_key.expose(), "license key"))
            div.actions { (link_button(&path(id), "Back to license")) }
        }
    };
    Ok(PageLayout::new(NavSection::Licenses, "Your license key", content)
        .breadcrumbs(&[(BASE_PATH, "Your licenses")])
        .render(&page))
}

/// Downloads the license file: everything that an app needs to activate and to verify tokens offline.
pub(super) async fn download(page: PageContext, PathId(id): PathId<LicenseId>) -> Result<Response, Problem> {
    let own = own_key(&page, id).await?;
    let (catalog, ring) =
        tokio::try_join!(page.app.catalog.read(&page.app.table, page.ctx.now), page.app.table.ring())?;
    let product = catalog.products.get(&own.license.product_id).map_or("license", |product| product.code.as_str());
    let settings = &page.app.settings;
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

/// A machine of one of the customer's licenses.
async fn own_machine(
    page: &PageContext,
    PathIds(id, activation): MachinePath,
) -> Result<(License, Activation), Problem> {
    let license = own_license(page, id).await?;
    let found = page.app.table.activation(id, activation.machine).await?;
    Ok((license, found.filter(|found| found.id == activation).ok_or_else(Problem::not_found)?))
}

/// Asks for confirmation before a machine is deactivated.
pub(super) async fn confirm_deactivate(page: PageContext, ids: MachinePath) -> Result<Response, Problem> {
    let (license, machine) = own_machine(&page, ids).await?;
    let license_path = path(license.id);
    let action = format!("{license_path}/machines/{}/deactivate", machine.id);
    let content = html! {
        div.stack.prose {
            p {
                "Frees the seat of " strong { (machine.machine_name.as_deref().unwrap_or(&machine.machine_id)) }
                " immediately. To use the app there again, activate it with the license key."
            }
            p.muted { "If it's offline, it keeps working until " (format::date_time(machine.lease_expires_at)) "." }
            (Form::new(&action, Vec::new(), "Deactivate", &license_path).destructive().render(&page))
        }
    };
    Ok(PageLayout::new(NavSection::Licenses, "Deactivate this machine?", content)
        .breadcrumbs(&[(BASE_PATH, "Your licenses"), (&license_path, &license.key_hint)])
        .render(&page))
}

/// Deactivates a machine through the API.
pub(super) async fn deactivate(page: PageContext, ids: MachinePath) -> Result<Response, Problem> {
    let (license, machine) = own_machine(&page, ids).await?;
    let api_path = format!("/api/v1.0/license-activations/{}/deactivate", machine.id);
    page.post(&api_path, &FormData::default(), &json!({})).await?;
    Ok(Redirect::to(&format!("{}?notice=deactivated", path(license.id))).into_response())
}
