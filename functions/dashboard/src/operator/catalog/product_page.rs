//! The page of a product, with a tab for each of its lists.

use maud::{Markup, html};
use shared::domain::{Product, ProductId};

use crate::{
    links,
    ui::{
        components::{link_button, tabs},
        form_page::FormPage,
        forms::Form,
        layout::{NavSection, PageLayout},
    },
};

/// A tab of a product's page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ProductTab {
    Tiers,
    Features,
    Hierarchy,
}

impl ProductTab {
    fn name(self) -> &'static str {
        match self {
            Self::Tiers => "Pricing tiers",
            Self::Features => "Features",
            Self::Hierarchy => "Tier hierarchy",
        }
    }
}

/// The tab of the page that lists the features of a product.
pub(super) fn features_path(id: ProductId) -> String {
    format!("{}/features", links::product(id))
}

/// A tab of a product's page. `new` is the button that creates an item of it.
pub(super) fn product_page(product: &Product, tab: ProductTab, new: &Markup, content: &Markup) -> PageLayout {
    let path = links::product(product.id);
    let content = html! {
        @if let Some(text) = product.description.as_ref().filter(|_| tab == ProductTab::Tiers) { p.muted.prose { (text) } }
        (tabs("Product", &[
            (&path, ProductTab::Tiers.name(), tab == ProductTab::Tiers),
            (&features_path(product.id), ProductTab::Features.name(), tab == ProductTab::Features),
            (&format!("{path}/hierarchy"), ProductTab::Hierarchy.name(), tab == ProductTab::Hierarchy),
        ]))
        (content)
    };
    PageLayout::new(NavSection::Products, &product.name, content)
        .tab(tab.name())
        .breadcrumb(links::PRODUCTS, "Products")
        .actions(html! { (link_button(&links::activity_of(&product.id.to_string()), "Activity")) (link_button(&format!("{path}/app-file"), "Download app file")) (link_button(&format!("{path}/edit"), "Edit product")) (new) })
}

/// The page of a form about a product or an item of it. `parent` is the tab of the product's page that lists the item.
pub(super) fn product_form(title: &str, form: Form, product: &Product, parent: &str) -> FormPage {
    FormPage::new(NavSection::Products, title, form)
        .breadcrumb(links::PRODUCTS, "Products")
        .breadcrumb(parent, &product.name)
}
