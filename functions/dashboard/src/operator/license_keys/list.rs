//! The list of licenses.

use axum::{extract::State, response::Response};
use maud::{Markup, html};
use serde::Deserialize;
use shared::{
    domain::{Catalog, CustomerId, ProductId, Status},
    http::{ListQuery, Problem, RequestContext},
    store::{
        Table,
        catalog::CatalogCache,
        licenses::{LicenseFilter, LicenseOrder},
        pagination::PageRequest,
    },
};

use crate::{
    links,
    operator::license_table::{customer_names, license_table},
    queries,
    ui::{
        components::{SortDirection, empty_state, link_button, no_matches_so_far, pagination, primary_button},
        inputs::Choice,
        layout::{NavSection, PageLayout},
    },
    viewer::Operator,
};

/// The query of the list.
#[derive(Debug, Deserialize)]
pub(super) struct LicensesQuery {
    customer_id: Option<CustomerId>,
    product_id: Option<ProductId>,
    status: Option<Status>,
    /// The order by issue date; newest first by default.
    order: Option<OldestFirst>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
enum OldestFirst {
    #[serde(rename = "oldest")]
    Oldest,
}

/// The statuses with their parameter values and labels.
const STATUSES: [(Status, &str, &str); 5] = [
    (Status::Active, "active", "Active"),
    (Status::Suspended, "suspended", "Suspended"),
    (Status::Expired, "expired", "Expired"),
    (Status::Superseded, "superseded", "Superseded"),
    (Status::Revoked, "revoked", "Revoked"),
];

impl LicensesQuery {
    /// The URL of the list with the same filters.
    fn url(&self, oldest_first: bool, cursor: &str) -> String {
        let text = |id: Option<String>| id.unwrap_or_default();
        let (customer, product) =
            (text(self.customer_id.map(|id| id.to_string())), text(self.product_id.map(|id| id.to_string())));
        let order = if oldest_first { "oldest" } else { "" };
        let parameters = [
            ("customer_id", &*customer),
            ("product_id", &product),
            ("status", self.status_value()),
            ("order", order),
            ("cursor", cursor),
        ];
        links::with_query(links::LICENSE_KEYS, &parameters)
    }

    fn status_value(&self) -> &'static str {
        STATUSES.iter().find(|(status, ..)| Some(*status) == self.status).map_or("", |(_, value, _)| *value)
    }

    fn is_filtered(&self) -> bool {
        self.customer_id.is_some() || self.product_id.is_some() || self.status.is_some()
    }

    /// Whether the status is the only filter. The index of statuses then answers the list, in its own order. In another
    /// order, all licenses would be read until some have the status, and pages could be empty.
    fn is_by_status(&self) -> bool {
        self.status.is_some() && self.customer_id.is_none() && self.product_id.is_none()
    }

    fn order(&self) -> LicenseOrder {
        match self.order {
            _ if self.is_by_status() => LicenseOrder::ByIndex,
            Some(OldestFirst::Oldest) => LicenseOrder::OldestFirst,
            None => LicenseOrder::NewestFirst,
        }
    }
}

/// Lists licenses.
pub(super) async fn handler(
    Operator(viewer): Operator,
    State(table): State<Table>,
    State(catalog): State<CatalogCache>,
    ctx: RequestContext,
    query: Result<ListQuery<LicensesQuery>, Problem>,
) -> Result<Response, Problem> {
    let ListQuery { filter: query, paging } = query?;
    let oldest_first = query.order.is_some();
    let filter = LicenseFilter {
        customer_id: query.customer_id,
        product_id: query.product_id,
        status: query.status,
        order: query.order(),
        ..LicenseFilter::default()
    };
    let found = queries::licenses(&table, &filter, &paging, ctx.now).await?;
    let catalog = catalog.read(&table, ctx.now).await?;
    let customers = customer_names(&table, &found.items).await?;
    let reversed = query.url(!oldest_first, "");
    let direction = if oldest_first { SortDirection::Ascending } else { SortDirection::Descending };
    let issue = primary_button(links::NEW_LICENSE_KEY, "Issue license");
    let url = |cursor: &str| query.url(oldest_first, cursor);
    let content = html! {
        (filter_form(&catalog, &query))
        @if found.items.is_empty() {
            (empty_page(&query, &paging, found.next_cursor.as_deref(), &issue))
        } @else {
            @let sort = (!query.is_by_status()).then_some((&*reversed, direction));
            @if query.is_by_status() { p.muted { "Sorted by expiry, latest first." } }
            (license_table(&catalog, &found.items, Some(&customers), sort))
            (pagination(&paging, found.next_cursor.as_deref(), url))
        }
    };
    Ok(PageLayout::new(NavSection::LicenseKeys, "Licenses", content).actions(issue).render(&viewer))
}

/// Explains an empty page. With several filters, a page can be empty although a later one has matches.
fn empty_page(query: &LicensesQuery, paging: &PageRequest, next: Option<&str>, issue: &Markup) -> Markup {
    let url = |cursor: &str| query.url(query.order.is_some(), cursor);
    match next {
        Some(next) => no_matches_so_far("Not all licenses have been searched yet.", &url(next), links::LICENSE_KEYS),
        None if paging.cursor.is_some() => {
            empty_state("No more licenses", "There are no more matches.", &link_button(&url(""), "First page"))
        }
        None if query.is_filtered() => {
            empty_state("No matching licenses", "Try removing a filter.", &link_button(links::LICENSE_KEYS, "Show all"))
        }
        None => empty_state("No licenses yet", "Licenses you issue or customers claim appear here.", issue),
    }
}

fn filter_form(catalog: &Catalog, query: &LicensesQuery) -> Markup {
    let mut products: Vec<_> = catalog.products.values().collect();
    products.sort_by_key(|product| (product.sort_order, product.id));
    let products: Vec<_> = products.iter().map(|product| Choice::new(product.id.to_string(), &product.name)).collect();
    let statuses: Vec<_> = STATUSES.iter().map(|(_, value, label)| Choice::new(*value, *label)).collect();
    let product = query.product_id.map(|id| id.to_string()).unwrap_or_default();
    html! {
        form.filters method="get" action=(links::LICENSE_KEYS) {
            @if let Some(id) = query.customer_id { input type="hidden" name="customer_id" value=(id); }
            @if query.order.is_some() { input type="hidden" name="order" value="oldest"; }
            (filter_select("status", "Status", "Any status", &statuses, query.status_value()))
            (filter_select("product_id", "Product", "Any product", &products, &product))
            button.button data-no-script { "Filter" }
            @if query.is_filtered() { a.button.ghost href=(links::LICENSE_KEYS) { "Clear" } }
        }
    }
}

fn filter_select(name: &str, label: &str, any: &str, choices: &[Choice], selected: &str) -> Markup {
    html! {
        div.form-field {
            label for={ "filter-" (name) } { (label) }
            select id={ "filter-" (name) } name=(name) data-submit-on-change {
                option value="" { (any) }
                @for choice in choices { option value=(choice.value) selected[choice.value == selected] { (choice.label) } }
            }
        }
    }
}
