//! What a license grants: its features with their values.

use maud::{Markup, html};
use shared::domain::{Catalog, Entitlement, EntitlementSource, Grant, Timestamp};

use super::{components::table, format};

/// A table for the license's customer of what it grants. Flags that are off are not shown.
pub(crate) fn granted_table(entitlements: &[Entitlement<'_>]) -> Markup {
    let granted = entitlements.iter().filter(|one| one.grant != Grant::Flag(false));
    let rows = granted.map(|one| {
        let until = match one.source {
            EntitlementSource::Tier { .. } => None,
            EntitlementSource::Override { until } => until,
        };
        vec![
            html! { strong { (one.feature.name) } },
            html! { (value(one)) @if let Some(until) = until { span.subtext { "until " (format::date_time(until)) } } },
        ]
    });
    table("Features", ["Feature", "Value"], rows)
}

/// The value of an entitlement, such as `On` or `1,000 rows`.
pub(crate) fn value(entitlement: &Entitlement<'_>) -> String {
    format::grant(entitlement.grant, entitlement.feature.unit.as_deref())
}

/// Where the value of an entitlement comes from.
pub(crate) fn source(catalog: &Catalog, source: EntitlementSource) -> Markup {
    match source {
        EntitlementSource::Tier { inherited_from: None } => html! { "Tier" },
        EntitlementSource::Tier { inherited_from: Some(id) } => {
            let name = catalog.tiers.get(&id).map_or("another tier", |tier| tier.name.as_str());
            html! { "Inherited from " (name) }
        }
        EntitlementSource::Override { until } => html! { "Override " (end(until)) },
    }
}

fn end(until: Option<Timestamp>) -> Markup {
    if let Some(until) = until {
        html! { "until " (format::date_time(until)) }
    } else {
        html! { "without end" }
    }
}
