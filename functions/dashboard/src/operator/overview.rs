//! The overview: statistics, which a scheduled function updates, and recent activity.

use axum::response::Response;
use jiff::SignedDuration;
use maud::{Markup, html};
use shared::{
    domain::{
        Catalog, Event, Timestamp,
        statistics::{DayCounts, LicenseSummary, MAX_LATEST_EVENTS, Shortlist, Statistics, latest_events},
    },
    http::Problem,
    store::{Table, catalog::CatalogCache},
};

use super::activity::{ActivityNames, activity_feed};
use crate::{
    links,
    session::Session,
    ui::{
        chart,
        components::{Tone, banner, empty_state, primary_button, seat_usage, section, table},
        format,
        layout::{NavSection, PageLayout},
    },
    viewer::Viewer,
};

/// How far the page looks back for recent events before the first statistics exist.
const INITIAL_LOOKBACK: SignedDuration = SignedDuration::from_hours(24);

/// Shows the overview. The number of reads does not depend on the number of licenses: it reads the statistics and the
/// events since their last update.
pub(crate) async fn show(
    viewer: &Viewer,
    table: &Table,
    catalog: &CatalogCache,
    now: Timestamp,
) -> Result<Response, Problem> {
    let (statistics, catalog) = tokio::try_join!(table.statistics(), catalog.read(table, now))?;
    let since = statistics.as_ref().map_or(now - INITIAL_LOOKBACK, |statistics| statistics.made_at);
    let newer = table.events_since(since, now, MAX_LATEST_EVENTS).await?;
    let latest = latest_events(newer, statistics.as_ref().map_or(&[], |statistics| &statistics.latest));
    let content = html! {
        @match &statistics {
            Some(statistics) => (statistics_sections(statistics, &catalog, now)),
            None => (banner(Tone::Info, &html! { p { "Statistics update hourly. The first update is on its way." } })),
        }
        (section("Recent activity", &html! {}, &recent_activity(&viewer.session, &latest, &catalog)))
    };
    let issue = primary_button(links::NEW_LICENSE_KEY, "Issue license");
    Ok(PageLayout::new(NavSection::Overview, "Overview", content).actions(issue).render(viewer))
}

/// The next step of the setup, or else the recent events.
fn recent_activity(session: &Session, events: &[Event], catalog: &Catalog) -> Markup {
    if catalog.products.is_empty() {
        let action = primary_button("/dashboard/products/new", "New product");
        return empty_state(
            "Create your first product",
            "A product is an app you license. Add tiers and features to it, then issue licenses.",
            &action,
        );
    }
    if events.is_empty() {
        let action = primary_button(links::NEW_LICENSE_KEY, "Issue license");
        return empty_state(
            "No recent activity",
            "Licenses you issue and machines that activate appear here.",
            &action,
        );
    }
    activity_feed(events, ActivityNames { catalog, session, license: None })
}

fn statistics_sections(statistics: &Statistics, catalog: &Catalog, now: Timestamp) -> Markup {
    let statuses = &statistics.statuses;
    let updated = html! { p.muted { "Updated " (format::time_ago(statistics.made_at, now)) } };
    let expires = |license: &LicenseSummary| format::or(license.expires_at.map(format::date), "–");
    let seats = |license: &LicenseSummary| seat_usage(license.seats_used, license.max_users);
    html! {
        @if !statistics.is_complete {
            (banner(Tone::Info, &html! { p { "Existing licenses are still being counted. These numbers will rise." } }))
        }
        (section("Licenses", &updated, &html! {
            div.stat-grid {
                (stat_card("Active", statuses.active, "active"))
                (stat_card("Suspended", statuses.suspended, "suspended"))
                (stat_card("Expired", statuses.expired, "expired"))
                (stat_card("Superseded", statuses.superseded, "superseded"))
                (stat_card("Revoked", statuses.revoked, "revoked"))
            }
        }))
        (section("Last 30 days", &html! {}, &html! {
            div.charts {
                (daily_chart("Licenses issued", Tone::Info, &statistics.days, |day| day.issued))
                (daily_chart("Machines activated", Tone::Info, &statistics.days, |day| day.activated))
                (daily_chart("Machines deactivated", Tone::Neutral, &statistics.days, |day| day.deactivated))
                (daily_chart("Licenses revoked", Tone::Danger, &statistics.days, |day| day.revoked))
            }
        }))
        div.section.columns {
            (shortlist("Expiring in 30 days", &statistics.ending, "Nothing expires in the next 30 days.", catalog, ("Expires", &expires)))
            (shortlist("Near seat limit", &statistics.nearly_full, "No licenses are near their seat limit.", catalog, ("Seats", &seats)))
        }
    }
}

fn stat_card(name: &str, count: u64, status: &str) -> Markup {
    html! {
        a.stat-card href={ (links::LICENSE_KEYS) "?status=" (status) } {
            span.stat-label { (name) }
            span.stat-value { (format::number(count)) }
        }
    }
}

fn daily_chart(title: &str, tone: Tone, days: &[DayCounts], count: fn(&DayCounts) -> u64) -> Markup {
    chart::daily_chart(title, tone, &days.iter().map(|day| (day.date, count(day))).collect::<Vec<_>>())
}

/// A table of licenses with one column of its own.
fn shortlist(
    title: &str,
    list: &Shortlist,
    empty_text: &str,
    catalog: &Catalog,
    (column, cell): (&str, &dyn Fn(&LicenseSummary) -> Markup),
) -> Markup {
    let columns = ["License key", "Customer", column];
    let row = |license: &LicenseSummary| {
        let tier = catalog.tiers.get(&license.tier_id).map_or("–", |tier| tier.name.as_str());
        vec![
            html! { a href=(links::license_key(license.license_id)) { code { (license.key_hint) } } span.subtext { (tier) } },
            html! { @if let Some(id) = license.customer_id { a href=(links::customer(id)) { (license.customer_name) } } @else { "–" } },
            cell(license),
        ]
    };
    let shown = list.first.len() as u64;
    let total = html! { @if list.count > shown { p.muted { (shown) " of " (format::number(list.count)) } } };
    section(
        title,
        &total,
        &html! {
            @if list.first.is_empty() { p.muted { (empty_text) } }
            @else { (table(title, columns, list.first.iter().map(row))) }
        },
    )
}
