//! Customers.

use axum::{
    Router,
    response::{IntoResponse, Redirect, Response},
    routing::get,
};
use maud::{Markup, html};
use serde::Deserialize;
use shared::{
    AppState,
    domain::{Customer, CustomerId},
    http::{ListQuery, PathId, Problem, resources::LicenseResource},
    store::{
        customers::CustomerFilter,
        licenses::LicenseFilter,
        pagination::{Order, PageRequest},
    },
};

use super::license_table;
use crate::{
    form_data::FormData,
    page_context::{OperatorContext, PageContext},
    queries,
    ui::{
        components::{
            Column, NoticeQuery, SortDirection, copyable, description_list, empty_state, link_button, pagination,
            primary_button, section, table,
        },
        format,
        forms::Form,
        inputs::Input,
        layout::{NavSection, PageLayout},
        with_query,
    },
};

pub(crate) const BASE_PATH: &str = "/dashboard/customers";
const NEW_PATH: &str = "/dashboard/customers/new";

pub(crate) fn routes() -> Router<AppState> {
    Router::new()
        .route(BASE_PATH, get(list))
        .route(NEW_PATH, get(new).post(create))
        .route("/dashboard/customers/{id}", get(show))
        .route("/dashboard/customers/{id}/edit", get(edit).post(update))
}

/// The query of the list.
#[derive(Debug, Deserialize)]
struct CustomersQuery {
    /// A prefix of the name.
    name: Option<String>,
    /// The order by name; ascending by default.
    order: Option<Order>,
    notice: Option<String>,
}

async fn list(
    OperatorContext(page): OperatorContext,
    query: Result<ListQuery<CustomersQuery>, Problem>,
) -> Result<Response, Problem> {
    let ListQuery { filter: query, paging } = query?;
    let name = query.name.unwrap_or_default();
    let filter = CustomerFilter { name: name.clone(), order: query.order.unwrap_or_default() };
    let found = page.app.table.customers(&filter, &paging).await?;
    let url = |order: Order, cursor: &str| {
        let order = if order == Order::Descending { "descending" } else { "" };
        with_query(BASE_PATH, &[("name", &name), ("order", order), ("cursor", cursor)])
    };
    let next = found.next.as_deref().map(|cursor| url(filter.order, cursor));
    let first = paging.cursor.is_some().then(|| url(filter.order, ""));
    let (direction, reversed) = match filter.order {
        Order::Ascending => (SortDirection::Ascending, Order::Descending),
        Order::Descending => (SortDirection::Descending, Order::Ascending),
    };
    let new = primary_button(NEW_PATH, "New customer");
    let content = html! {
        (search_form(&name))
        @if found.items.is_empty() {
            @if name.is_empty() {
                (empty_state("No customers yet", "Customers hold licenses. Anyone who claims one is added automatically.", &new))
            } @else {
                (empty_state("No matching customers", "Search matches the start of a name.", &link_button(BASE_PATH, "Show all")))
            }
        } @else {
            (customer_table(&found.items, &url(reversed, ""), direction))
            (pagination(first.as_deref(), next.as_deref()))
        }
    };
    Ok(PageLayout::new(NavSection::Customers, "Customers", content)
        .actions(new)
        .notice(query.notice.as_deref())
        .render(&page))
}

fn search_form(name: &str) -> Markup {
    html! {
        form.filters method="get" action=(BASE_PATH) {
            div.form-field {
                label for="filter-name" { "Name" }
                input #filter-name name="name" value=(name) maxlength="200" autocomplete="off" spellcheck="false";
            }
            button.button { "Search customers" }
            @if !name.is_empty() { a.button.ghost href=(BASE_PATH) { "Clear" } }
        }
    }
}

fn customer_table(customers: &[Customer], reversed: &str, direction: SortDirection) -> Markup {
    let columns = [
        Column::sorted("Name", reversed, direction),
        Column::new("Email"),
        Column::new("Company"),
        Column::new("Created"),
    ];
    let row = |customer: &Customer| {
        vec![
            html! { a href=(path(customer.id)) { (customer.name) } },
            html! { (customer.email) },
            html! { (customer.company.as_deref().unwrap_or("–")) },
            format::date(customer.created_at),
        ]
    };
    table("Customers", &columns, &customers.iter().map(row).collect::<Vec<_>>())
}

/// The path of a customer's page.
pub(crate) fn path(id: CustomerId) -> String {
    format!("{BASE_PATH}/{id}")
}

