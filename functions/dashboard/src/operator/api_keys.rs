//! API keys: what programs ask with. A secret is shown once, in the answer to the form that made it.

use axum::{
    Router,
    http::Method,
    response::{IntoResponse, Redirect, Response},
    routing::get,
};
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::Value;
use shared::{
    Services,
    domain::{ApiKey, Code, KeyId, Scope, Scopes, Timestamp},
    http::{List, PathId, Problem},
};

use crate::{
    enter::{Operator, Visit},
    form::Sent,
    ui::{
        address,
        components::{Column, badge, code, danger_link, empty, facts, notice, pages, primary_link, secret, table},
        inputs::{Choice, Form, Input},
        shell::{Page, Place},
        show,
    },
};

const HERE: &str = "/dashboard/api-keys";
const NEW: &str = "/dashboard/api-keys/new";

/// The pages.
pub(crate) fn routes() -> Router<Services> {
    Router::new()
        .route(HERE, get(list))
        .route(NEW, get(ask_new).post(create))
        .route("/dashboard/api-keys/{id}/delete", get(ask_delete).post(delete))
}

/// What the address says.
#[derive(Debug, Deserialize)]
struct Asked {
    done: Option<String>,
}

async fn list(Operator(visit): Operator, asked: Result<List<Asked>, Problem>) -> Result<Response, Problem> {
    let List { filter, paging } = asked?;
    let found = visit.services.table.api_keys(&paging).await?;
    let next = found.next.as_deref().map(|cursor| address(HERE, &[("cursor", cursor)]));
    let make = primary_link(NEW, "New API key");
    let content = html! {
        @if found.items.is_empty() {
            (empty("No API keys", "A program that issues keys or reads what was sold asks with an API key.", &make))
        } @else {
            (rows(&found.items, visit.call.now))
            (pages(paging.cursor.is_some().then_some(HERE), next.as_deref()))
        }
    };
    Ok(Page::new(Place::ApiKeys, "API keys", content).actions(make).done(filter.done.as_deref()).draw(&visit))
}

fn rows(keys: &[ApiKey], now: Timestamp) -> Markup {
    let columns = ["Name", "May", "Last used", "Ends", ""].map(Column::new);
    let row = |key: &ApiKey| {
        vec![
            html! { strong { (key.name) } code.sub { (key.id) } },
            may(&key.scopes),
            key.last_used_at.map_or_else(|| html! { span.muted { "Never" } }, |at| show::ago(at, now)),
            ends(key, now),
            danger_link(&delete_path(key.id), "Delete"),
        ]
    };
    table("API keys", &columns, &keys.iter().map(row).collect::<Vec<_>>())
}

fn may(scopes: &Scopes) -> Markup {
    match scopes {
        Scopes::All => badge("Everything", "warn"),
        Scopes::Some(scopes) => {
            html! { span.scopes { @for scope in scopes { span { (code(scope.as_str())) " " } } } }
        }
    }
}

fn ends(key: &ApiKey, now: Timestamp) -> Markup {
    match key.expires_at {
        None => html! { "Never" },
        Some(end) if end <= now => badge("Ended", "dim"),
        Some(end) => show::day(end),
    }
}

fn delete_path(id: KeyId) -> String {
    format!("{HERE}/{id}/delete")
}

fn new_form() -> Form<'static> {
    let all = Choice::new("*", "Everything").note("also what is added later");
    let each = Scope::ALL.map(|scope| Choice::new(scope.as_str(), words(scope)).note(scope.as_str()));
    let inputs = vec![
        Input::text("name", "Name", 100).required().hint("What it is for, as in: web shop."),
        Input::checkboxes("scopes", "What it may do", [all].into_iter().chain(each).collect())
            .hint("No more than the program needs. Every key reads the catalog."),
        Input::time("expires_at", "Ends").hint("In UTC. Left empty, never."),
    ];
    Form::new(NEW, inputs, "Make API key", HERE)
}

