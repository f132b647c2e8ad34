//! Signing keys.

use std::sync::Arc;

use access::signing_keys::{SigningKeyResource, SigningKeysResource};
use axum::{Router, extract::State, response::Response, routing::get};
use maud::{Markup, html};
use serde::de::IgnoredAny;
use shared::{
    AppState, Settings,
    domain::{
        Jwk, Timestamp,
        key_ring::{KeyRing, KeyRingConflict, KeyState, RotationPolicy, SigningKey},
    },
    http::{Code, ListQuery, PathId, Problem, RequestContext},
    store::Table,
};

use crate::{
    api::Api,
    form_data::FormData,
    links,
    ui::{
        components::{
            Tone, badge, copyable, description_list, destructive_dialog_button, dialog_button, empty_state,
            link_button, section, table,
        },
        form_page::FormPage,
        format,
        forms::Form,
        inputs::Input,
        layout::{NavSection, PageLayout},
        notice::{Notice, NoticeQuery},
    },
    viewer::Operator,
};

const ROTATE_PATH: &str = "/dashboard/signing-keys/rotate";

pub(crate) fn routes() -> Router<AppState> {
    Router::new()
        .route(links::SIGNING_KEYS, get(list))
        .route(ROTATE_PATH, get(confirm_rotate).post(rotate))
        .route("/dashboard/signing-keys/{kid}/condemn", get(confirm_condemn).post(condemn))
}

async fn list(
    Operator(viewer): Operator,
    State(table): State<Table>,
    State(settings): State<Arc<Settings>>,
    ctx: RequestContext,
    query: Result<ListQuery<NoticeQuery>, Problem>,
) -> Result<Response, Problem> {
    let query = query?.filter;
    let ring = SigningKeysResource::new(&table.ring().await?, settings.rotation_policy);
    let next_rotation = match ring.next_rotation_at {
        None => html! { "After the next key is published" },
        Some(at) if at > ctx.now => html! {
            (format::time_until(at, ctx.now)) span.subtext { (format::date_time(at)) }
        },
        Some(_) => html! { "Due now" },
    };
    let content = html! {
        (description_list(&[
            ("Next rotation", next_rotation),
            ("Published keys", html! { a href="/.well-known/jwks.json" { "jwks.json" } ", " a href="/.well-known/jwks.jwt" { "jwks.jwt" } }),
        ]))
        (section("Keys", &html! {}, &html! {
            @if ring.items.is_empty() { (empty_state("No signing keys yet", "The first key is created automatically within minutes.", &html! {})) }
            @else { (key_table(&ring.items)) }
        }))
        (section("Root keys", &html! {}, &html! {
            div.stack {
                p.muted.prose { "Embed the first root key in your app. It signs jwks.jwt, never license tokens." }
                ul.list { @for root in &ring.root_keys { (root_key(root)) } }
            }
        }))
    };
    let layout = PageLayout::new(NavSection::SigningKeys, "Signing keys", content)
        .actions(dialog_button(ROTATE_PATH, "Rotate keys"));
    Ok(layout.notice(query.notice).render(&viewer))
}

fn root_key(root: &Jwk) -> Markup {
    let jwk = serde_json::to_string(root).unwrap_or_default();
    html! {
        li {
            span { span.subtext { "Thumbprint (RFC 7638)" } (copyable(&root.kid, "thumbprint")) }
            details { summary { "Public key (JWK)" } (copyable(&jwk, "public key")) }
        }
    }
}

fn key_table(keys: &[SigningKeyResource]) -> Markup {
    let row = |key: &SigningKeyResource| {
        vec![
            html! { code.truncated title=(key.kid) { (key.kid) } @if let Some(reason) = &key.condemned_reason { span.subtext { "“" (reason) "”" } } },
            state_badge(key.state),
            format::date_time(key.created_at),
            format::or(key.signs_since.map(format::date_time), "–"),
            format::or(key.retires_at.map(format::date_time), "–"),
            html! { (link_button(&links::activity_of(&key.kid), "Activity")) @if key.state != KeyState::Condemned { (destructive_dialog_button(&condemn_path(&key.kid), "Mark compromised")) } },
        ]
    };
    let columns = ["Key ID", "Status", "Created", "Active since", "Published until", ""];
    table("Signing keys", columns, keys.iter().map(row))
}

fn state_badge(state: KeyState) -> Markup {
    match state {
        KeyState::Next => badge("Next", Tone::Warning),
        KeyState::Current => badge("Active", Tone::Success),
        KeyState::Previous => badge("Verify only", Tone::Neutral),
        KeyState::Retired => badge("Retired", Tone::Neutral),
        KeyState::Condemned => badge("Compromised", Tone::Danger),
    }
}

fn rotate_page(ring: &KeyRing, policy: RotationPolicy, now: Timestamp) -> FormPage {
    let readiness = ring.promote(policy, now);
    let mut inputs = Vec::new();
    if matches!(readiness, Err(KeyRingConflict::NotPublishedLongEnough(_))) {
        inputs.push(
            Input::checkbox("force", "Rotate now, even if some apps don't have the next key")
                .hint("Apps that cache the keys may reject new tokens until they fetch them again."),
        );
    }
    let form = Form::new(ROTATE_PATH, inputs, "Rotate", links::SIGNING_KEYS);
    FormPage::new(NavSection::SigningKeys, "Rotate signing keys?", form)
        .breadcrumb(links::SIGNING_KEYS, "Signing keys")
        .narrow_intro(html! {
            p {
                "The next key becomes active, and a new next key is created. The current key stays published until its last \
                token expires. Keys rotate automatically; rotate now only if you need to."
            }
            @match readiness {
                Err(KeyRingConflict::NotPublishedLongEnough(at)) => {
                    p { "You can rotate after " (format::date_time(at)) ". Until then, apps may have cached the keys without the next one." }
                }
                Err(KeyRingConflict::NoNextKey) => {
                    p { "There is no next key yet. It is created automatically within minutes; try again then." }
                }
                Ok(_) => p { "Safe to rotate: apps have had time to fetch the next key." },
            }
        })
}

