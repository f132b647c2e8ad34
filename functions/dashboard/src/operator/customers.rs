//! Customers.

use axum::{Router, extract::State, response::Response, routing::get};
use maud::{Markup, html};
use serde::Deserialize;
use serde_json::json;
use shared::{
    AppState,
    domain::{Customer, CustomerId, Status, Timestamp},
    http::{ListQuery, PathId, Problem, RequestContext},
    store::{Table, catalog::CatalogCache, customers::CustomerFilter, licenses::LicenseFilter, pagination::Order},
};

use super::license_table::license_table;
use crate::{
    api::Api,
    form_data::FormData,
    links, queries,
    ui::{
        components::{
            Column, SortDirection, copyable, description_list, destructive_dialog_button, empty_state, link_button,
            pagination, primary_button, section, table,
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

const NEW_PATH: &str = "/dashboard/customers/new";

pub(crate) fn routes() -> Router<AppState> {
    Router::new()
        .route(links::CUSTOMERS, get(list))
        .route(NEW_PATH, get(new).post(create))
        .route("/dashboard/customers/{id}", get(show))
        .route("/dashboard/customers/{id}/edit", get(edit).post(update))
        .route("/dashboard/customers/{id}/erase", get(confirm_erase).post(erase))
}

/// The query of the list.
#[derive(Debug, Deserialize)]
struct CustomersQuery {
    /// A prefix of the name.
    name: Option<String>,
    /// The order by name; ascending by default.
    order: Option<Order>,
    notice: Option<Notice>,
}

async fn list(
    Operator(viewer): Operator,
    State(table): State<Table>,
    query: Result<ListQuery<CustomersQuery>, Problem>,
) -> Result<Response, Problem> {
    let ListQuery { filter: query, paging } = query?;
    let filter = CustomerFilter { name: query.name.unwrap_or_default(), order: query.order.unwrap_or_default() };
    let found = table.customers(&filter, &paging).await?;
    let name = &*filter.name;
    let url = |order: Order, cursor: &str| {
        let order = if order == Order::Descending { "descending" } else { "" };
        links::with_query(links::CUSTOMERS, &[("name", name), ("order", order), ("cursor", cursor)])
    };
    let (direction, reversed) = match filter.order {
        Order::Ascending => (SortDirection::Ascending, Order::Descending),
        Order::Descending => (SortDirection::Descending, Order::Ascending),
    };
    let new = primary_button(NEW_PATH, "New customer");
    let content = html! {
        (search_form(name))
        @if found.items.is_empty() {
            @if name.is_empty() {
                (empty_state("No customers yet", "Customers hold licenses. Anyone who claims one is added automatically.", &new))
            } @else {
                (empty_state("No matching customers", "Search matches the start of a name.", &link_button(links::CUSTOMERS, "Show all")))
            }
        } @else {
            (customer_table(&found.items, &url(reversed, ""), direction))
            (pagination(&paging, found.next.as_deref(), |cursor| url(filter.order, cursor)))
        }
    };
    let layout = PageLayout::new(NavSection::Customers, "Customers", content).actions(new);
    Ok(layout.notice(query.notice).render(&viewer))
}

fn search_form(name: &str) -> Markup {
    html! {
        form.filters method="get" action=(links::CUSTOMERS) {
            div.form-field {
                label for="filter-name" { "Name" }
                input #filter-name name="name" value=(name) maxlength="200" autocomplete="off" spellcheck="false";
            }
            button.button { "Search customers" }
            @if !name.is_empty() { a.button.ghost href=(links::CUSTOMERS) { "Clear" } }
        }
    }
}

fn customer_table(customers: &[Customer], reversed: &str, direction: SortDirection) -> Markup {
    let columns = [Column::sorted("Name", reversed, direction), "Email".into(), "Company".into(), "Created".into()];
    let row = |customer: &Customer| {
        vec![
            html! { a href=(links::customer(customer.id)) { (format::customer_name(customer)) } },
            html! { (customer.email.as_deref().unwrap_or("–")) },
            html! { (customer.company.as_deref().unwrap_or("–")) },
            format::date(customer.created_at),
        ]
    };
    table("Customers", columns, customers.iter().map(row))
}

async fn show(
    Operator(viewer): Operator,
    State(table): State<Table>,
    State(catalog): State<CatalogCache>,
    PathId(id): PathId<CustomerId>,
    ctx: RequestContext,
    query: Result<ListQuery<NoticeQuery>, Problem>,
) -> Result<Response, Problem> {
    let ListQuery { filter, paging } = query?;
    let of_customer = LicenseFilter { customer_id: Some(id), ..LicenseFilter::default() };
    let (customer, licenses) =
        tokio::join!(read(&table, id), queries::licenses(&table, &of_customer, &paging, ctx.now));
    let (customer, licenses) = (customer?, licenses?);
    let catalog = catalog.read(&table, ctx.now).await?;
    let path = links::customer(id);
    let issue = links::with_query(links::NEW_LICENSE_KEY, &[("customer_id", &id.to_string())]);
    let can_issue = customer.erased_at.is_none();
    let mut details = vec![
        ("Email", html! { (customer.email.as_deref().unwrap_or("–")) }),
        ("Company", html! { (customer.company.as_deref().unwrap_or("–")) }),
        ("Portal access", html! { (if customer.subject.is_some() { "Has signed in" } else { "Never signed in" }) }),
        ("Created", format::exact_date_time(customer.created_at)),
        ("ID", copyable(&id.to_string(), "ID")),
    ];
    if let Some(at) = customer.erased_at {
        details.push(("Erased", format::exact_date_time(at)));
    }
    let content = html! {
        (description_list(&details))
        (section("Licenses", &html! { @if can_issue { (primary_button(&issue, "Issue license")) } }, &html! {
            @if licenses.items.is_empty() {
                (empty_state("No licenses", "This customer's licenses appear here.", &html! { @if can_issue { (link_button(&issue, "Issue license")) } }))
            } @else {
                (license_table(&catalog, &licenses.items, None, None))
                (pagination(&paging, licenses.next_cursor.as_deref(), |cursor| links::with_query(&path, &[("cursor", cursor)])))
            }
        }))
    };
    let layout = PageLayout::new(NavSection::Customers, format::customer_name(&customer), content)
        .breadcrumb(links::CUSTOMERS, "Customers")
        .actions(html! {
            (link_button(&links::activity_of(&id.to_string()), "Activity"))
            @if customer.erased_at.is_none() {
                (link_button(&format!("{path}/edit"), "Edit"))
                (destructive_dialog_button(&erase_path(id), "Erase"))
            }
        });
    Ok(layout.notice(filter.notice).render(&viewer))
}

fn inputs(customer: Option<&Customer>) -> Vec<Input> {
    vec![
        Input::text("name", "Name", 200)
            .required()
            .optional_value(customer.and_then(|customer| customer.name.as_deref()))
            .hint("A person or an organization."),
        Input::email("email", "Email")
            .required()
            .optional_value(customer.and_then(|customer| customer.email.as_deref()))
            .hint("Anyone who signs in with this verified email sees this customer's licenses."),
        Input::text("company", "Company", 200)
            .optional_value(customer.and_then(|customer| customer.company.as_deref())),
    ]
}

fn new_page() -> FormPage {
    let form = Form::new(NEW_PATH, inputs(None), "Create customer", links::CUSTOMERS);
    FormPage::new(NavSection::Customers, "New customer", form).breadcrumb(links::CUSTOMERS, "Customers")
}

async fn new(Operator(viewer): Operator) -> Response {
    new_page().render(&viewer)
}

async fn create(Operator(viewer): Operator, api: Api, data: FormData) -> Response {
    let page = new_page();
    match api.post::<Customer>("/api/v1.0/customers", &data, &page.request_body(&data)).await {
        Ok(created) => Notice::CustomerCreated.redirect_to(&links::customer(created.id)),
        Err(problem) => page.render_error(&viewer, &data, &problem),
    }
}

fn edit_page(customer: &Customer) -> FormPage {
    let path = links::customer(customer.id);
    let inputs = inputs(Some(customer)).into_iter().chain([Input::version(customer)]).collect();
    let form = Form::new(format!("{path}/edit"), inputs, "Save", path);
    FormPage::new(NavSection::Customers, "Edit customer", form).breadcrumb(links::CUSTOMERS, "Customers")
}

async fn edit(
    Operator(viewer): Operator,
    State(table): State<Table>,
    PathId(id): PathId<CustomerId>,
) -> Result<Response, Problem> {
    Ok(edit_page(&read(&table, id).await?).render(&viewer))
}

/// Updates a customer. Its external id and its metadata do not change.
async fn update(
    Operator(viewer): Operator,
    State(table): State<Table>,
    api: Api,
    PathId(id): PathId<CustomerId>,
    data: FormData,
) -> Result<Response, Problem> {
    let customer = read(&table, id).await?;
    let page = edit_page(&customer);
    let mut body = page.request_body(&data);
    body["external_id"] = customer.external_id.clone().into();
    body["metadata"] = json!(customer.metadata);
    Ok(match api.put(&format!("/api/v1.0/customers/{id}"), &data, &body).await {
        Ok(()) => Notice::CustomerSaved.redirect_to(&links::customer(id)),
        Err(problem) => page.render_error(&viewer, &data, &problem),
    })
}

fn erase_path(id: CustomerId) -> String {
    format!("{}/erase", links::customer(id))
}

/// The confirmation of the erasure, with the number of license keys that it would revoke.
async fn erase_page(table: &Table, id: CustomerId, now: Timestamp) -> Result<FormPage, Problem> {
    let customer = read(table, id).await?;
    let licenses = table.licenses_of(id, LicenseFilter::default(), now).await?;
    let in_use = licenses.iter().filter(|one| matches!(one.status(now), Status::Active | Status::Suspended)).count();
    let mut inputs = Vec::new();
    if in_use > 0 {
        inputs.push(Input::checkbox("revoke", "Revoke active and suspended licenses now"));
    }
    let form = Form::new(erase_path(id), inputs, "Erase customer", links::customer(id)).destructive();
    Ok(FormPage::new(NavSection::Customers, "Erase this customer?", form)
        .breadcrumb(links::CUSTOMERS, "Customers")
        .breadcrumb(links::customer(id), format::customer_name(&customer))
        .narrow_intro(html! {
            p {
                "Removes the name, email, company and sign-in of " strong { (format::customer_name(&customer)) }
                ", and the names and addresses of their machines. Licenses and their history stay, without personal data. "
                "This can't be undone."
            }
            @if in_use > 0 { p { strong { (format::count(u64::try_from(in_use).unwrap_or_default(), "license")) } " must be revoked first." } }
        }))
}

async fn confirm_erase(
    Operator(viewer): Operator,
    State(table): State<Table>,
    PathId(id): PathId<CustomerId>,
    ctx: RequestContext,
) -> Result<Response, Problem> {
    Ok(erase_page(&table, id, ctx.now).await?.render(&viewer))
}

async fn erase(
    Operator(viewer): Operator,
    State(table): State<Table>,
    api: Api,
    PathId(id): PathId<CustomerId>,
    ctx: RequestContext,
    data: FormData,
) -> Result<Response, Problem> {
    let page = erase_page(&table, id, ctx.now).await?;
    let revoke = if data.get("revoke").is_empty() { "false" } else { "true" };
    let path = links::with_query(&format!("/api/v1.0/customers/{id}"), &[("revoke", revoke)]);
    Ok(match api.delete(&path).await {
        Ok(()) => Notice::Erased.redirect_to(&links::customer(id)),
        Err(problem) => page.render_error(&viewer, &data, &problem),
    })
}

/// A customer with its metadata.
pub(super) async fn read(table: &Table, id: CustomerId) -> Result<Customer, Problem> {
    Ok(table.customer_with_metadata(id).await?.ok_or_else(Problem::not_found)?.customer)
}
