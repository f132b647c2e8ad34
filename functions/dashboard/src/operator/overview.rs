//! The overview: how things stand, from figures that a scheduled run makes, and the latest events.

use axum::response::Response;
use jiff::SignedDuration;
use maud::{Markup, html};
use shared::{
    domain::{
        Catalog, Event,
        statistics::{Day, LATEST, Listed, Shortlist, Statistics, latest},
    },
    http::Problem,
};

use super::{customers, events::feed, license_keys};
use crate::{
    enter::Visit,
    ui::{
        components::{Column, empty, notice, primary_link, seats, section, table},
        plot,
        shell::{Page, Place},
        show,
    },
};

/// Where no figures are made yet, the latest events are those of this long ago at most.
const LATELY: SignedDuration = SignedDuration::from_hours(24);

/// The page. However many license keys there are, it costs the same: the figures, and the events since they were made.
pub(crate) async fn page(visit: &Visit) -> Result<Response, Problem> {
    let app = &visit.app;
    let now = visit.ctx.now;
    let (statistics, catalog) = tokio::try_join!(app.table.statistics(), app.catalog.read(&app.table, now))?;
    let since = statistics.as_ref().map_or(now - LATELY, |statistics| statistics.made_at);
    let newer = app.table.events_since(since, now, LATEST).await?;
    let latest = latest(newer, statistics.as_ref().map_or(&[], |statistics| &statistics.latest));
    let content = html! {
        @match &statistics {
            Some(statistics) => (figures(visit, statistics, &catalog)),
            None => (notice("calm", &html! { p { "The figures are made by a run every hour: the first is still to come." } })),
        }
        (section("Latest events", &html! {}, &events(&latest, &catalog)))
    };
    let issue = primary_link("/dashboard/license-keys/new", "Issue a key");
    Ok(Page::new(Place::Overview, "Overview", content).actions(issue).render(visit))
}

/// What happened last; at the very beginning, what to do first.
fn events(latest: &[Event], catalog: &Catalog) -> Markup {
    let (title, text, action) = if catalog.products.is_empty() {
        (
            "Begin with a product",
            "A product is a piece of software that is licensed; it has pricing tiers, which customers buy.",
            primary_link("/dashboard/products/new", "New product"),
        )
    } else {
        (
            "Nothing has happened yet",
            "Issuing a license key is the first event.",
            primary_link("/dashboard/license-keys/new", "Issue a key"),
        )
    };
    if latest.is_empty() { empty(title, text, &action) } else { feed(latest, true) }
}

fn figures(visit: &Visit, statistics: &Statistics, catalog: &Catalog) -> Markup {
    let statuses = &statistics.statuses;
    let age = html! { p.muted { "Counted " (show::ago(statistics.made_at, visit.ctx.now)) } };
    html! {
        (section("License keys", &age, &html! {
            div.tiles {
                (tile("Active", statuses.active, "active"))
                (tile("Suspended", statuses.suspended, "suspended"))
                (tile("Expired", statuses.expired, "expired"))
                (tile("Superseded", statuses.superseded, "superseded"))
                (tile("Revoked", statuses.revoked, "revoked"))
            }
        }))
        (section("The last 30 days", &html! {}, &html! {
            div.plots {
                (plotted("Issued", "", &statistics.days, |day| day.issued))
                (plotted("Activated", "", &statistics.days, |day| day.activated))
                (plotted("Deactivated", "dim", &statistics.days, |day| day.deactivated))
                (plotted("Revoked", "bad", &statistics.days, |day| day.revoked))
            }
        }))
        div.section.columns {
            (shortlist("Ending within 30 days", &statistics.ending, "No license key ends soon.", catalog, |key| key.expires_at.map_or_else(|| html! { "–" }, show::day), "Ends"))
            (shortlist("Hardly a seat left", &statistics.nearly_full, "Every license key has seats to spare.", catalog, |key| seats(key.seats_used, key.max_users), "Seats"))
        }
    }
}

fn tile(name: &str, count: u64, status: &str) -> Markup {
    html! {
        a.tile href={ (license_keys::HERE) "?status=" (status) } {
            span.tile-name { (name) }
            span.tile-number { (show::number(count)) }
        }
    }
}

fn plotted(name: &str, tone: &str, days: &[Day], read: fn(&Day) -> u64) -> Markup {
    plot::days(name, tone, &days.iter().map(|day| (day.date, read(day))).collect::<Vec<_>>())
}

fn shortlist(
    title: &str,
    list: &Shortlist,
    none: &str,
    catalog: &Catalog,
    last: fn(&Listed) -> Markup,
    name: &str,
) -> Markup {
    let columns = [Column::new("License key"), Column::new("Customer"), Column::new(name)];
    let row = |key: &Listed| {
        let tier = catalog.tiers.get(&key.tier_id).map_or("–", |tier| tier.name.as_str());
        vec![
            html! { a href=(license_keys::path(key.license_id)) { code { (key.key_hint) } } span.sub { (tier) } },
            html! { a href=(customers::path(key.customer_id)) { (key.customer_name) } },
            last(key),
        ]
    };
    let shown = list.first.len() as u64;
    let more = html! { @if list.count > shown { p.muted { (shown) " of " (show::number(list.count)) } } };
    section(
        title,
        &more,
        &html! {
            @if list.first.is_empty() { p.muted { (none) } }
            @else { (table(title, &columns, &list.first.iter().map(row).collect::<Vec<_>>())) }
        },
    )
}
