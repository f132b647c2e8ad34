//! The API's health, as the operator's browser sees it.

use axum::{Router, response::Response, routing::get};
use maud::html;
use shared::AppState;

use crate::{
    assets::Asset,
    enter::Operator,
    ui::shell::{Page, Place},
};

/// The page.
pub(crate) fn routes() -> Router<AppState> {
    Router::new().route("/dashboard/health", get(page))
}

async fn page(Operator(visit): Operator) -> Response {
    let content = html! {
        div.health data-health="/health" {
            div.card.health-now data-tone="waiting" {
                p.health-word role="status" aria-live="polite" data-word { "Asking …" }
                p.muted data-since { "This page asks every three seconds." }
                noscript { p { "A script asks again and again. Without one, " a href="/health" { "ask once" } "." } }
            }
            section.section {
                div.section-head { h2 { "How long an answer takes" } }
                div.card.stack {
                    dl.facts {
                        div { dt { "Now" } dd data-now { "–" } }
                        div { dt { "Median" } dd data-median { "–" } }
                        div { dt { "Slowest" } dd data-worst { "–" } }
                        div { dt { "Asked" } dd data-count { "0 times" } }
                    }
                    svg.health-plot data-plot viewBox="0 0 600 80" preserveAspectRatio="none" role="img" aria-label="Time to answer, the last sixty times" {}
                }
            }
            section.section {
                div.section-head { h2 { "What it needs" } }
                ul.feed data-checks { li { span { "Not asked yet" } } }
            }
        }
    };
    Page::new(Place::Health, "Health", content).script(Asset::Health).render(&visit)
}
