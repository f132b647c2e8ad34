//! The page that says what will be issued, before it is.

use licenses::issue::IssuePreview;
use maud::{Markup, html};
use shared::{
    domain::{BillingPeriod, Catalog, Customer, License, Tier},
    http::Problem,
    store::Table,
};

use super::terms::{PREVIEWED, tier_default};
use crate::{
    form_data::FormData,
    links,
    ui::{
        components::{Tone, banner, description_list},
        form_page::FormPage,
        format,
        forms::Form,
        layout::NavSection,
    },
};

/// A license that a new one would replace, and its number of machines.
struct Replaced {
    license: License,
    machines: usize,
}

/// Returns the page. Its form has the fields that were submitted with `form`, hidden.
pub(super) async fn page(
    table: &Table,
    (catalog, tier, customer): (&Catalog, &Tier, &Customer),
    (form, data): (&FormPage, &FormData),
    preview: IssuePreview,
) -> Result<FormPage, Problem> {
    let replaced = match preview.superseded {
        Some(license) => Some(Replaced { machines: table.seats_used(&license).await?, license }),
        None => None,
    };
    let product = catalog.products.get(&tier.product_id);
    let rows = [
        ("Customer", html! { a href=(links::customer(customer.id)) { (format::customer_name(customer)) } }),
        ("Tier", html! { (product.map_or("–", |product| product.name.as_str())) " " (tier.name) }),
        ("Price", html! { (price(tier)) }),
        ("Seats", seats(preview.max_users, tier)),
        ("License term", html! { (term(data, tier)) }),
        ("Expires", format::or(preview.expires_at.map(format::date_time), "Never")),
    ];
    let inputs = form.carried(data, PREVIEWED);
    let form = Form::new(links::NEW_LICENSE_KEY, inputs, "Issue license", links::LICENSE_KEYS).with_back();
    Ok(FormPage::new(NavSection::LicenseKeys, "Issue this license?", form)
        .breadcrumb(links::LICENSE_KEYS, "Licenses")
        .intro(html! {
            @if let Some(replaced) = &replaced { (replaced_banner(replaced)) }
            @if let Some(product) = product.filter(|product| !product.is_active) {
                (banner(Tone::Warning, &html! { p { (product.name) " is inactive: the license can't be used until you activate the product." } }))
            }
            (description_list(&rows))
        }))
}

fn replaced_banner(replaced: &Replaced) -> Markup {
    let Replaced { license, machines } = replaced;
    banner(
        Tone::Warning,
        &html! {
            p {
                "Replaces " a href=(links::license_key(license.id)) { (license.key_hint) } ", "
                (format::count(*machines as u64, "machine")) ". It stops working permanently, and its machines must activate with the \
                 new key. To keep the key, renew or change that license instead."
            }
        },
    )
}

/// The price of a tier for its term.
fn price(tier: &Tier) -> String {
    let price = |amount| format::price(amount, &tier.currency);
    match tier.billing_period {
        BillingPeriod::Monthly if !format::is_free(tier) => format!("{} / month", price(tier.monthly_price)),
        BillingPeriod::Annual if !format::is_free(tier) => format!("{} / year", price(tier.annual_price)),
        _ => format::prices(tier),
    }
}

fn seats(max_users: Option<u32>, tier: &Tier) -> Markup {
    html! {
        (format::limit(max_users, "seat"))
        (tier_default(max_users, tier))
    }
}

/// The length of the license that was chosen in the form.
fn term(data: &FormData, tier: &Tier) -> &'static str {
    match (data.get("expiry"), tier.billing_period) {
        ("date", _) => "Custom",
        ("never", _) | (_, BillingPeriod::Perpetual) => "Perpetual",
        (_, BillingPeriod::Monthly) => "1 month",
        (_, BillingPeriod::Annual) => "1 year",
    }
}