/// What a scope is, for people.
fn words(scope: Scope) -> &'static str {
    match scope {
        Scope::CatalogWrite => "Change the catalog",
        Scope::CustomersRead => "Read customers",
        Scope::CustomersWrite => "Change customers",
        Scope::LicensesRead => "Read license keys",
        Scope::LicensesWrite => "Issue and change license keys",
        Scope::AccessWrite => "Make and delete API keys",
        Scope::KeysWrite => "Turn the signing keys",
    }
}

fn new_page(content: Markup) -> Page<'static> {
    Page::new(Place::ApiKeys, "New API key", content).below(&[(HERE, "API keys")])
}

async fn ask_new(Operator(visit): Operator) -> Response {
    new_page(new_form().draw(&visit)).draw(&visit)
}

async fn create(Operator(visit): Operator, sent: Sent) -> Response {
    let form = new_form();
    match visit.post("/api/v1.0/api-keys", &sent, &sent.json(&form.inputs)).await {
        Ok(made) => made_page(&visit, &made),
        Err(problem) => new_page(form.refused(&sent, &problem).draw(&visit)).refused(&visit, &problem),
    }
}

/// The secret is here, and nowhere else.
fn made_page(visit: &Visit, made: &Value) -> Response {
    let text = |name: &str| made[name].as_str().unwrap_or_default();
    let content = html! {
        div.stack.measure {
            (notice("warn", &html! { p { "This is the only time that the secret is shown. Copy it to where it is used now." } }))
            (secret(text("api_key"), "secret"))
            p.muted { "A program sends it in the header " code { "X-Api-Key" } ". Who loses it deletes the key, and makes another." }
            div.actions { a.button href=(HERE) { "Done" } }
        }
    };
    let title = format!("API key {}", text("name"));
    Page::new(Place::ApiKeys, &title, content).below(&[(HERE, "API keys")]).draw(visit)
}

async fn ask_delete(Operator(visit): Operator, PathId(id): PathId<KeyId>) -> Result<Response, Problem> {
    let key = read(&visit, id).await?;
    Ok(delete_page(&visit, &key, &delete_form(&delete_path(id))).draw(&visit))
}

async fn delete(Operator(visit): Operator, PathId(id): PathId<KeyId>, sent: Sent) -> Result<Response, Problem> {
    let key = read(&visit, id).await?;
    Ok(match visit.ask(Method::DELETE, &format!("/api/v1.0/api-keys/{id}"), &[], &Value::Null).await {
        Ok(_) => Redirect::to(&format!("{HERE}?done=deleted")).into_response(),
        Err(problem) => {
            let problem = in_words(problem);
            let action = delete_path(id);
            delete_page(&visit, &key, &delete_form(&action).refused(&sent, &problem)).refused(&visit, &problem)
        }
    })
}

fn delete_form(action: &str) -> Form<'_> {
    Form::new(action, Vec::new(), "Delete it", HERE).dangerous()
}

fn delete_page(visit: &Visit, key: &ApiKey, form: &Form<'_>) -> Page<'static> {
    let used = key.last_used_at.map_or_else(|| html! { "Never" }, |at| show::ago(at, visit.call.now));
    let content = html! {
        div.stack.prose {
            p {
                "Whatever asks with " strong { (key.name) } " is refused from its next request on. Nothing brings the key back; "
                "what was done with it stays."
            }
            (facts(&[("May", may(&key.scopes)), ("Last used", used)]))
            (form.draw(visit))
        }
    };
    Page::new(Place::ApiKeys, "Delete this API key?", content).below(&[(HERE, "API keys")])
}

const LAST: &str = "This is the last key without an end that may make other keys. Without one, nobody could make any who can't sign in \
                    here: make another that never ends and may make API keys, then delete this one.";

/// What was refused, in the words of whoever reads pages.
fn in_words(problem: Problem) -> Problem {
    match problem.code {
        Code::LastAccessKey => Problem::new(Code::LastAccessKey, LAST),
        _ => problem,
    }
}

async fn read(visit: &Visit, id: KeyId) -> Result<ApiKey, Problem> {
    Ok(visit.services.table.api_key(id).await?.ok_or_else(Problem::not_found)?.key)
}
