//! What a search finds, in groups: customers, licenses, machines, pages and actions.

use licenses::find::{SearchResult, find};
use maud::{Markup, html};
use shared::{
    domain::{Customer, DescribedActivation, License, SearchTerms, Secret, search::split},
    http::Problem,
    store::{Table, search::Found},
};

use crate::{
    links,
    ui::{format, layout::operator_pages},
};

/// The actions that a search finds: their pages, and their names.
const ACTIONS: [(&str, &str); 5] = [
    (links::NEW_LICENSE_KEY, "Issue license"),
    ("/dashboard/customers/new", "New customer"),
    ("/dashboard/products/new", "New product"),
    ("/dashboard/api-keys/new", "New API key"),
    ("/dashboard/webhooks/new", "New webhook endpoint"),
];

/// The results of a search.
#[derive(Default)]
pub(super) struct Results {
    groups: Vec<Group>,
    /// Whether there are more than are shown.
    has_more: bool,
}

/// Results of one kind.
struct Group {
    title: &'static str,
    entries: Vec<Entry>,
}

/// A result: a link.
struct Entry {
    href: String,
    title: String,
    detail: String,
}

impl Results {
    /// Finds what a text identifies, and then what its words find: at most `max` of each kind.
    pub(super) async fn find(table: &Table, text: &str, max: usize) -> Result<Self, Problem> {
        let mut found = find_words(table, text, max).await?;
        if !text.is_empty() {
            add_exact(table, text, &mut found).await?;
        }
        Ok(Self::new(&found, text))
    }

    /// Finds what the words of a text find: at most `max` of each kind.
    pub(super) async fn by_words(table: &Table, text: &str, max: usize) -> Result<Self, Problem> {
        Ok(Self::new(&find_words(table, text, max).await?, text))
    }

    fn new(found: &Found, text: &str) -> Self {
        let words = split(text);
        // A text without words, such as "?", finds no page. An empty one finds all.
        let named = |pages: &[(&'static str, &'static str)]| {
            if words.is_empty() && !text.is_empty() { Vec::new() } else { named(pages, &words) }
        };
        let pages: Vec<_> = operator_pages().collect();
        let groups = [("Pages", named(&pages)), ("Actions", named(&ACTIONS))];
        Self::of_resources(found).with(groups)
    }

    /// The results of customers, licenses and machines alone.
    pub(super) fn of_resources(found: &Found) -> Self {
        let groups = [
            ("Customers", found.customers.iter().map(customer_entry).collect()),
            ("Licenses", found.licenses.iter().map(license_entry).collect()),
            ("Machines", found.machines.iter().map(machine_entry).collect()),
        ];
        Self { groups: Vec::new(), has_more: found.has_more }.with(groups)
    }

    fn with(mut self, groups: impl IntoIterator<Item = (&'static str, Vec<Entry>)>) -> Self {
        let groups = groups.into_iter().filter(|(_, entries)| !entries.is_empty());
        self.groups.extend(groups.map(|(title, entries)| Group { title, entries }));
        self
    }

    /// The URL of the only result; `None` if there are several or none.
    pub(super) fn only(&self) -> Option<&str> {
        let mut entries = self.groups.iter().flat_map(|group| &group.entries);
        let first = entries.next()?;
        entries.next().is_none().then_some(&first.href)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }

    /// The sections of the page with the results.
    pub(super) fn sections(&self) -> Markup {
        html! {
            @for group in &self.groups {
                section.section {
                    h2 { (group.title) }
                    ul.search-results { @for entry in &group.entries { li { a href=(entry.href) { (label(entry)) } } } }
                }
            }
            @if self.has_more { p.muted { "There are more results. Add a word to narrow the search." } }
        }
    }

    /// The results in the command palette.
    pub(super) fn options(&self) -> Markup {
        let numbers: Vec<usize> = self
            .groups
            .iter()
            .scan(0, |total, group| {
                let first = *total;
                *total += group.entries.len();
                Some(first)
            })
            .collect();
        html! {
            div #palette-list role="listbox" aria-label="Results" {
                @for (at, (group, first)) in self.groups.iter().zip(numbers).enumerate() {
                    div role="group" aria-labelledby={ "palette-group-" (at) } {
                        p #{ "palette-group-" (at) } role="presentation" { (group.title) }
                        @for (number, entry) in group.entries.iter().enumerate() {
                            a #{ "palette-option-" (first + number) } role="option" aria-selected="false" tabindex="-1" href=(entry.href) { (label(entry)) }
                        }
                    }
                }
            }
            @if self.has_more { p.palette-more { "There are more results. Add a word to narrow the search." } }
        }
    }
}

fn label(entry: &Entry) -> Markup {
    html! { span { (entry.title) } @if !entry.detail.is_empty() { span.muted { (entry.detail) } } }
}

async fn find_words(table: &Table, text: &str, max: usize) -> Result<Found, Problem> {
    Ok(match SearchTerms::parse(text) {
        Some(terms) => Box::pin(table.search(&terms, max)).await?,
        None => Found::default(),
    })
}

/// Adds the license or customer that the text identifies as the first result.
async fn add_exact(table: &Table, text: &str, found: &mut Found) -> Result<(), Problem> {
    match find(table, &Secret::new(text.to_owned())).await? {
        SearchResult::License(id) => {
            if let Some(license) = table.license(id).await? {
                found.licenses.retain(|(other, _)| other.id != id);
                found.licenses.insert(0, (license, None));
            }
        }
        SearchResult::Customer(id) => {
            if let Some(read) = table.customer(id).await? {
                found.customers.retain(|other| other.id != id);
                found.customers.insert(0, read.customer);
            }
        }
        SearchResult::NotFound => {}
    }
    Ok(())
}

fn customer_entry(customer: &Customer) -> Entry {
    let parts = [customer.company.as_deref(), customer.email.as_deref()];
    let detail = parts.into_iter().flatten().collect::<Vec<_>>().join(" · ");
    Entry { href: links::customer(customer.id), title: format::customer_name(customer).to_owned(), detail }
}

fn license_entry((license, customer): &(License, Option<String>)) -> Entry {
    let parts = [license.name.as_deref(), customer.as_deref(), license.external_id.as_deref()];
    let detail = parts.into_iter().flatten().collect::<Vec<_>>().join(" · ");
    Entry { href: links::license_key(license.id), title: license.key_hint.clone(), detail }
}

fn machine_entry((license, machine): &(License, DescribedActivation)) -> Entry {
    let hostname = machine.facts.as_ref().and_then(|facts| facts.hostname.as_deref());
    let parts = [hostname, Some(license.key_hint.as_str())];
    let detail = parts.into_iter().flatten().collect::<Vec<_>>().join(" · ");
    Entry { href: links::license_key(license.id), title: machine.display_name().to_owned(), detail }
}

/// The pages whose names have, for each word, a word that begins with it.
fn named(pages: &[(&'static str, &'static str)], words: &[String]) -> Vec<Entry> {
    let matches = |name: &str| {
        let own = split(name);
        words.iter().all(|word| own.iter().any(|own| own.starts_with(word.as_str())))
    };
    let found = pages.iter().filter(|(_, name)| matches(name));
    found
        .map(|(href, name)| Entry { href: (*href).to_owned(), title: (*name).to_owned(), detail: String::new() })
        .collect()
}
