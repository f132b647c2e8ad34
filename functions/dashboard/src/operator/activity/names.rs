//! The words for events: what happened, to what, and who did it.

use jiff::Timestamp;
use maud::{Markup, html};
use shared::domain::{
    Actor, ActorKind, Catalog, Customer, Event, EventData, EventType, ProductId, Subject, SubjectType,
    event::payload::{ChangedFields, CustomerOrigin, LicenseChanged, WebhookDisabledReason},
};

use crate::{links, session::Session, ui::format};

/// The data that turns ids of events into names.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ActivityNames<'a> {
    pub(crate) catalog: &'a Catalog,
    /// The signed-in user.
    pub(crate) session: &'a Session,
    /// The product and the customer, if all events are of one license.
    pub(crate) license: Option<(ProductId, Option<&'a Customer>)>,
}

/// The name of an event type.
pub(super) fn event_name(event_type: EventType) -> &'static str {
    match event_type {
        EventType::ProductCreated => "Product created",
        EventType::ProductUpdated => "Product updated",
        EventType::PricingTierCreated => "Pricing tier created",
        EventType::PricingTierUpdated => "Pricing tier updated",
        EventType::ProductFeatureCreated => "Feature created",
        EventType::ProductFeatureUpdated => "Feature updated",
        EventType::CustomerCreated => "Customer created",
        EventType::CustomerUpdated => "Customer updated",
        EventType::CustomerErased => "Customer erased",
        EventType::LicenseIssued => "License issued",
        EventType::LicenseUpdated => "License details updated",
        EventType::LicenseClaimed => "License claimed by a customer",
        EventType::LicenseSuperseded => "License superseded",
        EventType::LicenseSuspended => "License suspended",
        EventType::LicenseReinstated => "License reinstated",
        EventType::LicenseRenewed => "License renewed",
        EventType::LicenseChanged => "License changed",
        EventType::LicenseOverridden => "Entitlements overridden",
        EventType::LicenseRegenerated => "Key regenerated",
        EventType::LicenseRevoked => "License revoked",
        EventType::LicenseAudited => "License audited",
        EventType::LicenseRenewalRequested => "Renewal requested",
        EventType::LicenseUpgradeRequested => "Upgrade requested",
        EventType::LicenseSeatLimitReached => "Seat limit reached",
        EventType::LicenseExpiring => "License expiring soon",
        EventType::LicenseExpired => "License expired",
        EventType::ActivationCreated => "Machine activated",
        EventType::ActivationDeactivated => "Machine deactivated",
        EventType::ActivationTakenOver => "Seat reassigned from inactive machine",
        EventType::ActivationBorrowed => "Seat borrowed",
        EventType::ApiKeyCreated => "API key created",
        EventType::ApiKeyDeleted => "API key deleted",
        EventType::SigningKeyCreated => "Signing key created",
        EventType::SigningKeyPublished => "Signing key published",
        EventType::SigningKeyPromoted => "Signing key activated",
        EventType::SigningKeyRetired => "Signing key retired",
        EventType::SigningKeyCondemned => "Signing key marked compromised",
        EventType::WebhookEndpointCreated => "Webhook endpoint created",
        EventType::WebhookEndpointUpdated => "Webhook endpoint updated",
        EventType::WebhookEndpointDisabled => "Webhook endpoint disabled",
        EventType::WebhookEndpointDeleted => "Webhook endpoint deleted",
        EventType::WebhookEndpointTest => "Webhook endpoint tested",
        EventType::SettingsUpdated => "Settings updated",
    }
}

/// The name of a type of resource, in the plural.
pub(super) fn subject_type_name(subject_type: SubjectType) -> &'static str {
    match subject_type {
        SubjectType::Product => "Products",
        SubjectType::PricingTier => "Pricing tiers",
        SubjectType::ProductFeature => "Features",
        SubjectType::Customer => "Customers",
        SubjectType::License => "Licenses",
        SubjectType::Activation => "Machines",
        SubjectType::ApiKey => "API keys",
        SubjectType::SigningKey => "Signing keys",
        SubjectType::WebhookEndpoint => "Webhook endpoints",
        SubjectType::Settings => "Settings",
    }
}

