//! The page of a delivery: the request, the response, and a button that sends it again.

use axum::{extract::State, response::Response};
use maud::{Markup, html};
use serde::de::IgnoredAny;
use serde_json::json;
use shared::{
    domain::webhooks::{Attempt, AttemptOutcome, Delivery, DeliveryId, SendError},
    http::{ListQuery, PathId, Problem, RequestContext},
    store::Table,
};

use super::endpoint::{delivery_badge, read};
use crate::{
    api::Api,
    form_data::FormData,
    links,
    ui::{
        components::{copyable, description_list, section},
        format,
        forms::hidden_fields,
        layout::{NavSection, PageLayout},
        notice::{Notice, NoticeQuery},
    },
    viewer::Operator,
};

pub(super) async fn handler(
    Operator(viewer): Operator,
    State(table): State<Table>,
    PathId(id): PathId<DeliveryId>,
    ctx: RequestContext,
    query: Result<ListQuery<NoticeQuery>, Problem>,
) -> Result<Response, Problem> {
    let notice = query?.filter.notice;
    let (endpoint, delivery) = tokio::join!(read(&table, id.endpoint), table.webhook_delivery(id, ctx.now));
    let (endpoint, delivery) = (endpoint?, delivery?.ok_or_else(Problem::not_found)?);
    let event = table.event_record(&delivery.event.partition, delivery.event.id).await?;
    let body = event.map(|event| event.to_json()).transpose().map_err(|error| Problem::internal(error.to_string()))?;
    let content = html! {
        (description_list(&details(&delivery, endpoint.is_active())))
        (section("Request", &html! {}, &request(&delivery, body.as_deref())))
        (section("Response", &html! {}, &response(delivery.last_attempt.as_ref())))
    };
    let retry = html! {
        form method="post" action={ (links::webhook_delivery(&id.to_string())) "/retry" } {
            (hidden_fields(&viewer.session))
            button.button.primary { "Send again" }
        }
    };
    let layout = PageLayout::new(NavSection::Webhooks, &*delivery.event.kind, content)
        .breadcrumb(links::WEBHOOKS, "Webhooks")
        .breadcrumb(links::webhook(id.endpoint), &*endpoint.url)
        .badge(delivery_badge(delivery.status()))
        .actions(html! { @if endpoint.is_active() { (retry) } });
    Ok(layout.notice(notice).render(&viewer))
}

fn details(delivery: &Delivery, is_active: bool) -> Vec<(&'static str, Markup)> {
    let next_attempt = delivery.due_at().map(|at| if is_active { format::exact_date_time(at) } else { when_active() });
    vec![
        ("Attempts", html! { (format::number(delivery.attempts.into())) }),
        ("Next attempt", format::or(next_attempt, "–")),
        ("Created", format::exact_date_time(delivery.created_at)),
        ("Event ID", copyable(&delivery.event.id.to_string(), "event ID")),
        ("Delivery ID", copyable(&delivery.id().to_string(), "delivery ID")),
    ]
}

fn request(delivery: &Delivery, body: Option<&[u8]>) -> Markup {
    let sent_at = delivery.last_attempt.as_ref().map(|attempt| attempt.at.as_second());
    let pretty = body.map(|body| {
        let value: Result<serde_json::Value, _> = serde_json::from_slice(body);
        let pretty = value.ok().and_then(|value| serde_json::to_string_pretty(&value).ok());
        pretty.unwrap_or_else(|| String::from_utf8_lossy(body).into_owned())
    });
    html! {
        div.stack {
            pre.code-block tabindex="0" aria-label="Request headers" {
                "content-type: application/json\n"
                "webhook-id: " (delivery.event.id) "\n"
                @if let Some(time) = sent_at { "webhook-timestamp: " (time) "\n" }
                "webhook-signature: v1,… (computed for each attempt)"
            }
            @match pretty {
                Some(text) => { pre.code-block tabindex="0" aria-label="Request body" { (text) } }
                None => { p.muted { "The event can't be read." } }
            }
        }
    }
}

fn response(attempt: Option<&Attempt>) -> Markup {
    let Some(attempt) = attempt else { return html! { p.muted { "No attempt has ended yet." } } };
    html! {
        div.stack {
            (description_list(&[
                ("Result", html! { (outcome(&attempt.outcome)) }),
                ("Duration", html! { (format::number(attempt.duration_ms.into())) " ms" }),
                ("Sent", format::exact_date_time(attempt.at)),
            ]))
            @if let AttemptOutcome::Response { body, .. } = &attempt.outcome {
                @if body.is_empty() { p.muted { "The body was empty." } }
                @else { pre.code-block tabindex="0" aria-label="Response body" { (body) } }
            }
        }
    }
}

/// When a delivery to an endpoint that is not active is attempted.
pub(super) fn when_active() -> Markup {
    html! { "When the endpoint is active" }
}

/// How an attempt ended, in a few words.
pub(super) fn outcome(outcome: &AttemptOutcome) -> String {
    match outcome {
        AttemptOutcome::Response { status, .. } => status.to_string(),
        AttemptOutcome::NoResponse(error) => match error {
            SendError::Timeout => "No response in time",
            SendError::DnsFailed => "Host name not found",
            SendError::AddressForbidden => "Not a public address",
            SendError::ConnectionFailed => "Connection failed",
            SendError::UrlForbidden => "URL not allowed",
            SendError::EventUnavailable => "Event can't be read",
            SendError::EventTooLarge => "Event is too large",
        }
        .to_owned(),
    }
}

pub(super) async fn retry(
    Operator(_): Operator,
    api: Api,
    PathId(id): PathId<DeliveryId>,
    data: FormData,
) -> Result<Response, Problem> {
    api.post::<IgnoredAny>(&format!("/api/v1.0/webhook-deliveries/{id}/retry"), &data, &json!({})).await?;
    Ok(Notice::Retried.redirect_to(&links::webhook_delivery(&id.to_string())))
}
