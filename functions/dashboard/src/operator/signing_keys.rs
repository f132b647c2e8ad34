//! The signing keys: which signs, which will, and what becomes of the machines when that changes out of turn.

use axum::{
    Router,
    response::{IntoResponse, Redirect, Response},
    routing::get,
};
use jiff::SignedDuration;
use maud::{Markup, html};
use serde::Deserialize;
use shared::{
    Services,
    domain::{
        Jwk, Timestamp,
        ring::{KeyState, Ring, RingConflict, RootKey, Rules, SigningKey},
    },
    http::{List, PathId, Problem},
};

use crate::{
    enter::{Operator, Visit},
    form::Sent,
    ui::{
        components::{Column, badge, copyable, danger_link, empty, facts, section, table},
        inputs::{Form, Input},
        shell::{Page, Place},
        show,
    },
};

const HERE: &str = "/dashboard/signing-keys";
const ROTATE: &str = "/dashboard/signing-keys/rotate";

/// The pages.
pub(crate) fn routes() -> Router<Services> {
    Router::new()
        .route(HERE, get(page))
        .route(ROTATE, get(ask_rotate).post(rotate))
        .route("/dashboard/signing-keys/{kid}/condemn", get(ask_condemn).post(condemn))
}

/// What the address says.
#[derive(Debug, Deserialize)]
struct Asked {
    done: Option<String>,
}

async fn page(Operator(visit): Operator, asked: Result<List<Asked>, Problem>) -> Result<Response, Problem> {
    let done = asked?.filter.done;
    let ring = visit.services.table.ring().await?;
    let now = visit.call.now;
    let rotation = ring.next_rotation_at(visit.services.settings.ring);
    let content = html! {
        p.prose.muted {
            "License tokens are signed by one key at a time. A key is published before it signs, and stays published until the last "
            "token that it signed has ended, so a turn on schedule goes unnoticed."
        }
        div.after { (facts(&[
            ("Next turn", rotation.map_or_else(
                || html! { "Once another key is made, within minutes" },
                |at| html! { (show::day(at)) span.sub { (if at <= now { html! { "due" } } else { show::until(at, now) }) } },
            )),
            ("Published", html! { (ring.published().count()) " keys" }),
        ])) }
        (section("Keys", &html! {}, &rows(&ring, rotation)))
        (section("Root keys", &html! {}, &roots(&ring.roots)))
    };
    let page = Page::new(Place::SigningKeys, "Signing keys", content).done(done.as_deref());
    Ok(page.actions(danger_link(ROTATE, "Rotate now")).draw(&visit))
}

fn rows(ring: &Ring, rotation: Option<Timestamp>) -> Markup {
    if ring.keys.is_empty() {
        return empty("No signing keys yet", "The first is made within minutes of the first start.", &html! {});
    }
    let columns = ["Key", "State", "Made", "Signs since", ""].map(Column::new);
    let row = |key: &SigningKey| {
        vec![
            copyable(&key.kid, "the key's id"),
            html! { (state(key.state)) span.sub { (meaning(key, rotation)) } },
            show::day(key.created_at),
            key.signs_since.map_or_else(|| html! { "–" }, show::day),
            html! { @if key.state != KeyState::Condemned { (danger_link(&condemn_path(&key.kid), "Condemn")) } },
        ]
    };
    table("Signing keys", &columns, &ring.keys.iter().rev().map(row).collect::<Vec<_>>())
}

fn state(state: KeyState) -> Markup {
    match state {
        KeyState::Next => badge("Next", "calm"),
        KeyState::Current => badge("Signs now", "good"),
        KeyState::Previous => badge("Previous", "dim"),
        KeyState::Retired => badge("Retired", "dim"),
        KeyState::Condemned => badge("Condemned", "bad"),
    }
}

/// What a key's state means for whoever holds its tokens.
fn meaning(key: &SigningKey, rotation: Option<Timestamp>) -> Markup {
    let at = |time: Option<Timestamp>| time.map_or_else(|| html! { "a time to come" }, show::time);
    match key.state {
        KeyState::Next => html! { "Published, and signs from " (at(rotation)) },
        KeyState::Current => html! { "Signs every token" },
        KeyState::Previous => html! { "Published until " (at(key.retires_at)) ", when its last token has ended" },
        KeyState::Retired => html! { "No longer published" },
        KeyState::Condemned => html! {
            "Its tokens are refused since " (at(key.condemned_at))
            @if let Some(reason) = &key.condemned_reason { ": " (reason) }
        },
    }
}

fn roots(roots: &[RootKey]) -> Markup {
    if roots.is_empty() {
        return empty(
            "No root key",
            "Without one, no set of keys is signed for apps to trust without a network.",
            &html! {},
        );
    }
    html! {
        p.prose.muted {
            "A root key signs the set of keys, and never a token. Build its public part into your app, and the app needs to trust "
            "neither DNS nor certificates."
        }
        ul.feed.after {
            @for (place, root) in roots.iter().enumerate() {
                li {
                    span { span.sub { "Fingerprint (RFC 7638)" } (copyable(&root.kid, "the fingerprint")) }
                    span { (if place == 0 { badge("Signs now", "good") } else { badge("To follow", "dim") }) }
                    (public_part(root))
                }
            }
        }
    }
}

fn public_part(root: &RootKey) -> Markup {
    let text = serde_json::to_string(&Jwk::from(root)).unwrap_or_default();
    html! { details { summary { "Public key, as a JWK" } (copyable(&text, "the public key")) } }
}

async fn ask_rotate(Operator(visit): Operator) -> Result<Response, Problem> {
    let ring = visit.services.table.ring().await?;
    let early = too_early(&visit, &ring);
    Ok(rotate_page(&visit, &ring, early, &rotate_form(early)).draw(&visit))
}

