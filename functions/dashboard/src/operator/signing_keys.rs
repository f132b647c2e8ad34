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
    AppState,
    domain::{
        Jwk,
        key_ring::{KeyRing, KeyState, RingConflict, RotationPolicy, SigningKey},
    },
    http::{ListQuery, PathId, Problem},
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
pub(crate) fn routes() -> Router<AppState> {
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
    Ok(SigningKeysResource::new(&visit.app.table.ring().await?, visit.app.settings.rotation_policy))
}

async fn list(Operator(visit): Operator, asked: Result<ListQuery<Asked>, Problem>) -> Result<Response, Problem> {
    let asked = asked?.filter;
    let ring = ring(&visit).await?;
    let next = ring.next_rotation_at.map_or_else(
        || html! { "When a next key has been published" },
        |at| {
            if at > visit.ctx.now {
                html! { (show::until(at, visit.ctx.now)) span.utc { (at.strftime("%Y-%m-%d %H:%M UTC")) } }
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
            ul.feed { @for root in roots { (root_row(root)) } }
        }))
    };
    let page = Page::new(Place::SigningKeys, "Signing keys", content)
        .actions(dialog_link("/dashboard/signing-keys/rotate", "Rotate now"));
    Ok(page.done(asked.done.as_deref()).render(&visit))
}

/// What an app is built with.
fn root_row(root: &Jwk) -> Markup {
    let text = serde_json::to_string(root).unwrap_or_default();
    html! {
        li {
            span { span.sub { "Thumbprint (RFC 7638)" } (copyable(&root.kid, "the thumbprint")) }
            details { summary { "Public key, as a JWK" } (copyable(&text, "the public key")) }
        }
    }
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

fn rotate_page(visit: &Visit, ring: &KeyRing, form: &Markup) -> Page<'static> {
    let content = html! {
        div.stack.prose {
            p {
                "The next key signs from now on, and another is made to follow it. The one that signed stays published until the last \
                token that it signed has ended. This happens by itself, too; it is needed now only if you have a reason."
            }
            @if let Err(RingConflict::NotPublishedLongEnough(at)) = ring.promoted(visit.app.settings.rotation_policy, visit.ctx.now) {
                p { "The next key has not been published for long enough: apps may hold copies of the keys without it until " (show::time(at)) ". After that, no app notices." }
            } @else {
                p { "No app notices: each has had the time to see the next key." }
            }
            (form)
        }
    };
    Page::new(Place::SigningKeys, "Rotate the signing keys?", content).below(&[(HERE, "Signing keys")])
}

async fn ask_rotate(Operator(visit): Operator) -> Result<Response, Problem> {
    let ring = visit.app.table.ring().await?;
    Ok(rotate_page(&visit, &ring, &rotate_form().render(&visit)).render(&visit))
}

async fn rotate(Operator(visit): Operator, sent: Sent) -> Result<Response, Problem> {
    let ring = visit.app.table.ring().await?;
    let form = rotate_form();
    Ok(match visit.post("/api/v1.0/signing-keys/rotate", &sent, &sent.json(&form.inputs)).await {
        Ok(_) => Redirect::to(&format!("{HERE}?done=rotated")).into_response(),
        Err(problem) => {
            rotate_page(&visit, &ring, &form.refused(&sent, &problem).render(&visit)).refused(&visit, &problem)
        }
    })
}

fn condemn_inputs() -> Vec<Input> {
    vec![Input::text("reason", "Reason", 500).hint("Stands beside the key.")]
}

fn condemn_page(visit: &Visit, key: &SigningKey, form: &Markup) -> Page<'static> {
    let content = html! {
        div.stack.prose {
            p { "For a key that somebody else may be using: " code { (key.kid) } ", " (state(key.state)) ". This can't be undone." }
            ul.points { @for point in consequences(key.state, visit.app.settings.rotation_policy) { li { (point) } } }
            (form)
        }
    };
    Page::new(Place::SigningKeys, "Condemn this signing key?", content).below(&[(HERE, "Signing keys")])
}

/// What becomes of the machines.
fn consequences(state: KeyState, rules: RotationPolicy) -> Vec<String> {
    let (refresh, publication) = (show::span(rules.refresh), show::span(rules.publication()));
    let refused = format!("Every token that it signed is refused from now on, everywhere within {refresh}.");
    let again =
        "Each machine that holds one must activate again with its license key; its seat stays its own.".to_owned();
    let published = format!(
        "It leaves the published keys: an app that is online knows within {publication}, one that is offline goes on until its token ends."
    );
    match state {
        KeyState::Current => vec![
            refused,
            again,
            published,
            format!(
                "The next key signs in its place at once. An app with an older copy of the keys may not know that one for {publication}."
            ),
        ],
        KeyState::Previous => vec![refused, again, published],
        KeyState::Retired => vec![
            "A machine that was offline for long could still renew a token of it, and can no more.".to_owned(),
            again,
        ],
        KeyState::Next => {
            vec![
                "It has signed nothing yet, so no machine notices.".to_owned(),
                "Another key is made in its place.".to_owned(),
            ]
        }
        KeyState::Condemned => vec!["It was condemned before: nothing changes.".to_owned()],
    }
}

async fn known(visit: &Visit, kid: &str) -> Result<SigningKey, Problem> {
    visit.app.table.ring().await?.key(kid).cloned().ok_or_else(Problem::not_found)
}

async fn ask_condemn(Operator(visit): Operator, PathId(kid): PathId<String>) -> Result<Response, Problem> {
    let key = known(&visit, &kid).await?;
    let action = format!("{HERE}/{kid}/condemn");
    let form = Form::new(&action, condemn_inputs(), "Condemn it", HERE).dangerous();
    Ok(condemn_page(&visit, &key, &form.render(&visit)).render(&visit))
}

async fn condemn(Operator(visit): Operator, PathId(kid): PathId<String>, sent: Sent) -> Result<Response, Problem> {
    let key = known(&visit, &kid).await?;
    let action = format!("{HERE}/{kid}/condemn");
    let form = Form::new(&action, condemn_inputs(), "Condemn it", HERE).dangerous();
    Ok(match visit.post(&format!("/api/v1.0/signing-keys/{kid}/condemn"), &sent, &sent.json(&form.inputs)).await {
        Ok(_) => Redirect::to(&format!("{HERE}?done=condemned")).into_response(),
        Err(problem) => {
            condemn_page(&visit, &key, &form.refused(&sent, &problem).render(&visit)).refused(&visit, &problem)
        }
    })
}
