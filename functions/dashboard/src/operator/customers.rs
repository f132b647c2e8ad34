//! Customers: all of them by name, and each with the license keys that it holds.

use axum::{
    Router,
    response::{IntoResponse, Redirect, Response},
    routing::get,
};
use licenses::list_licenses;
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

use super::license_rows;
use crate::{
    enter::{Operator, Visit},
    form::Sent,
    ui::{
        address,
        components::{Column, Direction, copyable, empty, facts, link, pages, primary_link, section, table},
        inputs::{Form, Input},
        shell::{Page, Place},
        show,
    },
};

pub(crate) const HERE: &str = "/dashboard/customers";

/// The pages.
pub(crate) fn routes() -> Router<AppState> {
    Router::new()
        .route(HERE, get(list))
        .route("/dashboard/customers/new", get(ask_new).post(create))
        .route("/dashboard/customers/{id}", get(show_one))
        .route("/dashboard/customers/{id}/edit", get(ask_edit).post(edit))
}

/// What the address of the list says.
#[derive(Debug, Deserialize)]
struct Asked {
    /// How the name begins.
    name: Option<String>,
    /// `descending` turns the list round.
    order: Option<Order>,
    done: Option<String>,
}

async fn list(Operator(visit): Operator, asked: Result<ListQuery<Asked>, Problem>) -> Result<Response, Problem> {
    let ListQuery { filter: asked, paging } = asked?;
    let name = asked.name.unwrap_or_default();
    let filter = CustomerFilter { name: name.clone(), order: asked.order.unwrap_or_default() };
    let found = visit.app.table.customers(&filter, &paging).await?;
    let at = |order: Order, cursor: &str| {
        let order = if order == Order::Descending { "descending" } else { "" };
        address(HERE, &[("name", &name), ("order", order), ("cursor", cursor)])
    };
    let next = found.next.as_deref().map(|cursor| at(filter.order, cursor));
    let first = paging.cursor.is_some().then(|| at(filter.order, ""));
    let (direction, other) = match filter.order {
        Order::Ascending => (Direction::Up, Order::Descending),
        Order::Descending => (Direction::Down, Order::Ascending),
    };
    let new = primary_link("/dashboard/customers/new", "New customer");
    let content = html! {
        (filters(&name))
        @if found.items.is_empty() {
            @if name.is_empty() {
                (empty("No customers yet", "A customer is who holds license keys. People who sign in and claim a license become customers by themselves.", &new))
            } @else {
                (empty("Nobody of that name", "Names are found by how they begin, whatever their case.", &link(HERE, "Show all")))
            }
        } @else {
            (rows(&found.items, &at(other, ""), direction))
            (pages(first.as_deref(), next.as_deref()))
        }
    };
    Ok(Page::new(Place::Customers, "Customers", content).actions(new).done(asked.done.as_deref()).render(&visit))
}

fn filters(name: &str) -> Markup {
    html! {
        form.filters method="get" action=(HERE) {
            div.field {
                label for="filter-name" { "Name begins with" }
                input #filter-name name="name" value=(name) maxlength="200" autocomplete="off" spellcheck="false";
            }
            button.button { "Find" }
            @if !name.is_empty() { a.button.quiet href=(HERE) { "Clear" } }
        }
    }
}

fn rows(customers: &[Customer], turned: &str, direction: Direction) -> Markup {
    let columns = [
        Column::sorted("Name", turned, Some(direction)),
        Column::new("E-mail"),
        Column::new("Company"),
        Column::new("Since"),
    ];
    let row = |customer: &Customer| {
        vec![
            html! { a href=(path(customer.id)) { (customer.name) } },
            html! { (customer.email) },
            html! { (customer.company.as_deref().unwrap_or("–")) },
            show::day(customer.created_at),
        ]
    };
    table("Customers", &columns, &customers.iter().map(row).collect::<Vec<_>>())
}

/// Where a customer's page is.
pub(crate) fn path(id: CustomerId) -> String {
    format!("{HERE}/{id}")
}

/// What the address of one says.
#[derive(Debug, Deserialize)]
struct AskedOne {
    done: Option<String>,
}

