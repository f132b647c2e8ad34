//! API keys.

use access::{create_api_key, resources::ApiKeyResource};
use axum::{Router, extract::State, response::Response, routing::get};
use maud::{Markup, html};
use shared::{
    AppState,
    domain::{ApiKeyId, Scope, Scopes, Timestamp},
    http::{Code, ListQuery, PathId, Problem, RequestContext},
    store::Table,
};

use crate::{
    api::Api,
    form_data::FormData,
    links,
    ui::{
        components::{destructive_dialog_button, empty_state, link_button, pagination, primary_button, secret, table},
        form_page::FormPage,
        format,
        forms::Form,
        inputs::{Choice, Input},
        layout::{NavSection, PageLayout},
        notice::{Notice, NoticeQuery},
    },
    viewer::{Operator, Viewer},
};

const NEW_PATH: &str = "/dashboard/api-keys/new";

pub(crate) fn routes() -> Router<AppState> {
    Router::new()
        .route(links::API_KEYS, get(list))
        .route(NEW_PATH, get(new).post(create))
        .route("/dashboard/api-keys/{id}/delete", get(confirm_delete).post(delete))
}

async fn list(
    Operator(viewer): Operator,
    State(table): State<Table>,
    ctx: RequestContext,
    query: Result<ListQuery<NoticeQuery>, Problem>,
) -> Result<Response, Problem> {
    let ListQuery { filter, paging } = query?;
    let found = table.api_keys(&paging).await?;
    let new = primary_button(NEW_PATH, "New API key");
    let keys: Vec<_> = found.items.into_iter().map(ApiKeyResource::from).collect();
    let content = html! {
        p.muted.prose { "Send one in the " code { "X-Api-Key" } " header from your servers. Licensed apps don't need one." }
        @if keys.is_empty() {
            (empty_state("No API keys", "Create one for each server or script that calls the API.", &new))
        } @else {
            (key_table(&keys, ctx.now))
            (pagination(&paging, found.next.as_deref(), |cursor| links::with_query(links::API_KEYS, &[("cursor", cursor)])))
        }
    };
    let layout = PageLayout::new(NavSection::ApiKeys, "API keys", html! { div.stack { (content) } });
    Ok(layout.actions(new).notice(filter.notice).render(&viewer))
}

fn key_table(keys: &[ApiKeyResource], now: Timestamp) -> Markup {
    let row = |key: &ApiKeyResource| {
        vec![
            html! { strong { (key.name) } span.subtext { code { (key.id) } } },
            html! { (scope_names(&key.scopes)) },
            format::or(key.last_used_at.map(|at| format::time_ago(at, now)), "Never"),
            format::date(key.created_at),
            format::or(key.expires_at.map(format::date), "Never"),
            html! { (link_button(&links::activity_of(&key.id.to_string()), "Activity")) (destructive_dialog_button(&delete_path(key.id), "Delete")) },
        ]
    };
    table("API keys", ["Name", "Permissions", "Last used", "Created", "Expires", ""], keys.iter().map(row))
}

fn scope_names(scopes: &Scopes) -> String {
    match scopes {
        Scopes::All => "Full access".to_owned(),
        Scopes::Some(scopes) => scopes.iter().map(|scope| scope_name(*scope)).collect::<Vec<_>>().join(", "),
    }
}

fn scope_name(scope: Scope) -> &'static str {
    match scope {
        Scope::CatalogWrite => "Manage catalog",
        Scope::CustomersRead => "Read customers",
        Scope::CustomersWrite => "Manage customers",
        Scope::LicensesRead => "Read licenses",
        Scope::LicensesWrite => "Manage licenses",
        Scope::AccessWrite => "Manage API keys",
        Scope::KeysWrite => "Manage signing keys",
        Scope::WebhooksRead => "Read webhooks",
        Scope::WebhooksWrite => "Manage webhooks",
    }
}

fn inputs() -> Vec<Input> {
    let all = Choice::new("*", "Full access").note("including future permissions");
    let scopes =
        Scope::ALL.into_iter().map(|scope| Choice::new(scope.as_str(), scope_name(scope)).note(scope.as_str()));
    vec![
        Input::text("name", "Name", 100).required().hint("For example, “Billing server”."),
        Input::checkboxes("scopes", "Permissions", std::iter::once(all).chain(scopes).collect())
            .none_selected("Select at least one permission."),
        Input::date_time("expires_at", "Expires").hint("Leave blank if the key never expires."),
    ]
}

fn new_page() -> FormPage {
    let form = Form::new(NEW_PATH, inputs(), "Create API key", links::API_KEYS);
    FormPage::new(NavSection::ApiKeys, "New API key", form).breadcrumb(links::API_KEYS, "API keys")
}

async fn new(Operator(viewer): Operator) -> Response {
    new_page().render(&viewer)
}

async fn create(Operator(viewer): Operator, api: Api, data: FormData) -> Response {
    let page = new_page();
    match api.post("/api/v1.0/api-keys", &data, &page.request_body(&data)).await {
        Ok(created) => show_secret(&viewer, &created),
        Err(problem) => page.render_error(&viewer, &data, &problem),
    }
}

/// Shows the secret of a new API key. It is not stored and can't be shown again.
fn show_secret(viewer: &Viewer, created: &create_api_key::Response) -> Response {
    let content = html! {
        div.stack {
            p.prose { "Copy it now: you won't see it again. Store it in a secret manager." }
            (secret(&created.api_key, "API key"))
            div.actions { (link_button(links::API_KEYS, "View API keys")) }
        }
    };
    PageLayout::new(NavSection::ApiKeys, "API key created", content)
        .breadcrumb(links::API_KEYS, "API keys")
        .render(viewer)
}

fn delete_path(id: ApiKeyId) -> String {
    format!("{}/{id}/delete", links::API_KEYS)
}

async fn delete_page(table: &Table, id: ApiKeyId) -> Result<FormPage, Problem> {
    let name = table.api_key(id).await?.ok_or_else(Problem::not_found)?.key.name;
    let form = Form::new(delete_path(id), Vec::new(), "Delete", links::API_KEYS).destructive();
    Ok(FormPage::new(NavSection::ApiKeys, "Delete API key?", form).breadcrumb(links::API_KEYS, "API keys").intro(
        html! {
            p.prose { "Requests using “" strong { (name) } "” will fail immediately. This can't be undone." }
        },
    ))
}

async fn confirm_delete(
    Operator(viewer): Operator,
    State(table): State<Table>,
    PathId(id): PathId<ApiKeyId>,
) -> Result<Response, Problem> {
    Ok(delete_page(&table, id).await?.render(&viewer))
}

async fn delete(
    Operator(viewer): Operator,
    State(table): State<Table>,
    api: Api,
    PathId(id): PathId<ApiKeyId>,
    data: FormData,
) -> Result<Response, Problem> {
    let page = delete_page(&table, id).await?;
    Ok(match api.delete(&format!("/api/v1.0/api-keys/{id}")).await {
        Ok(()) => Notice::ApiKeyDeleted.redirect_to(links::API_KEYS),
        Err(problem) => page.render_error(&viewer, &data, &explain(problem)),
    })
}

/// Replaces the API's detail with one for operators.
fn explain(problem: Problem) -> Problem {
    match problem.code {
        Code::LastAccessKey => Problem::new(
            problem.code,
            "this is the last key without an expiry that can manage API keys. Create another one first",
        ),
        _ => problem,
    }
}
