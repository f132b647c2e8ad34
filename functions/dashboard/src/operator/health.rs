//! The health page. A script polls the API's health endpoint from the operator's browser.

use axum::{Router, response::Response, routing::get};
use maud::html;
use shared::AppState;

use crate::{
    assets::Asset,
    links,
    ui::layout::{NavSection, PageLayout},
    viewer::Operator,
};

pub(crate) fn routes() -> Router<AppState> {
    Router::new().route(links::HEALTH, get(show))
}

async fn show(Operator(viewer): Operator) -> Response {
    let content = html! {
        div.health data-health-url="/health" {
            div.card.health-status data-status="pending" {
                p.health-title role="status" aria-live="polite" data-title { "Checking…" }
                p.muted data-since { "Updates every 3 seconds." }
                noscript { p { "Live updates need JavaScript. " a href="/health" { "View the raw status" } "." } }
            }
            section.section {
                div.section-header { h2 { "Response time" } }
                div.card.stack {
                    dl.description-list {
                        div { dt { "Latest" } dd data-latest { "–" } }
                        div { dt { "Median" } dd data-median { "–" } }
                        div { dt { "Slowest" } dd data-slowest { "–" } }
                        div { dt { "Checks" } dd data-count { "0" } }
                    }
                    svg.latency-chart data-chart viewBox="0 0 600 80" preserveAspectRatio="none" role="img" aria-label="Response times of the last 60 checks" {}
                }
            }
            section.section {
                div.section-header { h2 { "Dependencies" } }
                ul.list data-dependencies { li { span { "Not checked yet" } } }
            }
        }
    };
    PageLayout::new(NavSection::Health, "Health", content).script(Asset::Health).render(&viewer)
}
