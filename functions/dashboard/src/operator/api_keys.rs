//! API keys.

use access::resources::ApiKeyResource;
use axum::{
    Router,
    http::Method,
    response::{IntoResponse, Redirect, Response},
    routing::get,
};
use maud::{Markup, html};
use serde_json::{Value, json};
use shared::{
    AppState,
    domain::{ApiKey, ApiKeyId, Scope, Scopes},
    http::{Code, ListQuery, PathId, Problem},
};

use crate::{
    form_data::FormData,
    page_context::{OperatorContext, PageContext},
    ui::{
        components::{
            Column, NoticeQuery, destructive_dialog_button, empty_state, link_button, pagination, primary_button,
            secret, table,
        },
        format,
        forms::Form,
        inputs::{Choice, Input},
        layout::{NavSection, PageLayout},
        with_query,
    },
};

const BASE_PATH: &str = "/dashboard/api-keys";
const NEW_PATH: &str = "/dashboard/api-keys/new";

pub(crate) fn routes() -> Router<AppState> {
    Router::new()
        .route(BASE_PATH, get(list))
        .route(NEW_PATH, get(new).post(create))
        .route("/dashboard/api-keys/{id}/delete", get(confirm_delete).post(delete))
}

async fn list(
    OperatorContext(page): OperatorContext,
    query: Result<ListQuery<NoticeQuery>, Problem>,
) -> Result<Response, Problem> {
    let ListQuery { filter, paging } = query?;
    let found = page.app.table.api_keys(&paging).await?;
    let next = found.next.as_deref().map(|cursor| with_query(BASE_PATH, &[("cursor", cursor)]));
    let new = primary_button(NEW_PATH, "New API key");
    let keys: Vec<ApiKeyResource> = found.items.into_iter().map(ApiKeyResource::from).collect();
    let content = html! {
        p.muted.prose { "Send one in the " code { "X-Api-Key" } " header from your servers. Licensed apps don't need one." }
        @if keys.is_empty() {
            (empty_state("No API keys", "Create one for each server or script that calls the API.", &new))
        } @else {
            (key_table(&page, &keys))
            (pagination(paging.cursor.is_some().then_some(BASE_PATH), next.as_deref()))
        }
    };
    let layout = PageLayout::new(NavSection::ApiKeys, "API keys", html! { div.stack { (content) } });
    Ok(layout.actions(new).notice(filter.notice.as_deref()).render(&page))
}

fn key_table(page: &PageContext, keys: &[ApiKeyResource]) -> Markup {
    let columns = [
        Column::new("Name"),
        Column::new("Permissions"),
        Column::new("Last used"),
        Column::new("Created"),
        Column::new("Expires"),
        Column::new(""),
    ];
    let row = |key: &ApiKeyResource| {
        vec![
            html! { strong { (key.name) } span.subtext { code { (key.id) } } },
            html! { (scope_names(&key.scopes)) },
            key.last_used_at.map_or_else(|| html! { "Never" }, |at| format::time_ago(at, page.ctx.now)),
            format::date(key.created_at),
            key.expires_at.map_or_else(|| html! { "Never" }, format::date),
            destructive_dialog_button(&format!("{BASE_PATH}/{}/delete", key.id), "Delete"),
        ]
    };
    table("API keys", &columns, &keys.iter().map(row).collect::<Vec<_>>())
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
        Input::date_time("expires_at", "Expires (UTC)").hint("Leave blank if the key never expires."),
    ]
}

fn new_page(form: Markup) -> PageLayout<'static> {
    PageLayout::new(NavSection::ApiKeys, "New API key", form).breadcrumbs(&[(BASE_PATH, "API keys")])
}

fn new_form() -> Form<'static> {
    Form::new(NEW_PATH, inputs(), "Create API key", BASE_PATH)
}

async fn new(OperatorContext(page): OperatorContext) -> Response {
    new_page(new_form().render(&page)).render(&page)
}

async fn create(OperatorContext(page): OperatorContext, data: FormData) -> Response {
    let form = new_form();
    match page.post("/api/v1.0/api-keys", &data, &data.to_json(&form.inputs)).await {
        Ok(created) => show_secret(&page, &created),
        Err(problem) => new_page(form.with_error(&data, &problem).render(&page)).render_error(&page, &problem),
    }
}

/// Shows the secret of a new API key. It is not stored and can't be shown again.
fn show_secret(page: &PageContext, created: &Value) -> Response {
    let content = html! {
        div.stack {
            p.prose { "Copy it now: you won't see it again. Store it in a secret manager." }
            (secret(created["api_key"].as_str().unwrap_or_default(), "API key"))
            div.actions { (link_button(BASE_PATH, "View API keys")) }
        }
    };
    PageLayout::new(NavSection::ApiKeys, "API key created", content)
        .breadcrumbs(&[(BASE_PATH, "API keys")])
        .render(page)
}

async fn read(page: &PageContext, id: ApiKeyId) -> Result<ApiKey, Problem> {
    Ok(page.app.table.api_key(id).await?.ok_or_else(Problem::not_found)?.key)
}

fn delete_page(name: &str, form: &Markup) -> PageLayout<'static> {
    let content = html! {
        div.stack {
            p.prose { "Requests using “" strong { (name) } "” will fail immediately. This can't be undone." }
            (form)
        }
    };
    PageLayout::new(NavSection::ApiKeys, "Delete API key?", content).breadcrumbs(&[(BASE_PATH, "API keys")])
}

fn delete_form(action: &str) -> Form<'_> {
    Form::new(action, Vec::new(), "Delete", BASE_PATH).destructive()
}

async fn confirm_delete(
    OperatorContext(page): OperatorContext,
    PathId(id): PathId<ApiKeyId>,
) -> Result<Response, Problem> {
    let key = read(&page, id).await?;
    let form = delete_form(&format!("{BASE_PATH}/{id}/delete")).render(&page);
    Ok(delete_page(&key.name, &form).render(&page))
}

async fn delete(
    OperatorContext(page): OperatorContext,
    PathId(id): PathId<ApiKeyId>,
    data: FormData,
) -> Result<Response, Problem> {
    let key = read(&page, id).await?;
    match page.call_api(Method::DELETE, &format!("/api/v1.0/api-keys/{id}"), &[], &json!({})).await {
        Ok(_) => Ok(Redirect::to(&format!("{BASE_PATH}?notice=deleted")).into_response()),
        Err(problem) => {
            let problem = explain(problem);
            let action = format!("{BASE_PATH}/{id}/delete");
            let form = delete_form(&action).with_error(&data, &problem).render(&page);
            Ok(delete_page(&key.name, &form).render_error(&page, &problem))
        }
    }
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
