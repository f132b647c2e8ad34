//! The forms that create and edit webhook endpoints, and the page that shows a new secret.

use axum::{extract::State, response::Response};
use maud::html;
use serde::de::IgnoredAny;
use shared::{
    domain::{EventType, EventTypePattern, SubjectType, WebhookEndpointId},
    http::{PathId, Problem, RequestContext},
    store::Table,
};
use webhooks::endpoint::EndpointResource;

use super::endpoint::{NEW_PATH, api_path, read, resource};
use crate::{
    api::Api,
    form_data::FormData,
    links,
    ui::{
        components::{link_button, secret},
        form_page::FormPage,
        forms::Form,
        inputs::{Choice, Input},
        layout::{NavSection, PageLayout},
        notice::Notice,
    },
    viewer::{Operator, Viewer},
};

/// A new endpoint with its secret, in the response of the API.
#[derive(Debug, serde::Deserialize)]
pub(super) struct WithSecret {
    id: WebhookEndpointId,
    secret: String,
}

fn inputs(endpoint: Option<&EndpointResource>) -> Vec<Input> {
    let selected = endpoint.map(|endpoint| endpoint.event_types.iter().map(ToString::to_string).collect());
    vec![
        Input::text("url", "URL", 2048)
            .required()
            .optional_value(endpoint.map(|endpoint| &*endpoint.url))
            .hint("An https URL that accepts POST requests."),
        Input::checkboxes("event_types", "Events", event_choices())
            .values(selected.unwrap_or_default())
            .none_selected("Select at least one type of event."),
        Input::text("description", "Description", 500)
            .optional_value(endpoint.and_then(|endpoint| endpoint.description.as_deref())),
        Input::checkbox("is_active", "Active")
            .checked(endpoint.is_none_or(|endpoint| endpoint.is_active))
            .hint("An inactive endpoint receives nothing."),
    ]
}

/// All events, all of each resource, and each type.
fn event_choices() -> Vec<Choice> {
    let mut choices = vec![Choice::new("*", "All events").note("including future types")];
    let mut previous: Option<SubjectType> = None;
    for one in EventType::ALL {
        let subject = one.subject_type();
        if previous != Some(subject) {
            let all = EventTypePattern::AllOf(subject).to_string();
            choices.push(Choice::new(&all, &all).note("all of this kind"));
            previous = Some(subject);
        }
        choices.push(Choice::new(one.as_str(), one.as_str()));
    }
    choices
}

fn new_page() -> FormPage {
    let form = Form::new(NEW_PATH, inputs(None), "Create endpoint", links::WEBHOOKS);
    FormPage::new(NavSection::Webhooks, "New webhook endpoint", form).breadcrumb(links::WEBHOOKS, "Webhooks")
}

pub(super) async fn new(Operator(viewer): Operator) -> Response {
    new_page().render(&viewer)
}

pub(super) async fn create(Operator(viewer): Operator, api: Api, data: FormData) -> Response {
    let page = new_page();
    match api.post("/api/v1.0/webhook-endpoints", &data, &page.request_body(&data)).await {
        Ok(created) => show_secret(&viewer, "Webhook endpoint created", &created),
        Err(problem) => page.render_error(&viewer, &data, &problem),
    }
}

/// Shows a new secret. It can't be shown again.
pub(super) fn show_secret(viewer: &Viewer, title: &str, created: &WithSecret) -> Response {
    let content = html! {
        div.stack {
            p.prose {
                "Give this secret to the program that receives the events, which verifies their signatures with it. \
                Copy it now: you won't see it again."
            }
            (secret(&created.secret, "secret"))
            div.actions { (link_button(&links::webhook(created.id), "View endpoint")) }
        }
    };
    PageLayout::new(NavSection::Webhooks, title, content).breadcrumb(links::WEBHOOKS, "Webhooks").render(viewer)
}

fn edit_page(endpoint: &EndpointResource) -> FormPage {
    let path = links::webhook(endpoint.id);
    let inputs = inputs(Some(endpoint)).into_iter().chain([Input::version(endpoint)]).collect();
    let form = Form::new(format!("{path}/edit"), inputs, "Save", &path);
    FormPage::new(NavSection::Webhooks, "Edit webhook endpoint", form)
        .breadcrumb(links::WEBHOOKS, "Webhooks")
        .breadcrumb(path, &*endpoint.url)
}

pub(super) async fn edit(
    Operator(viewer): Operator,
    State(table): State<Table>,
    PathId(id): PathId<WebhookEndpointId>,
    ctx: RequestContext,
) -> Result<Response, Problem> {
    Ok(edit_page(&resource(&read(&table, id).await?, ctx.now)).render(&viewer))
}

pub(super) async fn update(
    Operator(viewer): Operator,
    State(table): State<Table>,
    api: Api,
    PathId(id): PathId<WebhookEndpointId>,
    ctx: RequestContext,
    data: FormData,
) -> Result<Response, Problem> {
    let page = edit_page(&resource(&read(&table, id).await?, ctx.now));
    Ok(match api.patch::<IgnoredAny>(&api_path(id), &data, &page.request_body(&data)).await {
        Ok(_) => Notice::WebhookSaved.redirect_to(&links::webhook(id)),
        Err(problem) => page.render_error(&viewer, &data, &problem),
    })
}
