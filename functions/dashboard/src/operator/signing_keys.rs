//! Signing keys.

use access::signing_keys::{SigningKeyResource, SigningKeysResource};
use axum::{
    Router,
    response::{IntoResponse, Redirect, Response},
    routing::get,
};
use maud::{Markup, html};
use shared::{
    AppState,
    domain::{
        Jwk,
        key_ring::{KeyRing, KeyRingConflict, KeyState, RotationPolicy, SigningKey},
    },
    http::{Code, ListQuery, PathId, Problem},
};

use crate::{
    form_data::FormData,
    page_context::{OperatorContext, PageContext},
    ui::{
        components::{
            Column, NoticeQuery, Tone, badge, copyable, description_list, destructive_dialog_button, dialog_button,
            empty_state, section, table,
        },
        format,
        forms::Form,
        inputs::Input,
        layout::{NavSection, PageLayout},
    },
};

const BASE_PATH: &str = "/dashboard/signing-keys";
const ROTATE_PATH: &str = "/dashboard/signing-keys/rotate";

pub(crate) fn routes() -> Router<AppState> {
    Router::new()
        .route(BASE_PATH, get(list))
        .route(ROTATE_PATH, get(confirm_rotate).post(rotate))
        .route("/dashboard/signing-keys/{kid}/condemn", get(confirm_condemn).post(condemn))
}

async fn list(
    OperatorContext(page): OperatorContext,
    query: Result<ListQuery<NoticeQuery>, Problem>,
) -> Result<Response, Problem> {
    let query = query?.filter;
    let ring = SigningKeysResource::new(&page.app.table.ring().await?, page.app.settings.rotation_policy);
    let next_rotation = match ring.next_rotation_at {
        None => html! { "After the next key is published" },
        Some(at) if at > page.ctx.now => html! {
            (format::time_until(at, page.ctx.now)) span.utc { (at.strftime("%Y-%m-%d %H:%M UTC")) }
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
    Ok(layout.notice(query.notice.as_deref()).render(&page))
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
    let columns = [
        Column::new("Key ID"),
        Column::new("Status"),
        Column::new("Created"),
        Column::new("Active since"),
        Column::new("Published until"),
        Column::new(""),
    ];
    let optional = |time: Option<_>| time.map_or_else(|| html! { "–" }, format::date_time);
    let row = |key: &SigningKeyResource| {
        vec![
            html! { code { (key.kid) } @if let Some(reason) = &key.condemned_reason { span.subtext { "“" (reason) "”" } } },
            state_badge(key.state),
            format::date_time(key.created_at),
            optional(key.signs_since),
            optional(key.retires_at),
            html! { @if key.state != KeyState::Condemned { (destructive_dialog_button(&format!("{BASE_PATH}/{}/condemn", key.kid), "Mark compromised")) } },
        ]
    };
    table("Signing keys", &columns, &keys.iter().map(row).collect::<Vec<_>>())
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

fn rotate_form() -> Form<'static> {
    let force = Input::checkbox("force", "Rotate now, even if some apps don't have the next key")
        .hint("Apps that cache the keys may reject new tokens until they fetch them again.");
    Form::new(ROTATE_PATH, vec![force], "Rotate", BASE_PATH)
}

fn rotate_page(page: &PageContext, ring: &KeyRing, form: &Markup) -> PageLayout<'static> {
    let content = html! {
        div.stack.prose {
            p {
                "The next key becomes active, and a new next key is created. The current key stays published until its last \
                token expires. Keys rotate automatically; rotate now only if you need to."
            }
            @if let Err(KeyRingConflict::NotPublishedLongEnough(at)) = ring.promote(page.app.settings.rotation_policy, page.ctx.now) {
                p { "You can rotate after " (format::date_time(at)) ". Until then, apps may have cached the keys without the next one." }
            } @else {
                p { "Safe to rotate: apps have had time to fetch the next key." }
            }
            (form)
        }
    };
    PageLayout::new(NavSection::SigningKeys, "Rotate signing keys?", content)
        .breadcrumbs(&[(BASE_PATH, "Signing keys")])
}

async fn confirm_rotate(OperatorContext(page): OperatorContext) -> Result<Response, Problem> {
    let ring = page.app.table.ring().await?;
    Ok(rotate_page(&page, &ring, &rotate_form().render(&page)).render(&page))
}

async fn rotate(OperatorContext(page): OperatorContext, data: FormData) -> Result<Response, Problem> {
    let ring = page.app.table.ring().await?;
    let form = rotate_form();
    Ok(match page.post("/api/v1.0/signing-keys/rotate", &data, &data.to_json(&form.inputs)).await {
        Ok(_) => Redirect::to(&format!("{BASE_PATH}?notice=rotated")).into_response(),
        Err(problem) => {
            let problem = explain(&page, &ring, problem);
            rotate_page(&page, &ring, &form.with_error(&data, &problem).render(&page)).render_error(&page, &problem)
        }
    })
}

/// Replaces the API's detail with one for operators.
fn explain(page: &PageContext, ring: &KeyRing, problem: Problem) -> Problem {
    match ring.promote(page.app.settings.rotation_policy, page.ctx.now) {
        Err(KeyRingConflict::NotPublishedLongEnough(_)) if problem.code == Code::StateConflict => {
            Problem::new(problem.code, "some apps may not have the next key yet. Wait, or select “Rotate now”")
        }
        _ => problem,
    }
}

fn condemn_inputs() -> Vec<Input> {
    vec![Input::text("reason", "Reason", 500).hint("Shown with the key.")]
}

fn condemn_page(page: &PageContext, key: &SigningKey, form: &Markup) -> PageLayout<'static> {
    let content = html! {
        div.stack.prose {
            p { "Use this if the key may have leaked. This can't be undone." }
            p { code { (key.kid) } " " (state_badge(key.state)) }
            ul.bullet-list { @for consequence in consequences(key.state, page.app.settings.rotation_policy) { li { (consequence) } } }
            (form)
        }
    };
    PageLayout::new(NavSection::SigningKeys, "Mark key as compromised?", content)
        .breadcrumbs(&[(BASE_PATH, "Signing keys")])
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

async fn read_key(page: &PageContext, kid: &str) -> Result<SigningKey, Problem> {
    page.app.table.ring().await?.key(kid).cloned().ok_or_else(Problem::not_found)
}

fn condemn_form(action: &str) -> Form<'_> {
    Form::new(action, condemn_inputs(), "Mark compromised", BASE_PATH).destructive()
}

async fn confirm_condemn(
    OperatorContext(page): OperatorContext,
    PathId(kid): PathId<String>,
) -> Result<Response, Problem> {
    let key = read_key(&page, &kid).await?;
    let form = condemn_form(&format!("{BASE_PATH}/{kid}/condemn")).render(&page);
    Ok(condemn_page(&page, &key, &form).render(&page))
}

async fn condemn(
    OperatorContext(page): OperatorContext,
    PathId(kid): PathId<String>,
    data: FormData,
) -> Result<Response, Problem> {
    let key = read_key(&page, &kid).await?;
    let action = format!("{BASE_PATH}/{kid}/condemn");
    let form = condemn_form(&action);
    let body = data.to_json(&form.inputs);
    Ok(match page.post(&format!("/api/v1.0/signing-keys/{kid}/condemn"), &data, &body).await {
        Ok(_) => Redirect::to(&format!("{BASE_PATH}?notice=compromised")).into_response(),
        Err(problem) => {
            condemn_page(&page, &key, &form.with_error(&data, &problem).render(&page)).render_error(&page, &problem)
        }
    })
}