impl ActivityNames<'_> {
    /// What happened, in a few words.
    pub(super) fn event_details(&self, event: &Event) -> Option<Markup> {
        match &event.data {
            EventData::LicenseRenewed(data) => Some(expiry(data.expires_at)),
            EventData::LicenseExpiring(data) => Some(expiry(Some(data.expires_at))),
            EventData::LicenseExpired(data) => Some(format::date(data.expires_at)),
            EventData::ActivationBorrowed(data) => {
                Some(html! { (data.machine_id) ", until " (format::date_time(data.borrowed_until)) })
            }
            _ => self.details_text(event).map(|text| html! { (text) }),
        }
    }

    /// The details of events without times.
    fn details_text(&self, event: &Event) -> Option<String> {
        match &event.data {
            EventData::ProductCreated(product) => Some(product.name.clone()),
            EventData::PricingTierCreated(tier) => Some(tier.name.clone()),
            EventData::ProductFeatureCreated(feature) => Some(feature.name.clone()),
            EventData::WebhookEndpointUpdated(changes)
                if changes.changes.contains_key("previous_secret_expires_at") =>
            {
                Some("secret rotated".to_owned())
            }
            EventData::ProductUpdated(changes)
            | EventData::PricingTierUpdated(changes)
            | EventData::ProductFeatureUpdated(changes)
            | EventData::WebhookEndpointUpdated(changes)
            | EventData::SettingsUpdated(changes) => changed(changes.changes.keys()),
            EventData::CustomerUpdated(ChangedFields { fields })
            | EventData::LicenseUpdated(ChangedFields { fields }) => changed(fields),
            EventData::CustomerCreated(data) => match data.origin {
                CustomerOrigin::Operator => None,
                CustomerOrigin::Registration => Some("registered".to_owned()),
                CustomerOrigin::Import => Some("imported".to_owned()),
            },
            EventData::LicenseIssued(data) => Some(self.tier_name(&data.tier).to_owned()),
            EventData::LicenseSuperseded(data) => {
                Some(format!("replaced by {}", short_id(&data.superseded_by.to_string())))
            }
            EventData::LicenseSuspended(data)
            | EventData::LicenseReinstated(data)
            | EventData::LicenseRevoked(data)
            | EventData::SigningKeyCondemned(data) => data.reason.as_ref().map(|reason| format!("“{reason}”")),
            EventData::LicenseChanged(data) => Some(self.terms(data)),
            EventData::LicenseOverridden(data) => match data.overrides.len() {
                0 => Some("no overrides".to_owned()),
                count => Some(format::count(count as u64, "override")),
            },
            EventData::LicenseRegenerated(data) => Some(format!("{}×", data.generation.saturating_sub(1))),
            EventData::LicenseAudited(data) => Some(if data.ok { "no issues" } else { "issues found" }.to_owned()),
            EventData::LicenseUpgradeRequested(data) => Some(self.catalog.tiers.get(&data.tier_id?)?.name.clone()),
            EventData::LicenseSeatLimitReached(data) => Some(data.machine_id.clone()),
            EventData::ActivationCreated(data) => Some(data.machine_id.clone()),
            EventData::ActivationTakenOver(data) => Some(data.activation.machine_id.clone()),
            EventData::ActivationDeactivated(data) => Some(data.machine_id.clone()),
            EventData::ApiKeyCreated(data) | EventData::ApiKeyDeleted(data) => Some(data.name.clone()),
            EventData::WebhookEndpointCreated(data) | EventData::WebhookEndpointDeleted(data) => Some(data.url.clone()),
            EventData::WebhookEndpointDisabled(data) => Some(match data.reason {
                WebhookDisabledReason::Gone => "it responded with 410".to_owned(),
                WebhookDisabledReason::Failing => "all deliveries failed".to_owned(),
            }),
            EventData::LicenseRenewed(_)
            | EventData::LicenseExpiring(_)
            | EventData::LicenseExpired(_)
            | EventData::ActivationBorrowed(_)
            | EventData::CustomerErased(_)
            | EventData::LicenseClaimed(_)
            | EventData::LicenseRenewalRequested(_)
            | EventData::SigningKeyCreated(_)
            | EventData::SigningKeyPublished(_)
            | EventData::SigningKeyPromoted(_)
            | EventData::SigningKeyRetired(_)
            | EventData::WebhookEndpointTest(_) => None,
        }
    }

    /// The tier and the seats of a changed license, such as `Basic → Pro, 3 seats → 10 seats`.
    fn terms(&self, LicenseChanged { from, tier_id, max_users }: &LicenseChanged) -> String {
        let seats = |max_users: Option<u32>| {
            max_users.map_or_else(|| "unlimited seats".to_owned(), |seats| format::count(seats.into(), "seat"))
        };
        let tier = |id| self.catalog.tiers.get(id).map_or("unknown tier", |tier| &tier.name);
        let change = |before: &str, after: &str| {
            if before == after { after.to_owned() } else { format!("{before} → {after}") }
        };
        let tiers = change(tier(&from.tier_id), tier(tier_id));
        format!("{tiers}, {}", change(&seats(from.max_users), &seats(*max_users)))
    }

    /// The name of the tier with this code, or the code if tiers of several products with different names share it.
    fn tier_name<'a>(&'a self, code: &'a str) -> &'a str {
        let product = self.license.map(|(product, _)| product);
        let tiers = self.catalog.tiers.values().filter(|tier| tier.code == code);
        let mut tiers = tiers.filter(|tier| product.is_none_or(|product| tier.product_id == product));
        let Some(first) = tiers.next() else { return code };
        if tiers.all(|tier| tier.name == first.name) { &first.name } else { code }
    }

    /// The name of the actor. Of users, only the signed-in one and the license's customer are known.
    pub(super) fn actor_name(&self, actor: &Actor) -> String {
        match actor.kind {
            ActorKind::ApiKey => format!("API key {}", short_id(&actor.id)),
            ActorKind::User if actor.id == self.session.subject => self.session.display_name().to_owned(),
            ActorKind::User => {
                let customer = self.license.and_then(|(_, customer)| customer);
                // A customer's subject is prefixed with the issuer's URL.
                let subject = customer.and_then(|customer| customer.subject.as_deref()?.split(' ').next_back());
                match customer {
                    Some(customer) if subject == Some(&*actor.id) => format::customer_name(customer).to_owned(),
                    _ => format!("User {}", short_id(&actor.id)),
                }
            }
            ActorKind::App => "App".to_owned(),
            ActorKind::System => "Signet".to_owned(),
        }
    }

    /// The resource, with a link to its page.
    pub(super) fn subject(&self, subject: &Subject) -> Markup {
        let (catalog, id) = (self.catalog, subject.id());
        let other = |name: &str| format!("{name} {}", short_id(&id));
        let (href, label) = match subject {
            Subject::Product(id) => {
                (links::product(*id), catalog.products.get(id).map_or_else(|| other("Product"), |one| one.name.clone()))
            }
            Subject::PricingTier(id) => {
                (links::tier(*id), catalog.tiers.get(id).map_or_else(|| other("Tier"), |one| one.name.clone()))
            }
            Subject::ProductFeature(id) => {
                (links::feature(*id), catalog.features.get(id).map_or_else(|| other("Feature"), |one| one.name.clone()))
            }
            Subject::Customer(id) => (links::customer(*id), other("Customer")),
            Subject::License(id) => (links::license_key(*id), other("License")),
            Subject::Activation(id) => {
                (links::license_key(id.license), format!("License {}", short_id(&id.license.to_string())))
            }
            Subject::ApiKey(_) => (links::API_KEYS.to_owned(), other("API key")),
            Subject::SigningKey(_) => (links::SIGNING_KEYS.to_owned(), other("Signing key")),
            Subject::WebhookEndpoint(id) => (links::webhook(*id), other("Webhook endpoint")),
            Subject::Settings => return html! { "Settings" },
        };
        html! { a href=(href) { (label) } }
    }
}

fn expiry(at: Option<Timestamp>) -> Markup {
    at.map_or_else(|| html! { "never expires" }, |end| html! { "expires " (format::date(end)) })
}

/// The names of changed fields, such as `name, sort order`.
fn changed<'a>(fields: impl IntoIterator<Item = &'a String>) -> Option<String> {
    let fields: Vec<_> = fields.into_iter().map(|name| name.replace('_', " ")).collect();
    (!fields.is_empty()).then(|| fields.join(", "))
}

/// The last characters of a long id.
fn short_id(id: &str) -> String {
    let letters: Vec<char> = id.chars().collect();
    if letters.len() <= 12 {
        id.to_owned()
    } else {
        format!("…{}", letters[letters.len() - 6..].iter().collect::<String>())
    }
}
