//! A license of the signed-in customer: its machines, its key string, and the key file.

use std::sync::Arc;

use axum::{extract::State, response::Response};
use maud::{Markup, html};
use registration::own_key::{OwnKey, own_key};
use serde::Serialize;
use shared::{
    Settings,
    auth::LicenseAccess,
    domain::{LicenseId, Product, Status},
    http::{Code, ListQuery, PathId, Problem, RequestContext, resources::LicenseResource},
    store::{Table, catalog::CatalogCache},
    tokens::{KeyStringError, KeyStrings},
};

use crate::{
    app_file::{AppFile, json_attachment},
    links, offline_activation, queries,
    session::Session,
    ui::{
        components::{
            Tone, banner, copyable, description_list, empty_state, license_badge, link_button, pagination, seat_usage,
            secret, section,
        },
        entitlements::granted_table,
        form_page::FormPage,
        format,
        forms::{Form, hidden_fields},
        icons,
        layout::{NavSection, PageLayout},
        machines::{Audience, machine_table},
        notice::NoticeQuery,
    },
    viewer::Viewer,
};

pub(super) async fn show(
    viewer: Viewer,
    State(table): State<Table>,
    State(catalog): State<CatalogCache>,
    State(settings): State<Arc<Settings>>,
    PathId(id): PathId<LicenseId>,
    ctx: RequestContext,
    query: Result<ListQuery<NoticeQuery>, Problem>,
) -> Result<Response, Problem> {
    let ListQuery { filter, paging } = query?;
    let license = queries::own_license(&table, &viewer.session.user(), id).await?;
    let access = license.customer_id.map_or(LicenseAccess::None, LicenseAccess::Own);
    let used = async { Ok(table.seats_used(&license).await?) };
    let catalog = async { Ok(catalog.read(&table, ctx.now).await?) };
    let machines = queries::machines(&table, &settings, (access, id), &paging, ctx.now);
    let (used, catalog, machines) = tokio::try_join!(used, catalog, machines)?;
    let product_and_tier = catalog.product_and_tier(&license);
    let (product, tier) = product_and_tier.map_or(("License", "–"), |(product, tier)| (&*product.name, &*tier.name));
    let offers_offline =
        product_and_tier.is_some_and(|(_, tier)| offline_activation::is_offered(tier, license.status(ctx.now)));
    let entitlements = product_and_tier
        .map(|(_, tier)| catalog.entitlements(tier, &license.overrides, ctx.now, None))
        .unwrap_or_default();
    let path = links::own_license(id);
    let suspension_reason = queries::suspension_reason(&table, id, license.status(ctx.now)).await?;
    let content = html! {
        (status_banner(
            &LicenseResource::new(&license, None, ctx.now),
            product_and_tier.map(|(product, _)| product),
            suspension_reason,
        ))
        (description_list(&[
            ("Tier", html! { (tier) }),
            ("Seats", seat_usage(Some(used), license.max_users)),
            ("Issued", format::exact_date_time(license.issued_at)),
            ("Expires", format::expiry(license.expires_at, license.grace_ends_at(ctx.now), format::exact_date_time)),
            ("License key", html! { code { (license.key_hint) } }),
            ("License ID (for support)", copyable(&id.to_string(), "license ID")),
        ]))
        @if !entitlements.is_empty() { (section("Features", &html! {}, &granted_table(&entitlements))) }
        (section("Activate", &html! {}, &activation_card(&viewer.session, &path, offers_offline)))
        (section("Machines", &html! {}, &html! {
            @if machines.items.is_empty() {
                (empty_state("No active machines", "Enter the license key in the app. Its machine then appears here.", &html! {}))
            } @else {
                (machine_table(&path, &machines.items, ctx.now, Audience::Customer))
                (pagination(&paging, machines.next_cursor.as_deref(), |cursor| links::with_query(&path, &[("cursor", cursor)])))
            }
        }))
    };
    Ok(PageLayout::new(NavSection::Licenses, product, content)
        .breadcrumb(links::OWN_LICENSES, "Your licenses")
        .badge(license_badge(license.status(ctx.now), product_and_tier.map(|(product, _)| product)))
        .notice(filter.notice)
        .render(&viewer))
}

/// Explains a status other than active.
fn status_banner(license: &LicenseResource, product: Option<&Product>, suspension_reason: Option<String>) -> Markup {
    let (tone, text) = match license.status {
        Status::Active if product.is_some_and(|product| !product.is_active) => {
            (Tone::Warning, "This product is inactive. Your machines will stop working. Contact the vendor.")
        }
        Status::Active => return html! {},
        Status::Suspended => (
            Tone::Warning,
            "The vendor has suspended this license. Your machines will stop working. Contact the vendor.",
        ),
        Status::Expired => (Tone::Warning, "This license has expired. Contact the vendor to renew it."),
        Status::Superseded => (Tone::Info, "This license was replaced by a newer one."),
        Status::Revoked => (Tone::Danger, "The vendor has permanently revoked this license."),
    };
    let reason = suspension_reason.or_else(|| license.revocation_reason.clone());
    let content = html! {
        p {
            (text)
            @if let Some(reason) = reason { " Reason: “" (reason) "”." }
            @if let Some(id) = license.superseded_by { " " a href=(links::own_license(id)) { "View the new license" } }
        }
    };
    banner(tone, &content)
}

