//! The page of a webhook endpoint: its health and its deliveries.

use axum::{extract::State, response::Response};
use maud::{Markup, html};
use serde::Deserialize;
use shared::{
    domain::{
        Timestamp, WebhookEndpointId,
        webhooks::{Delivery, DeliveryStatus, EventSelector},
    },
    http::{ListQuery, PathId, Problem, RequestContext},
    store::Table,
};
use webhooks::{endpoint::EndpointResource, list_deliveries::list_deliveries};

use super::{
    actions::{WebhookAction, action_button},
    delivery::{outcome, when_active},
    endpoint::{delivery_badge, disabled_text, read, resource, status_badge},
};
use crate::{
    links,
    ui::{
        components::{
            Tone, banner, copyable, description_list, empty_state, link_button, no_matches_so_far, pagination, section,
            table,
        },
        format,
        layout::{NavSection, PageLayout},
        notice::Notice,
    },
    viewer::Operator,
};

/// The query of the page.
#[derive(Debug, Deserialize)]
pub(super) struct DeliveriesQuery {
    status: Option<DeliveryStatus>,
    notice: Option<Notice>,
}

/// The statuses with their labels.
const STATUSES: [(DeliveryStatus, &str); 3] = [
    (DeliveryStatus::Pending, "Pending"),
    (DeliveryStatus::Delivered, "Delivered"),
    (DeliveryStatus::Failed, "Failed"),
];

pub(super) async fn handler(
    Operator(viewer): Operator,
    State(store): State<Table>,
    PathId(id): PathId<WebhookEndpointId>,
    ctx: RequestContext,
    query: Result<ListQuery<DeliveriesQuery>, Problem>,
) -> Result<Response, Problem> {
    let ListQuery { filter: query, paging } = query?;
    let endpoint = resource(&read(&store, id).await?, ctx.now);
    let found = list_deliveries(&store, id, query.status, ctx.now, &paging).await?.ok_or_else(Problem::not_found)?;
    let path = links::webhook(id);
    let status = query.status.map_or("", DeliveryStatus::as_str);
    let url = |cursor: &str| links::with_query(&path, &[("status", status), ("cursor", cursor)]);
    let content = html! {
        (health_banner(&endpoint))
        (description_list(&details(&endpoint)))
        (section("Deliveries", &html! { @if endpoint.is_active { (action_button(id, WebhookAction::Replay)) } }, &html! {
            (filter_form(&path, query.status))
            @if !found.items.is_empty() {
                (delivery_table(&found.items, endpoint.is_active, ctx.now))
                (pagination(&paging, found.next.as_deref(), url))
            } @else if let Some(next) = &found.next {
                (no_matches_so_far("Older deliveries have not been searched yet.", &url(next), &path))
            } @else {
                (empty_state("No deliveries", "Deliveries of the last 30 days appear here.", &html! {}))
            }
        }))
    };
    let layout = PageLayout::new(NavSection::Webhooks, &*endpoint.url, content)
        .breadcrumb(links::WEBHOOKS, "Webhooks")
        .badge(status_badge(&endpoint))
        .actions(html! {
            (link_button(&links::activity_of(&id.to_string()), "Activity"))
            @if endpoint.is_active { (action_button(id, WebhookAction::Test)) }
            (link_button(&format!("{path}/edit"), "Edit"))
            (action_button(id, WebhookAction::RotateSecret))
            (action_button(id, WebhookAction::Delete))
        });
    Ok(layout.notice(query.notice).render(&viewer))
}

fn health_banner(endpoint: &EndpointResource) -> Markup {
    html! {
        @if let Some(reason) = endpoint.disabled_reason {
            (banner(Tone::Danger, &html! { p { (disabled_text(reason)) " Edit it to activate it again." } }))
        } @else if let Some(since) = endpoint.failing_since.filter(|_| endpoint.is_active) {
            (banner(Tone::Warning, &html! {
                p { "Every attempt since " (format::date_time(since)) " has failed. After five days, Signet disables the endpoint." }
            }))
        }
    }
}

fn details(endpoint: &EndpointResource) -> Vec<(&'static str, Markup)> {
    let types: Vec<_> = endpoint.event_types.iter().map(EventSelector::to_string).collect();
    let mut details = vec![
        ("Events", html! { @if types == ["*"] { "All events" } @else { (types.join(", ")) } }),
        ("Description", html! { (endpoint.description.as_deref().unwrap_or("–")) }),
        ("Created", format::exact_date_time(endpoint.created_at)),
        ("ID", copyable(&endpoint.id.to_string(), "ID")),
    ];
    if let Some(end) = endpoint.previous_secret_expires_at {
        details.push(("Previous secret valid until", format::exact_date_time(end)));
    }
    details
}

fn filter_form(path: &str, selected: Option<DeliveryStatus>) -> Markup {
    html! {
        form.filters method="get" action=(path) {
            div.form-field {
                label for="filter-status" { "Status" }
                select #filter-status name="status" data-submit-on-change {
                    option value="" { "Any status" }
                    @for (status, label) in STATUSES {
                        option value=(status.as_str()) selected[Some(status) == selected] { (label) }
                    }
                }
            }
            button.button data-no-script { "Filter" }
        }
    }
}

fn delivery_table(deliveries: &[Delivery], is_active: bool, now: Timestamp) -> Markup {
    let row = |delivery: &Delivery| {
        vec![
            html! { a href=(links::webhook_delivery(&delivery.id().to_string())) { (delivery.event.kind) } },
            delivery_badge(delivery.status()),
            html! { (delivery.last_attempt.as_ref().map_or_else(|| "–".to_owned(), |attempt| outcome(&attempt.outcome))) },
            html! { (format::number(delivery.attempts.into())) },
            format::or(delivery.last_attempt.as_ref().map(|attempt| format::date_time(attempt.at)), "–"),
            format::or(
                delivery.due_at().map(|at| match at {
                    _ if !is_active => when_active(),
                    at if at > now => format::time_until(at, now),
                    _ => html! { "Now" },
                }),
                "–",
            ),
        ]
    };
    let columns = ["Event", "Status", "Response", "Attempts", "Last attempt", "Next attempt"];
    table("Deliveries", columns, deliveries.iter().map(row))
}