async fn confirm_rotate(
    Operator(viewer): Operator,
    State(table): State<Table>,
    State(settings): State<Arc<Settings>>,
    ctx: RequestContext,
) -> Result<Response, Problem> {
    Ok(rotate_page(&table.ring().await?, settings.rotation_policy, ctx.now).render(&viewer))
}

async fn rotate(
    Operator(viewer): Operator,
    State(table): State<Table>,
    State(settings): State<Arc<Settings>>,
    ctx: RequestContext,
    api: Api,
    data: FormData,
) -> Result<Response, Problem> {
    let (ring, policy) = (table.ring().await?, settings.rotation_policy);
    let page = rotate_page(&ring, policy, ctx.now);
    let response = api.post("/api/v1.0/signing-keys/rotate", &data, &page.request_body(&data)).await;
    Ok(match response {
        Ok(IgnoredAny) => Notice::Rotated.redirect_to(links::SIGNING_KEYS),
        Err(problem) => page.render_error(&viewer, &data, &explain(problem, &ring, policy, ctx.now)),
    })
}

/// Replaces the API's detail with one for operators.
fn explain(problem: Problem, ring: &KeyRing, policy: RotationPolicy, now: Timestamp) -> Problem {
    match ring.promote(policy, now) {
        Err(KeyRingConflict::NotPublishedLongEnough(_)) if problem.code == Code::StateConflict => {
            Problem::new(problem.code, "some apps may not have the next key yet. Wait, or select “Rotate now”")
        }
        Err(KeyRingConflict::NoNextKey) if problem.code == Code::StateConflict => {
            Problem::new(problem.code, "there is no next key yet. Try again in a few minutes")
        }
        _ => problem,
    }
}

fn condemn_path(kid: &str) -> String {
    format!("{}/{kid}/condemn", links::SIGNING_KEYS)
}

fn condemn_page(key: &SigningKey, policy: RotationPolicy) -> FormPage {
    let reason = Input::text("reason", "Reason", 500).hint("Shown with the key.");
    let form = Form::new(condemn_path(&key.kid), vec![reason], "Mark compromised", links::SIGNING_KEYS).destructive();
    FormPage::new(NavSection::SigningKeys, "Mark key as compromised?", form)
        .breadcrumb(links::SIGNING_KEYS, "Signing keys")
        .narrow_intro(html! {
            p { "Use this if the key may have leaked. This can't be undone." }
            p { code { (key.kid) } " " (state_badge(key.state)) }
            ul.bullet-list { @for consequence in consequences(key.state, policy) { li { (consequence) } } }
        })
}

/// The effects on machines.
fn consequences(state: KeyState, policy: RotationPolicy) -> Vec<String> {
    let (refresh, publication) = (format::duration(policy.refresh), format::duration(policy.publication()));
    let rejected = format!("Signet rejects all tokens signed with it within {refresh}.");
    let activate_again =
        "Machines with such a token must activate again with their license key. They keep their seats.".to_owned();
    let unpublished = format!(
        "It is removed from the published keys. Online apps reject its tokens within {publication}; offline apps keep \
         working until their token expires."
    );
    match state {
        KeyState::Current => vec![
            rejected,
            activate_again,
            unpublished,
            format!(
                "The next key becomes active immediately. Apps with cached keys may not know it for up to {publication}."
            ),
        ],
        KeyState::Previous => vec![rejected, activate_again, unpublished],
        KeyState::Retired => vec![
            "Machines that were offline for a long time can no longer renew a token signed with it.".to_owned(),
            activate_again,
        ],
        KeyState::Next => {
            vec![
                "It has not signed any tokens, so machines are not affected.".to_owned(),
                "A new next key is created.".to_owned(),
            ]
        }
        KeyState::Condemned => vec!["It is already marked as compromised. Nothing changes.".to_owned()],
    }
}

async fn read_key(table: &Table, kid: &str) -> Result<SigningKey, Problem> {
    table.ring().await?.key(kid).cloned().ok_or_else(Problem::not_found)
}

async fn confirm_condemn(
    Operator(viewer): Operator,
    State(table): State<Table>,
    State(settings): State<Arc<Settings>>,
    PathId(kid): PathId<String>,
) -> Result<Response, Problem> {
    Ok(condemn_page(&read_key(&table, &kid).await?, settings.rotation_policy).render(&viewer))
}

async fn condemn(
    Operator(viewer): Operator,
    State(table): State<Table>,
    State(settings): State<Arc<Settings>>,
    api: Api,
    PathId(kid): PathId<String>,
    data: FormData,
) -> Result<Response, Problem> {
    let page = condemn_page(&read_key(&table, &kid).await?, settings.rotation_policy);
    let path = format!("/api/v1.0/signing-keys/{kid}/condemn");
    Ok(match api.post(&path, &data, &page.request_body(&data)).await {
        Ok(IgnoredAny) => Notice::Compromised.redirect_to(links::SIGNING_KEYS),
        Err(problem) => page.render_error(&viewer, &data, &problem),
    })
}
