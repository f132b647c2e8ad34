//! The confirmation before a product becomes inactive: its licenses stop.

use futures_util::future::try_join_all;
use maud::{Markup, html};
use shared::{
    domain::{Product, ProductId, Status, Timestamp},
    http::Problem,
    store::{Table, licenses::LicenseFilter, pagination::PageRequest},
};

use super::product_page::product_form;
use crate::{
    form_data::FormData,
    links,
    ui::{form_page::FormPage, format, forms::Form},
};

/// The field of a form whose consequences were confirmed.
pub(super) const CONFIRMED: &str = "confirmed";

/// The number of licenses that a page of them has at most.
const PAGE_SIZE: usize = 100;
/// The maximum number of pages of licenses that are counted.
const MAX_PAGES: usize = 2;

/// What stops when a product becomes inactive.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Affected {
    /// The active licenses.
    licenses: usize,
    /// The seats in use of these licenses.
    machines: usize,
    /// Whether there may be more licenses than were counted.
    is_partial: bool,
}

impl Affected {
    /// Counts the newest licenses of a product. The number of reads is bounded.
    pub(super) async fn count(
        table: &Table,
        product: ProductId,
        paging: PageRequest,
        now: Timestamp,
    ) -> Result<Self, Problem> {
        let filter =
            LicenseFilter { product_id: Some(product), status: Some(Status::Active), ..LicenseFilter::default() };
        let mut paging = PageRequest { limit: PAGE_SIZE, cursor: None, ..paging };
        let mut affected = Self::default();
        for _ in 0..MAX_PAGES {
            let page = table.licenses(&filter, now, &paging).await?;
            let used = try_join_all(page.items.iter().map(|license| table.seats_used(license))).await?;
            affected.licenses += page.items.len();
            affected.machines += used.iter().sum::<usize>();
            paging.cursor = page.next;
            if paging.cursor.is_none() {
                return Ok(affected);
            }
        }
        Ok(Self { is_partial: true, ..affected })
    }

    fn summary(self) -> Markup {
        let licenses = format::count(self.licenses as u64, "active license");
        let machines = format::count(self.machines as u64, "machine");
        html! {
            @if self.is_partial {
                strong { "At least " (licenses) " with " (machines) } " will stop working."
            } @else if self.licenses == 0 {
                "It has no active licenses."
            } @else {
                strong { (licenses) " with " (machines) } " will stop working."
            }
        }
    }
}

/// Returns the page. Its form has the fields that were submitted with `form`, hidden.
pub(super) fn page(product: &Product, (form, data): (&FormPage, &FormData), affected: Affected) -> FormPage {
    let edit_path = format!("{}/edit", links::product(product.id));
    let form = Form::new(&edit_path, form.carried(data, CONFIRMED), "Deactivate product", &edit_path).destructive();
    product_form("Deactivate this product?", form, product, &links::product(product.id)).narrow_intro(html! {
        p { (affected.summary()) }
        p {
            "Apps can't activate or renew tokens while " (product.name) " is inactive. They stop at their next heartbeat, or when \
             they can no longer work offline. Customers no longer see the product in the catalog. You can activate it again."
        }
    })
}
