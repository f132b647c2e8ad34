//! The API keys of the operator's programs.

use access::resources::ApiKeyResource;
use axum::{
    Router,
    http::Method,
    response::{IntoResponse, Redirect, Response},
    routing::get,
};
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::{Value, json};
use shared::{
    AppState,
    domain::{ApiKey, ApiKeyId, Scope, Scopes},
    http::{ListQuery, PathId, Problem},
};

use crate::{
    enter::{Operator, Visit},
    form::Sent,
    ui::{
        address,
        components::{Column, danger_link, empty, link, pages, primary_link, secret, table},
        inputs::{Choice, Form, Input},
        shell::{Page, Place},
        show,
    },
};

const HERE: &str = "/dashboard/api-keys";

/// The pages.
pub(crate) fn routes() -> Router<AppState> {
    Router::new()
        .route(HERE, get(list))
        .route("/dashboard/api-keys/new", get(ask_new).post(create))
        .route("/dashboard/api-keys/{id}/delete", get(ask_delete).post(delete))
}

/// What the address says.
#[derive(Debug, Deserialize)]
struct Asked {
    done: Option<String>,
}

async fn list(Operator(visit): Operator, asked: Result<ListQuery<Asked>, Problem>) -> Result<Response, Problem> {
    let ListQuery { filter, paging } = asked?;
    let page = visit.app.table.api_keys(&paging).await?;
    let next = page.next.as_deref().map(|cursor| address(HERE, &[("cursor", cursor)]));
    let new = primary_link("/dashboard/api-keys/new", "New API key");
    let keys: Vec<ApiKeyResource> = page.items.into_iter().map(ApiKeyResource::from).collect();
    let content = html! {
        p.muted.prose { "Programs of yours send one as X-Api-Key. Apps that are licensed need none: their license key is enough." }
        @if keys.is_empty() {
            (empty("No API keys", "A program that issues license keys or reads them needs one.", &new))
        } @else {
            (rows(&visit, &keys))
            (pages(paging.cursor.is_some().then_some(HERE), next.as_deref()))
        }
    };
    let page = Page::new(Place::ApiKeys, "API keys", html! { div.stack { (content) } });
    Ok(page.actions(new).done(filter.done.as_deref()).render(&visit))
}

fn rows(visit: &Visit, keys: &[ApiKeyResource]) -> Markup {
    let columns = [
        Column::new("Name"),
        Column::new("May do"),
        Column::new("Last used"),
        Column::new("Made"),
        Column::new("Ends"),
        Column::new(""),
    ];
    let row = |key: &ApiKeyResource| {
        vec![
            html! { strong { (key.name) } span.sub { code { (key.id) } } },
            html! { (scopes(&key.scopes)) },
            key.last_used_at.map_or_else(|| html! { "Never" }, |at| show::ago(at, visit.ctx.now)),
            show::day(key.created_at),
            key.expires_at.map_or_else(|| html! { "Never" }, show::day),
            danger_link(&format!("{HERE}/{}/delete", key.id), "Delete"),
        ]
    };
    table("API keys", &columns, &keys.iter().map(row).collect::<Vec<_>>())
}

fn scopes(scopes: &Scopes) -> String {
    match scopes {
        Scopes::All => "Everything".to_owned(),
        Scopes::Some(scopes) => scopes.iter().map(|scope| name(*scope)).collect::<Vec<_>>().join(", "),
    }
}

fn name(scope: Scope) -> &'static str {
    match scope {
        Scope::CatalogWrite => "Change the catalog",
        Scope::CustomersRead => "Read customers",
        Scope::CustomersWrite => "Change customers",
        Scope::LicensesRead => "Read license keys",
        Scope::LicensesWrite => "Issue and change license keys",
        Scope::AccessWrite => "Manage API keys",
        Scope::KeysWrite => "Rotate signing keys",
    }
}

fn inputs() -> Vec<Input> {
    let all = Choice::new("*", "Everything").note("also what is added later");
    let scopes = Scope::ALL.into_iter().map(|scope| Choice::new(scope.as_str(), name(scope)).note(scope.as_str()));
    vec![
        Input::text("name", "Name", 100).required().hint("What it is for, such as the program that holds it."),
        Input::checkboxes("scopes", "May do", std::iter::once(all).chain(scopes).collect()),
        Input::time("expires_at", "Ends, in UTC").hint("Empty: never."),
    ]
}

fn new_page(form: Markup) -> Page<'static> {
    Page::new(Place::ApiKeys, "New API key", form).below(&[(HERE, "API keys")])
}

fn new_form() -> Form<'static> {
    Form::new("/dashboard/api-keys/new", inputs(), "Create API key", HERE)
}

async fn ask_new(Operator(visit): Operator) -> Response {
    new_page(new_form().render(&visit)).render(&visit)
}

async fn create(Operator(visit): Operator, sent: Sent) -> Response {
    let form = new_form();
    match visit.post("/api/v1.0/api-keys", &sent, &sent.json(&form.inputs)).await {
        Ok(answer) => made(&visit, &answer),
        Err(problem) => new_page(form.refused(&sent, &problem).render(&visit)).refused(&visit, &problem),
    }
}

fn made(visit: &Visit, answer: &Value) -> Response {
    let content = html! {
        div.stack {
            p.prose { "This is the one time that it is shown. Put it where the program finds it, and nowhere else." }
            (secret(answer["api_key"].as_str().unwrap_or_default(), "the API key"))
            div.actions { (link(HERE, "Go to the API keys")) }
        }
    };
    Page::new(Place::ApiKeys, "Here is the API key", content).below(&[(HERE, "API keys")]).render(visit)
}

async fn read(visit: &Visit, id: ApiKeyId) -> Result<ApiKey, Problem> {
    Ok(visit.app.table.api_key(id).await?.ok_or_else(Problem::not_found)?.key)
}

fn delete_page(name: &str, form: &Markup) -> Page<'static> {
    let content = html! {
        div.stack {
            p.prose { "From now on every request with " strong { (name) } " is refused. This can't be undone." }
            (form)
        }
    };
    Page::new(Place::ApiKeys, "Delete this API key?", content).below(&[(HERE, "API keys")])
}

async fn ask_delete(Operator(visit): Operator, PathId(id): PathId<ApiKeyId>) -> Result<Response, Problem> {
    let key = read(&visit, id).await?;
    let action = format!("{HERE}/{id}/delete");
    let form = Form::new(&action, Vec::new(), "Delete it", HERE).dangerous();
    Ok(delete_page(&key.name, &form.render(&visit)).render(&visit))
}

async fn delete(Operator(visit): Operator, PathId(id): PathId<ApiKeyId>, sent: Sent) -> Result<Response, Problem> {
    let key = read(&visit, id).await?;
    match visit.ask(Method::DELETE, &format!("/api/v1.0/api-keys/{id}"), &[], &json!({})).await {
        Ok(_) => Ok(Redirect::to(&format!("{HERE}?done=deleted")).into_response()),
        Err(problem) => {
            let action = format!("{HERE}/{id}/delete");
            let form = Form::new(&action, Vec::new(), "Delete it", HERE).dangerous().refused(&sent, &problem);
            Ok(delete_page(&key.name, &form.render(&visit)).refused(&visit, &problem))
        }
    }
}