async fn show_one(
    Operator(visit): Operator,
    PathId(id): PathId<CustomerId>,
    asked: Result<ListQuery<AskedOne>, Problem>,
) -> Result<Response, Problem> {
    let ListQuery { filter, paging } = asked?;
    let (customer, keys) = tokio::join!(read(&visit, id), keys_of(&visit, id, &paging));
    let (customer, (keys, next)) = (customer?, keys?);
    let here = path(id);
    let next = next.map(|cursor| address(&here, &[("cursor", &cursor)]));
    let first = paging.cursor.is_some().then_some(here.as_str());
    let issue = format!("/dashboard/license-keys/new?customer_id={id}");
    let content = html! {
        (facts(&[
            ("E-mail", html! { (customer.email) }),
            ("Company", html! { (customer.company.as_deref().unwrap_or("–")) }),
            ("Signs in", html! { (if customer.subject.is_some() { "Yes" } else { "Not yet" }) }),
            ("Since", show::exact_time(customer.created_at)),
            ("Id", copyable(&id.to_string(), "the id")),
        ]))
        (section("License keys", &primary_link(&issue, "Issue a key"), &html! {
            @if keys.is_empty() {
                (empty("No license keys", "What this customer buys or claims stands here.", &link(&issue, "Issue a key")))
            } @else {
                (license_rows(&visit, &keys, false, None).await?)
                (pages(first, next.as_deref()))
            }
        }))
    };
    let page = Page::new(Place::Customers, &customer.name, content)
        .below(&[(HERE, "Customers")])
        .actions(link(&format!("{here}/edit"), "Edit"))
        .done(filter.done.as_deref());
    Ok(page.render(&visit))
}

async fn keys_of(
    visit: &Visit,
    id: CustomerId,
    paging: &PageRequest,
) -> Result<(Vec<LicenseResource>, Option<String>), Problem> {
    let filter = LicenseFilter { customer_id: Some(id), ..LicenseFilter::default() };
    let page = list_licenses::list(&visit.app.table, &filter, visit.ctx.now, paging).await?;
    Ok((page.items, page.next_cursor))
}

/// The fields of a customer, as it is now if it is there.
fn inputs(current: Option<&Customer>) -> Vec<Input> {
    vec![
        Input::text("name", "Name", 200)
            .required()
            .maybe(current.map(|customer| customer.name.as_str()))
            .hint("A person or an organisation."),
        Input::email("email", "E-mail")
            .required()
            .maybe(current.map(|customer| customer.email.as_str()))
            .hint("Who signs in with this address, verified, is this customer."),
        Input::text("company", "Company", 200).maybe(current.and_then(|customer| customer.company.as_deref())),
    ]
}

fn new_form() -> Form<'static> {
    Form::new("/dashboard/customers/new", inputs(None), "Create customer", HERE)
}

fn new_page(content: Markup) -> Page<'static> {
    Page::new(Place::Customers, "New customer", content).below(&[(HERE, "Customers")])
}

async fn ask_new(Operator(visit): Operator) -> Response {
    new_page(new_form().render(&visit)).render(&visit)
}

async fn create(Operator(visit): Operator, sent: Sent) -> Response {
    let form = new_form();
    match visit.post("/api/v1.0/customers", &sent, &sent.json(&form.inputs)).await {
        Ok(made) => {
            Redirect::to(&format!("{HERE}/{}?done=created", made["id"].as_str().unwrap_or_default())).into_response()
        }
        Err(problem) => new_page(form.refused(&sent, &problem).render(&visit)).refused(&visit, &problem),
    }
}

fn edit_form<'a>(action: &'a str, here: &'a str, customer: &Customer) -> Form<'a> {
    let inputs = inputs(Some(customer)).into_iter().chain([Input::version(customer)]).collect();
    Form::new(action, inputs, "Save", here)
}

fn edit_page(content: Markup) -> Page<'static> {
    Page::new(Place::Customers, "Edit customer", content).below(&[(HERE, "Customers")])
}

async fn ask_edit(Operator(visit): Operator, PathId(id): PathId<CustomerId>) -> Result<Response, Problem> {
    let customer = read(&visit, id).await?;
    let here = path(id);
    Ok(edit_page(edit_form(&format!("{here}/edit"), &here, &customer).render(&visit)).render(&visit))
}

async fn edit(Operator(visit): Operator, PathId(id): PathId<CustomerId>, sent: Sent) -> Result<Response, Problem> {
    let customer = read(&visit, id).await?;
    let here = path(id);
    let action = format!("{here}/edit");
    let form = edit_form(&action, &here, &customer);
    Ok(match visit.put(&format!("/api/v1.0/customers/{id}"), &sent, &sent.json(&form.inputs)).await {
        Ok(_) => Redirect::to(&format!("{here}?done=saved")).into_response(),
        Err(problem) => edit_page(form.refused(&sent, &problem).render(&visit)).refused(&visit, &problem),
    })
}

pub(crate) async fn read(visit: &Visit, id: CustomerId) -> Result<Customer, Problem> {
    let found = visit.app.table.customer(id).await?;
    Ok(found.ok_or_else(Problem::not_found)?.customer)
}
