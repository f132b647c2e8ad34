//! The page that says what a change of a license will change, before it is made.

use licenses::change::{ChangedLicense, LicenseTerms};
use maud::{Markup, html};
use shared::domain::{Catalog, SeatUnit, TierId};

use super::terms::{PREVIEWED, tier_default};
use crate::{
    form_data::FormData,
    links,
    ui::{components::description_list, form_page::FormPage, format, forms::Form, layout::NavSection},
};

/// Returns the page. Its form has the fields that were submitted with `form`, hidden.
pub(super) fn page(catalog: &Catalog, (form, data): (&FormPage, &FormData), preview: &ChangedLicense) -> FormPage {
    let license_path = links::license_key(preview.license.id);
    let inputs = form.carried(data, PREVIEWED);
    let form = Form::new(format!("{license_path}/change"), inputs, "Change", &license_path).with_back();
    FormPage::new(NavSection::LicenseKeys, "Change this license?", form)
        .breadcrumb(links::LICENSE_KEYS, "Licenses")
        .breadcrumb(license_path, &preview.license.key_hint)
        .intro(intro(catalog, preview))
}

fn intro(catalog: &Catalog, preview: &ChangedLicense) -> Markup {
    let rows = rows(catalog, &preview.from, &preview.to);
    let count = preview.activations_without_seat;
    html! {
        @if rows.is_empty() { p.prose { "Nothing changes." } } @else { (description_list(&rows)) }
        @if count > 0 {
            p.prose { (format::count(count as u64, "machine")) " will lose the seat, and activate again with the next heartbeat." }
        }
        p.muted.prose { "Overrides of this license stay. Apps get the new features with their next heartbeat." }
    }
}

/// What differs between the terms. If anything does, the seats are shown also if they stay.
fn rows(catalog: &Catalog, from: &LicenseTerms, to: &LicenseTerms) -> Vec<(&'static str, Markup)> {
    let tier = |id: TierId| catalog.tiers.get(&id).map_or("–", |tier| tier.name.as_str()).to_owned();
    let tenants = |terms: &LicenseTerms| format::limit(terms.max_tenants, "tenant");
    let unit = |terms: &LicenseTerms| match terms.seat_unit {
        SeatUnit::Machine => "Machines",
        SeatUnit::Process => "Running processes",
    };
    let borrow = |terms: &LicenseTerms| match terms.max_borrow_seconds {
        0 => "Not at all".to_owned(),
        seconds => format::duration(jiff::SignedDuration::from_secs(seconds.into())),
    };
    let end = |terms: &LicenseTerms| format::or(terms.honoured_until.map(format::date_time), "Never");
    let mut rows = Vec::new();
    let mut row = |name, old: String, new: String| {
        if old != new {
            rows.push((name, html! { (old) " → " strong { (new) } }));
        }
    };
    row("Tier", tier(from.tier_id), tier(to.tier_id));
    row("Seats are held by", unit(from).to_owned(), unit(to).to_owned());
    row("Longest borrow", borrow(from), borrow(to));
    row("Tenants", tenants(from), tenants(to));
    if from.honoured_until != to.honoured_until {
        rows.push(("Stops working", html! { (end(from)) " → " strong { (end(to)) } }));
    }
    if from != to {
        let at = rows.iter().take_while(|(name, _)| *name == "Tier").count();
        rows.insert(at, ("Seats", seats(catalog, from, to)));
    }
    let without = |these: &LicenseTerms, those: &LicenseTerms| -> Vec<String> {
        these.features.iter().filter(|key| !those.features.contains(key)).cloned().collect()
    };
    for (name, keys) in [("Features added", without(to, from)), ("Features removed", without(from, to))] {
        if !keys.is_empty() {
            rows.push((name, html! { (keys.join(", ")) }));
        }
    }
    let changed: Vec<_> = limits(from, to);
    if !changed.is_empty() {
        rows.push(("Limits", html! { (changed.join(", ")) }));
    }
    rows
}

/// The seats before and after, and those of the tier if they differ.
fn seats(catalog: &Catalog, from: &LicenseTerms, to: &LicenseTerms) -> Markup {
    let text = |max_users| format::limit(max_users, "seat");
    let tier = catalog.tiers.get(&to.tier_id);
    html! {
        @if from.max_users == to.max_users {
            (text(to.max_users)) " (unchanged)"
        } @else {
            (text(from.max_users)) " → " strong { (text(to.max_users)) }
        }
        @if let Some(tier) = tier { (tier_default(to.max_users, tier)) }
    }
}

/// The limits that differ, such as `export.rows: 1,000 → unlimited`.
fn limits(from: &LicenseTerms, to: &LicenseTerms) -> Vec<String> {
    let text = |terms: &LicenseTerms, key: &String| match terms.feature_limits.get(key) {
        None => "none".to_owned(),
        Some(None) => "unlimited".to_owned(),
        Some(Some(limit)) => format::number(*limit),
    };
    let keys: std::collections::BTreeSet<_> = from.feature_limits.keys().chain(to.feature_limits.keys()).collect();
    let changed = keys.into_iter().filter(|key| from.feature_limits.get(*key) != to.feature_limits.get(*key));
    changed.map(|key| format!("{key}: {} → {}", text(from, key), text(to, key))).collect()
}
