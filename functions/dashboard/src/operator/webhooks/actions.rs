//! The actions on a webhook endpoint, each with a confirmation page.

use std::str::FromStr;

use axum::{extract::State, response::Response};
use maud::{Markup, html};
use serde::de::IgnoredAny;
use serde_json::{Value, json};
use shared::{
    domain::{WebhookEndpointId, webhooks::WebhookEndpoint},
    http::Problem,
    store::Table,
};

use super::{
    endpoint::{api_path, read},
    form::show_secret,
};
use crate::{
    api::Api,
    form_data::FormData,
    links,
    ui::{
        components::{destructive_dialog_button, dialog_button},
        form_page::FormPage,
        forms::Form,
        inputs::Input,
        layout::NavSection,
        notice::Notice,
    },
    viewer::{Operator, PathIds},
};

/// The maximum number of requests of one replay, each of up to 500 events.
const MAX_REPLAY_REQUESTS: usize = 20;

/// An action on a webhook endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WebhookAction {
    Test,
    RotateSecret,
    Replay,
    Delete,
}

impl WebhookAction {
    const ALL: [Self; 4] = [Self::Test, Self::RotateSecret, Self::Replay, Self::Delete];

    /// The last segment of the page's path.
    fn path_segment(self) -> &'static str {
        match self {
            Self::Test => "test",
            Self::RotateSecret => "rotate-secret",
            Self::Replay => "replay",
            Self::Delete => "delete",
        }
    }

    /// The label of buttons.
    fn label(self) -> &'static str {
        match self {
            Self::Test => "Send test event",
            Self::RotateSecret => "Rotate secret",
            Self::Replay => "Replay events",
            Self::Delete => "Delete",
        }
    }

    fn title(self) -> &'static str {
        match self {
            Self::Test => "Send a test event?",
            Self::RotateSecret => "Rotate the secret?",
            Self::Replay => "Replay events",
            Self::Delete => "Delete this endpoint?",
        }
    }

    fn description(self, endpoint: &WebhookEndpoint) -> Markup {
        match self {
            Self::Test => {
                html! { "Sends an event of the type " code { "webhook_endpoint.test" } " to this endpoint only." }
            }
            Self::RotateSecret => html! {
                "Signet signs with both the new and the old secret for 24 hours, so that you can replace it without losing events."
            },
            Self::Replay => {
                html! { "Sends events of this time again, also those that happened before the endpoint was created." }
            }
            Self::Delete => html! {
                "Events are no longer sent to " strong { (endpoint.url) } ", also those that are pending. This can't be undone."
            },
        }
    }

    fn inputs(self) -> Vec<Input> {
        match self {
            Self::Replay => vec![
                Input::date_time("since", "From").required(),
                Input::date_time("until", "To").hint("Leave blank for now."),
                Input::checkbox("only_undelivered", "Only events that the endpoint has not accepted").checked(true),
            ],
            Self::Test | Self::RotateSecret | Self::Delete => Vec::new(),
        }
    }
}

impl FromStr for WebhookAction {
    type Err = ();

    fn from_str(segment: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|action| action.path_segment() == segment).ok_or(())
    }
}

/// The path of an action's confirmation page.
fn action_path(id: WebhookEndpointId, action: WebhookAction) -> String {
    format!("{}/{}", links::webhook(id), action.path_segment())
}

/// A link to an action's confirmation page.
pub(super) fn action_button(id: WebhookEndpointId, action: WebhookAction) -> Markup {
    let path = action_path(id, action);
    if action == WebhookAction::Delete {
        destructive_dialog_button(&path, action.label())
    } else {
        dialog_button(&path, action.label())
    }
}

fn action_page(action: WebhookAction, endpoint: &WebhookEndpoint) -> FormPage {
    let endpoint_path = links::webhook(endpoint.id);
    let form = Form::new(action_path(endpoint.id, action), action.inputs(), action.label(), &endpoint_path);
    let form = if action == WebhookAction::Delete { form.destructive() } else { form };
    FormPage::new(NavSection::Webhooks, action.title(), form)
        .breadcrumb(links::WEBHOOKS, "Webhooks")
        .breadcrumb(endpoint_path, &*endpoint.url)
        .narrow_intro(html! { p { (action.description(endpoint)) } })
}

/// Asks for confirmation.
pub(super) async fn confirm(
    Operator(viewer): Operator,
    State(table): State<Table>,
    PathIds(id, action): PathIds<WebhookEndpointId, WebhookAction>,
) -> Result<Response, Problem> {
    Ok(action_page(action, &read(&table, id).await?).render(&viewer))
}

/// Performs an action through the API.
pub(super) async fn perform(
    Operator(viewer): Operator,
    State(table): State<Table>,
    PathIds(id, action): PathIds<WebhookEndpointId, WebhookAction>,
    api: Api,
    data: FormData,
) -> Result<Response, Problem> {
    let page = action_page(action, &read(&table, id).await?);
    let path = api_path(id);
    let done = match action {
        WebhookAction::Test => {
            let sent = api.post(&format!("{path}/test"), &data, &json!({})).await;
            sent.map(|IgnoredAny| Notice::Sent.redirect_to(&links::webhook(id)))
        }
        WebhookAction::RotateSecret => {
            let rotated = api.post(&format!("{path}/rotate-secret"), &data, &json!({})).await;
            rotated.map(|rotated| show_secret(&viewer, "Secret rotated", &rotated))
        }
        WebhookAction::Replay => {
            let replayed = replay(&api, id, page.request_body(&data)).await;
            replayed.map(|notice| notice.redirect_to(&links::webhook(id)))
        }
        WebhookAction::Delete => api.delete(&path).await.map(|()| Notice::WebhookDeleted.redirect_to(links::WEBHOOKS)),
    };
    Ok(done.unwrap_or_else(|problem| page.render_error(&viewer, &data, &problem)))
}

/// Replays a range in as many requests as it needs: one that is too long for a request goes on after the last event of it.
async fn replay(api: &Api, id: WebhookEndpointId, mut body: Value) -> Result<Notice, Problem> {
    for _ in 0..MAX_REPLAY_REQUESTS {
        // Without the idempotency key of the form: the requests differ, and replaying twice does no harm.
        let replayed: Value = api.post(&format!("{}/replay", api_path(id)), &FormData::default(), &body).await?;
        if replayed["next_after"].is_null() {
            return Ok(Notice::Replayed);
        }
        body["after"] = replayed["next_after"].clone();
    }
    Ok(Notice::ReplayedPartly)
}