fn activation_card(session: &Session, license_path: &str, offers_offline: bool) -> Markup {
    html! {
        div.card.stack {
            p { "Enter the license key in the app, or import the key file. Keep both private: anyone who has them can use your seats." }
            div.actions {
                form.inline-form method="post" action={ (license_path) "/key" } { (hidden_fields(session)) button.button.primary { "Show license key" } }
                form.inline-form method="post" action={ (license_path) "/download" } data-download { (hidden_fields(session)) button.button { (icons::download()) "Download key file" } }
                @if offers_offline { (offline_activation::button(license_path)) }
            }
        }
    }
}

/// Returns a license of the user with its key string, or a problem that customers understand.
async fn read_own_key(
    table: &Table,
    key_strings: &KeyStrings,
    session: &Session,
    id: LicenseId,
) -> Result<OwnKey, Problem> {
    match own_key(table, key_strings, &session.user(), id).await {
        Err(KeyStringError::NotStored) => {
            let detail =
                "only you have this license key. Use the one that you received, or ask the vendor for a new one";
            Err(Problem::new(Code::KeyNotStored, detail))
        }
        found => found?.ok_or_else(Problem::not_found),
    }
}

/// Explains the key string, and offers to show it: it is never part of the response to a GET request.
pub(super) async fn confirm_show_key(
    viewer: Viewer,
    State(table): State<Table>,
    PathId(id): PathId<LicenseId>,
) -> Result<Response, Problem> {
    let license = queries::own_license(&table, &viewer.session.user(), id).await?;
    let path = links::own_license(id);
    let form = Form::new(format!("{path}/key"), Vec::new(), "Show license key", &path);
    Ok(FormPage::new(NavSection::Licenses, "Show license key", form)
        .breadcrumb(links::OWN_LICENSES, "Your licenses")
        .breadcrumb(path, &license.key_hint)
        .intro(html! { p.prose { "You enter it in the app. Keep it private: anyone who has it can use your seats." } })
        .render(&viewer))
}

/// Shows the key string.
pub(super) async fn show_key(
    viewer: Viewer,
    State(table): State<Table>,
    State(key_strings): State<KeyStrings>,
    PathId(id): PathId<LicenseId>,
    ctx: RequestContext,
) -> Result<Response, Problem> {
    let own = read_own_key(&table, &key_strings, &viewer.session, id).await?;
    let content = html! {
        div.stack {
            @if own.license.refusal(true, own.license.generation, ctx.now).is_some() {
                (banner(Tone::Warning, &html! { p { "This license is not active. Apps will reject its key." } }))
            }
            p.prose { "Keep it private: anyone who has it can use your seats." }
            (secret(own.license_key.expose(), "license key"))
            div.actions { (link_button(&links::own_license(id), "Back to license")) }
        }
    };
    Ok(PageLayout::new(NavSection::Licenses, "Your license key", content)
        .breadcrumb(links::OWN_LICENSES, "Your licenses")
        .render(&viewer))
}

/// Downloads the key file.
pub(super) async fn download(
    viewer: Viewer,
    State(table): State<Table>,
    State(catalog): State<CatalogCache>,
    State(key_strings): State<KeyStrings>,
    State(settings): State<Arc<Settings>>,
    PathId(id): PathId<LicenseId>,
    ctx: RequestContext,
) -> Result<Response, Problem> {
    let own = read_own_key(&table, &key_strings, &viewer.session, id).await?;
    let (catalog, ring) = tokio::try_join!(catalog.read(&table, ctx.now), table.ring())?;
    let product = catalog.products.get(&own.license.product_id).map_or("license", |product| product.code.as_str());
    let base = &settings.base_url;
    let file = KeyFile {
        license_key: own.license_key.expose(),
        license_id: id,
        license_configuration: format!("{base}/.well-known/license-configuration"),
        activation_endpoint: format!("{base}/api/v1.0/license-activations/activate"),
        heartbeat_endpoint: format!("{base}/api/v1.0/license-keys/heartbeat"),
        jwks_uri: format!("{base}/.well-known/jwks.json"),
        signed_jwks_uri: format!("{base}/.well-known/jwks.jwt"),
        app: AppFile::new(&settings, product, &ring),
    };
    json_attachment(&format!("{product}-key.json"), &file)
}

/// The key file: the license key, and everything that an app needs to activate and to verify tokens offline.
#[derive(Serialize)]
struct KeyFile<'a> {
    license_key: &'a str,
    license_id: LicenseId,
    license_configuration: String,
    activation_endpoint: String,
    heartbeat_endpoint: String,
    jwks_uri: String,
    signed_jwks_uri: String,
    #[serde(flatten)]
    app: AppFile,
}