async fn rotate(Operator(visit): Operator, sent: Sent) -> Result<Response, Problem> {
    let ring = visit.services.table.ring().await?;
    let early = too_early(&visit, &ring);
    let form = rotate_form(early);
    Ok(match visit.post("/api/v1.0/signing-keys/rotate", &sent, &sent.json(&form.inputs)).await {
        Ok(_) => Redirect::to(&format!("{HERE}?done=rotated")).into_response(),
        Err(problem) => rotate_page(&visit, &ring, early, &form.refused(&sent, &problem)).refused(&visit, &problem),
    })
}

/// From when on the next key may sign without anybody noticing, if that is still to come.
fn too_early(visit: &Visit, ring: &Ring) -> Option<Timestamp> {
    match ring.promoted(visit.services.settings.ring, visit.call.now) {
        Err(RingConflict::NotPublishedLongEnough(at)) => Some(at),
        Ok(_) | Err(RingConflict::NoNext) => None,
    }
}

fn rotate_form(early: Option<Timestamp>) -> Form<'static> {
    let force = early.map(|_| {
        Input::checkbox("force", "At once, all the same")
            .hint("Apps that keep an older copy of the keys refuse its tokens for a while.")
    });
    Form::new(ROTATE, force.into_iter().collect(), "Rotate now", HERE).dangerous()
}

fn rotate_page(visit: &Visit, ring: &Ring, early: Option<Timestamp>, form: &Form<'_>) -> Page<'static> {
    let rules = visit.services.settings.ring;
    let content = html! {
        div.stack.prose {
            p {
                "The next key signs every token from now on, and another is made to follow it. The key that signs until now stays "
                "published until its last token has ended"
                @if let Some(life) = longest_life(ring) { ", in " (show::span(life.saturating_add(rules.refresh))) }
                "."
            }
            @match early {
                Some(at) => p {
                    "The next key has not been published for long enough: apps may hold copies of the keys without it until "
                    (show::time(at)) ". Wait until then, and no machine notices."
                },
                None => p { "No machine notices: apps have had the time to see the next key." },
            }
            (form.draw(visit))
        }
    };
    Page::new(Place::SigningKeys, "Rotate the signing keys?", content).below(&[(HERE, "Signing keys")])
}

fn longest_life(ring: &Ring) -> Option<SignedDuration> {
    ring.current().map(|key| SignedDuration::from_secs(key.longest_life_seconds)).filter(|life| !life.is_zero())
}

fn condemn_path(kid: &str) -> String {
    format!("{HERE}/{kid}/condemn")
}

async fn ask_condemn(Operator(visit): Operator, PathId(kid): PathId<String>) -> Result<Response, Problem> {
    let ring = visit.services.table.ring().await?;
    let key = ring.key(&kid).ok_or_else(Problem::not_found)?;
    Ok(condemn_page(&visit, key, &condemn_form(&condemn_path(&kid))).draw(&visit))
}

async fn condemn(Operator(visit): Operator, PathId(kid): PathId<String>, sent: Sent) -> Result<Response, Problem> {
    let ring = visit.services.table.ring().await?;
    let key = ring.key(&kid).ok_or_else(Problem::not_found)?;
    let action = condemn_path(&key.kid);
    let form = condemn_form(&action);
    Ok(
        match visit.post(&format!("/api/v1.0/signing-keys/{}/condemn", key.kid), &sent, &sent.json(&form.inputs)).await
        {
            Ok(_) => Redirect::to(&format!("{HERE}?done=condemned")).into_response(),
            Err(problem) => condemn_page(&visit, key, &form.refused(&sent, &problem)).refused(&visit, &problem),
        },
    )
}

fn condemn_form(action: &str) -> Form<'_> {
    let reason = Input::lines("reason", "Why", 500).hint("For whoever reads the ring later.");
    Form::new(action, vec![reason], "Condemn it", HERE).dangerous()
}

fn condemn_page(visit: &Visit, key: &SigningKey, form: &Form<'_>) -> Page<'static> {
    let content = html! {
        div.stack.prose {
            p { "A key is condemned when somebody else may have signed with it. It is for good." }
            ul.points { @for point in consequences(key.state, visit.services.settings.ring) { li { (point) } } }
            (facts(&[("Key", html! { code { (key.kid) } }), ("State", state(key.state))]))
            (form.draw(visit))
        }
    };
    Page::new(Place::SigningKeys, "Condemn this key?", content).below(&[(HERE, "Signing keys")])
}

/// What becomes of the machines.
fn consequences(state: KeyState, rules: Rules) -> Vec<String> {
    let refresh = show::span(rules.refresh);
    let within = show::span(rules.publication());
    let refused = format!("Every token that it signed is refused from now on, within {refresh} everywhere.");
    let again =
        "Each machine that holds one must activate again with its license key; its seat stays its own.".to_owned();
    let offline = format!(
        "It leaves the published keys. An app that is online refuses its tokens once it has read the keys anew, {within} from now \
         at most if it keeps to what it was told; one that is offline goes on until its token ends."
    );
    match state {
        KeyState::Next => vec![
            "It has signed nothing yet: no machine notices.".to_owned(),
            "Another key is made to follow the one that signs.".to_owned(),
        ],
        KeyState::Current => vec![
            refused,
            again,
            offline,
            format!(
                "The next key signs in its place at once. An app that keeps an older copy of the keys may not know it for up to {within}."
            ),
        ],
        KeyState::Previous => vec![refused, again, offline],
        KeyState::Retired => vec![
            "Its tokens have ended, but a machine that was offline for long could still renew one: it can no more."
                .to_owned(),
            again,
        ],
        KeyState::Condemned => vec!["It was condemned before: nothing changes.".to_owned()],
    }
}
