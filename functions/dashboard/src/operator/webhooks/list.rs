//! The list of webhook endpoints.

use axum::{extract::State, response::Response};
use maud::{Markup, html};
use shared::{
    domain::webhooks::EventSelector,
    http::{ListQuery, Problem, RequestContext},
    store::Table,
};
use webhooks::endpoint::EndpointResource;

use super::endpoint::{NEW_PATH, resource, status_badge};
use crate::{
    links,
    ui::{
        components::{empty_state, primary_button, table},
        format,
        layout::{NavSection, PageLayout},
        notice::NoticeQuery,
    },
    viewer::Operator,
};

/// Lists the endpoints. There are few.
pub(super) async fn handler(
    Operator(viewer): Operator,
    State(store): State<Table>,
    ctx: RequestContext,
    query: Result<ListQuery<NoticeQuery>, Problem>,
) -> Result<Response, Problem> {
    let notice = query?.filter.notice;
    let endpoints = store.webhook_endpoints().await?;
    let endpoints: Vec<_> = endpoints.iter().map(|stored| resource(&stored.endpoint, ctx.now)).collect();
    let new = primary_button(NEW_PATH, "New endpoint");
    let content = html! {
        p.muted.prose { "Signet sends events to these URLs as they happen, signed with the secret of the endpoint." }
        @if endpoints.is_empty() {
            (empty_state("No webhook endpoints", "Add the URL of a program that should know about licenses.", &new))
        } @else {
            (endpoint_table(&endpoints))
        }
    };
    let layout = PageLayout::new(NavSection::Webhooks, "Webhooks", html! { div.stack { (content) } });
    Ok(layout.actions(new).notice(notice).render(&viewer))
}

fn endpoint_table(endpoints: &[EndpointResource]) -> Markup {
    let row = |endpoint: &EndpointResource| {
        vec![
            html! {
                a href=(links::webhook(endpoint.id)) { (endpoint.url) }
                @if let Some(text) = &endpoint.description { span.subtext { (text) } }
            },
            html! { (event_types(&endpoint.event_types)) },
            status_badge(endpoint),
            format::date(endpoint.created_at),
        ]
    };
    table("Webhook endpoints", ["URL", "Events", "Status", "Created"], endpoints.iter().map(row))
}

/// The event types in a few words.
fn event_types(selectors: &[EventSelector]) -> String {
    let names: Vec<_> = selectors.iter().map(ToString::to_string).collect();
    match names.len() {
        _ if selectors.contains(&EventSelector::All) => "All events".to_owned(),
        0..=3 => names.join(", "),
        count => format!("{}, and {} more", names[..2].join(", "), count - 2),
    }
}