async fn show(
    OperatorContext(page): OperatorContext,
    PathId(id): PathId<CustomerId>,
    query: Result<ListQuery<NoticeQuery>, Problem>,
) -> Result<Response, Problem> {
    let ListQuery { filter, paging } = query?;
    let (customer, licenses) = tokio::join!(read(&page, id), licenses_of(&page, id, &paging));
    let (customer, (licenses, next)) = (customer?, licenses?);
    let path = path(id);
    let next = next.map(|cursor| with_query(&path, &[("cursor", &cursor)]));
    let first = paging.cursor.is_some().then_some(path.as_str());
    let issue = format!("/dashboard/license-keys/new?customer_id={id}");
    let content = html! {
        (description_list(&[
            ("Email", html! { (customer.email) }),
            ("Company", html! { (customer.company.as_deref().unwrap_or("–")) }),
            ("Portal access", html! { (if customer.subject.is_some() { "Has signed in" } else { "Never signed in" }) }),
            ("Created", format::exact_date_time(customer.created_at)),
            ("ID", copyable(&id.to_string(), "ID")),
        ]))
        (section("Licenses", &primary_button(&issue, "Issue license"), &html! {
            @if licenses.is_empty() {
                (empty_state("No licenses", "This customer's licenses appear here.", &link_button(&issue, "Issue license")))
            } @else {
                (license_table(&page, &licenses, false, None).await?)
                (pagination(first, next.as_deref()))
            }
        }))
    };
    let layout = PageLayout::new(NavSection::Customers, &customer.name, content)
        .breadcrumbs(&[(BASE_PATH, "Customers")])
        .actions(link_button(&format!("{path}/edit"), "Edit"))
        .notice(filter.notice.as_deref());
    Ok(layout.render(&page))
}

async fn licenses_of(
    page: &PageContext,
    id: CustomerId,
    paging: &PageRequest,
) -> Result<(Vec<LicenseResource>, Option<String>), Problem> {
    let filter = LicenseFilter { customer_id: Some(id), ..LicenseFilter::default() };
    let found = queries::licenses(page, &filter, paging).await?;
    Ok((found.items, found.next_cursor))
}

fn inputs(customer: Option<&Customer>) -> Vec<Input> {
    vec![
        Input::text("name", "Name", 200)
            .required()
            .optional_value(customer.map(|customer| customer.name.as_str()))
            .hint("A person or an organization."),
        Input::email("email", "Email")
            .required()
            .optional_value(customer.map(|customer| customer.email.as_str()))
            .hint("Anyone who signs in with this verified email sees this customer's licenses."),
        Input::text("company", "Company", 200)
            .optional_value(customer.and_then(|customer| customer.company.as_deref())),
    ]
}

fn new_form() -> Form<'static> {
    Form::new(NEW_PATH, inputs(None), "Create customer", BASE_PATH)
}

fn new_page(content: Markup) -> PageLayout<'static> {
    PageLayout::new(NavSection::Customers, "New customer", content).breadcrumbs(&[(BASE_PATH, "Customers")])
}

async fn new(OperatorContext(page): OperatorContext) -> Response {
    new_page(new_form().render(&page)).render(&page)
}

async fn create(OperatorContext(page): OperatorContext, data: FormData) -> Response {
    let form = new_form();
    match page.post("/api/v1.0/customers", &data, &data.to_json(&form.inputs)).await {
        Ok(created) => {
            let id = created["id"].as_str().unwrap_or_default();
            Redirect::to(&format!("{BASE_PATH}/{id}?notice=created")).into_response()
        }
        Err(problem) => new_page(form.with_error(&data, &problem).render(&page)).render_error(&page, &problem),
    }
}

fn edit_form<'a>(action: &'a str, path: &'a str, customer: &Customer) -> Form<'a> {
    let inputs = inputs(Some(customer)).into_iter().chain([Input::version(customer)]).collect();
    Form::new(action, inputs, "Save", path)
}

fn edit_page(content: Markup) -> PageLayout<'static> {
    PageLayout::new(NavSection::Customers, "Edit customer", content).breadcrumbs(&[(BASE_PATH, "Customers")])
}

async fn edit(OperatorContext(page): OperatorContext, PathId(id): PathId<CustomerId>) -> Result<Response, Problem> {
    let customer = read(&page, id).await?;
    let path = path(id);
    Ok(edit_page(edit_form(&format!("{path}/edit"), &path, &customer).render(&page)).render(&page))
}

async fn update(
    OperatorContext(page): OperatorContext,
    PathId(id): PathId<CustomerId>,
    data: FormData,
) -> Result<Response, Problem> {
    let customer = read(&page, id).await?;
    let path = path(id);
    let action = format!("{path}/edit");
    let form = edit_form(&action, &path, &customer);
    Ok(match page.put(&format!("/api/v1.0/customers/{id}"), &data, &data.to_json(&form.inputs)).await {
        Ok(_) => Redirect::to(&format!("{path}?notice=saved")).into_response(),
        Err(problem) => edit_page(form.with_error(&data, &problem).render(&page)).render_error(&page, &problem),
    })
}

pub(crate) async fn read(page: &PageContext, id: CustomerId) -> Result<Customer, Problem> {
    let found = page.app.table.customer(id).await?;
    Ok(found.ok_or_else(Problem::not_found)?.customer)
}
