//! A customer frees the seat of a machine of theirs.

use activations::get_activation;
use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};
use serde_json::json;
use shared::{
    domain::ActivationId,
    http::{PathId, Problem, resources::ActivationResource},
};

use super::{license, licenses, own_reach};
use crate::{
    enter::Visit,
    form::Sent,
    ui::{
        inputs::Form,
        shell::{Page, Place},
        show,
    },
};

/// Where it is asked.
pub(super) fn path(activation_id: &str) -> String {
    format!("{}/machines/{activation_id}/free", licenses::HERE)
}

pub(super) async fn ask(visit: Visit, PathId(id): PathId<ActivationId>) -> Result<Response, Problem> {
    let machine = own_machine(&visit, &id).await?;
    let (action, back) = (path(&machine.id), license::path(machine.license_id));
    Ok(page(&visit, &machine, &form(&action, &back)).draw(&visit))
}

pub(super) async fn free(visit: Visit, PathId(id): PathId<ActivationId>, sent: Sent) -> Result<Response, Problem> {
    let machine = own_machine(&visit, &id).await?;
    let (action, back) = (path(&machine.id), license::path(machine.license_id));
    Ok(match visit.post(&format!("/api/v1.0/license-activations/{id}/deactivate"), &sent, &json!({})).await {
        Ok(_) => Redirect::to(&format!("{back}?done=freed")).into_response(),
        Err(problem) => {
            page(&visit, &machine, &form(&action, &back).refused(&sent, &problem)).refused(&visit, &problem)
        }
    })
}

async fn own_machine(visit: &Visit, id: &ActivationId) -> Result<ActivationResource, Problem> {
    let reach = own_reach(visit).await?;
    get_activation::get(&visit.services, reach, id, &visit.call).await
}

fn form<'a>(action: &'a str, back: &'a str) -> Form<'a> {
    Form::new(action, Vec::new(), "Free the seat", back).dangerous()
}

fn page(visit: &Visit, machine: &ActivationResource, form: &Form<'_>) -> Page<'static> {
    let content = html! { div.stack.prose { (what_happens(machine)) (form.draw(visit)) } };
    Page::new(Place::Licenses, "Free the seat?", content).below(&[(licenses::HERE, "Your licenses")])
}

fn what_happens(machine: &ActivationResource) -> Markup {
    let called = machine.machine_name.as_deref().unwrap_or(&machine.machine_id);
    html! {
        p {
            strong { (called) }
            " gives up its seat, and another machine can take it at once. The app on it must activate again with the license key "
            "before it goes on, and only if a seat is free then."
        }
        @if let Some(end) = machine.lease_expires_at {
            p.muted { "Without a connection it may work until " (show::time(end)) " at most, as it can't know before." }
        }
    }
}
