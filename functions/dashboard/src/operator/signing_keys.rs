//! The signing key ring.

use access::signing_keys::{SigningKeyResource, SigningKeysResource};
use axum::{
    Router,
    response::{IntoResponse, Redirect, Response},
    routing::get,
};
use maud::{Markup, html};
use serde::Deserialize;
use shared::{
    Services,
    domain::ring::KeyState,
    http::{List, PathId, Problem},
};

use crate::{
    enter::{Operator, Visit},
    form::Sent,
    ui::{
        components::{Column, badge, copyable, danger_link, dialog_link, empty, facts, section, table},
        inputs::{Form, Input},
        shell::{Page, Place},
        show,
    },
};

const HERE: &str = "/dashboard/signing-keys";

/// The pages.
pub(crate) fn routes() -> Router<Services> {
    Router::new()
        .route(HERE, get(list))
        .route("/dashboard/signing-keys/rotate", get(ask_rotate).post(rotate))
        .route("/dashboard/signing-keys/{kid}/condemn", get(ask_condemn).post(condemn))
}

/// What the address says.
#[derive(Debug, Deserialize)]
struct Asked {
    done: Option<String>,
}

async fn ring(visit: &Visit) -> Result<SigningKeysResource, Problem> {
    Ok(SigningKeysResource::new(&visit.services.table.ring().await?, visit.services.settings.ring))
}

async fn list(Operator(visit): Operator, asked: Result<List<Asked>, Problem>) -> Result<Response, Problem> {
    let asked = asked?.filter;
    let ring = ring(&visit).await?;
    let next = ring.next_rotation_at.map_or_else(
        || html! { "When a next key has been published" },
        |at| {
            if at > visit.call.now {
                html! { (show::until(at, visit.call.now)) span.utc { (at.strftime("%Y-%m-%d %H:%M UTC")) } }
            } else {
                html! { "Due" }
            }
        },
    );
    let roots = &ring.root_keys;
    let content = html! {
        (facts(&[("Next rotation", next), ("Published at", html! { a href="/.well-known/jwks.json" { "jwks.json" } ", " a href="/.well-known/jwks.jwt" { "jwks.jwt" } })]))
        (section("Keys", &html! {}, &html! {
            @if ring.items.is_empty() { (empty("No signing key yet", "The first is made by the rotation function, within minutes.", &html! {})) }
            @else { (rows(&ring.items)) }
        }))
        (section("Root keys", &html! {}, &html! {
            p.muted.prose { "Apps that trust no network have the first one built in: it signs jwks.jwt, and no license token." }
            ul.stack { @for root in roots { li { (copyable(&root.kid, "the thumbprint")) } } }
        }))
    };
    let page = Page::new(Place::SigningKeys, "Signing keys", content)
        .actions(dialog_link("/dashboard/signing-keys/rotate", "Rotate now"));
    Ok(page.done(asked.done.as_deref()).draw(&visit))
}

fn rows(keys: &[SigningKeyResource]) -> Markup {
    let columns = [
        Column::new("Key"),
        Column::new("State"),
        Column::new("Made"),
        Column::new("Signs since"),
        Column::new("Leaves the JWKS"),
        Column::new(""),
    ];
    let at = |time: Option<_>| time.map_or_else(|| html! { "–" }, show::time);
    let row = |key: &SigningKeyResource| {
        vec![
            html! { code { (key.kid) } @if let Some(reason) = &key.condemned_reason { span.sub { "“" (reason) "”" } } },
            state(key.state),
            show::time(key.created_at),
            at(key.signs_since),
            at(key.retires_at),
            html! { @if key.state != KeyState::Condemned { (danger_link(&format!("{HERE}/{}/condemn", key.kid), "Condemn")) } },
        ]
    };
    table("Signing keys", &columns, &keys.iter().map(row).collect::<Vec<_>>())
}

fn state(state: KeyState) -> Markup {
    match state {
        KeyState::Next => badge("Next: published", "warn"),
        KeyState::Current => badge("Current: signs", "good"),
        KeyState::Previous => badge("Previous: verifies", "dim"),
        KeyState::Retired => badge("Retired", "dim"),
        KeyState::Condemned => badge("Condemned", "bad"),
    }
}

fn rotate_form() -> Form<'static> {
    let force = Input::checkbox("force", "At once, though apps may not have seen the next key yet")
        .hint("An app that does not fetch the keys anew for a kid it does not know refuses new tokens for a while.");
    Form::new("/dashboard/signing-keys/rotate", vec![force], "Rotate", HERE)
}

fn rotate_page(form: &Markup) -> Page<'static> {
    let content = html! {
        div.stack {
            p.prose {
                "The next key signs from now on. The one that signed stays published until the last token that it signed has ended, \
                so no app notices. This happens by itself, too; it is needed now only if you have a reason."
            }
            (form)
        }
    };
    Page::new(Place::SigningKeys, "Rotate the signing keys?", content).below(&[(HERE, "Signing keys")])
}

async fn ask_rotate(Operator(visit): Operator) -> Response {
    rotate_page(&rotate_form().draw(&visit)).draw(&visit)
}

async fn rotate(Operator(visit): Operator, sent: Sent) -> Response {
    let form = rotate_form();
    match visit.post("/api/v1.0/signing-keys/rotate", &sent, &sent.json(&form.inputs)).await {
        Ok(_) => Redirect::to(&format!("{HERE}?done=rotated")).into_response(),
        Err(problem) => rotate_page(&form.refused(&sent, &problem).draw(&visit)).refused(&visit, &problem),
    }
}

fn condemn_inputs() -> Vec<Input> {
    vec![Input::text("reason", "Reason", 500).hint("Stands beside the key.")]
}

fn condemn_page(kid: &str, form: &Markup) -> Page<'static> {
    let content = html! {
        div.stack {
            p.prose {
                "For a key that somebody else may be using. " code { (kid) } " leaves the JWKS, and every token that it signed is refused: \
                each machine that holds one has to activate again with its license key. This can't be undone."
            }
            (form)
        }
    };
    Page::new(Place::SigningKeys, "Condemn this signing key?", content).below(&[(HERE, "Signing keys")])
}

async fn known(visit: &Visit, kid: &str) -> Result<(), Problem> {
    let ring = ring(visit).await?;
    if ring.items.iter().any(|key| key.kid == kid) { Ok(()) } else { Err(Problem::not_found()) }
}

async fn ask_condemn(Operator(visit): Operator, PathId(kid): PathId<String>) -> Result<Response, Problem> {
    known(&visit, &kid).await?;
    let action = format!("{HERE}/{kid}/condemn");
    let form = Form::new(&action, condemn_inputs(), "Condemn it", HERE).dangerous();
    Ok(condemn_page(&kid, &form.draw(&visit)).draw(&visit))
}

async fn condemn(Operator(visit): Operator, PathId(kid): PathId<String>, sent: Sent) -> Result<Response, Problem> {
    known(&visit, &kid).await?;
    let action = format!("{HERE}/{kid}/condemn");
    let form = Form::new(&action, condemn_inputs(), "Condemn it", HERE).dangerous();
    Ok(match visit.post(&format!("/api/v1.0/signing-keys/{kid}/condemn"), &sent, &sent.json(&form.inputs)).await {
        Ok(_) => Redirect::to(&format!("{HERE}?done=condemned")).into_response(),
        Err(problem) => condemn_page(&kid, &form.refused(&sent, &problem).draw(&visit)).refused(&visit, &problem),
    })
}
