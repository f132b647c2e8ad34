//! The API's health: once, as the server sees it, and where a script runs, on and on, as the browser does.

use axum::response::Response;
use discovery::health::{CheckResource, Health, probe};
use maud::{Markup, html};

use crate::{
    assets::Asset,
    enter::Operator,
    ui::{
        components::{badge, section},
        shell::{Page, Place},
        show,
    },
};

/// The page.
pub(crate) async fn page(Operator(visit): Operator) -> Response {
    let health = Box::pin(probe(&visit.services, visit.call.now)).await;
    let (word, tone) = words(health.status);
    let content = html! {
        div data-health="/health" {
            div.state.(tone) data-tone {
                p.state-word role="status" aria-live="polite" data-word { (word) }
                p.muted data-since { "As of " (show::time(visit.call.now)) }
                p.muted data-no-script { "Load this page again to ask again." }
            }
            figure.live data-script {
                svg viewBox="0 0 600 80" preserveAspectRatio="none" role="img" aria-label="How long the last 60 answers took" data-plot {}
                figcaption {
                    dl.facts {
                        div { dt { "Now" } dd data-now { "–" } }
                        div { dt { "Median" } dd data-median { "–" } }
                        div { dt { "Worst" } dd data-worst { "–" } }
                        div { dt { "Asked" } dd data-count { "–" } }
                    }
                }
            }
            (section("What it needs", &html! {}, &html! {
                ul.feed data-checks { @for check in &health.checks { (row(check)) } }
            }))
            p.muted.after { "Version " (health.version) }
        }
    };
    Page::new(Place::Health, "Health", content).script(Asset::Health).draw(&visit)
}

/// The script has the same words.
fn words(health: Health) -> (&'static str, &'static str) {
    match health {
        Health::Ok => ("All is well", "good"),
        Health::Degraded => ("It answers, but not as it should", "warn"),
        Health::Down => ("Down: what it needs does not answer", "bad"),
    }
}

fn row(check: &CheckResource) -> Markup {
    let (word, tone) = match check.status {
        Health::Ok => ("Good", "good"),
        Health::Degraded => ("Degraded", "warn"),
        Health::Down => ("Down", "bad"),
    };
    html! {
        li data-check=(check.name) {
            span { (name(check.name)) " " span.muted { (check.latency_ms) " ms" } }
            (badge(word, tone))
        }
    }
}

fn name(check: &'static str) -> &'static str {
    match check {
        "dynamodb" => "The table",
        "signing" => "Signing",
        "signed_keys" => "The signed set of keys",
        "oidc" => "Sign-in",
        other => other,
    }
}
