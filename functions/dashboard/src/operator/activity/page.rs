//! The activity page: the events of all resources, with filters.

use axum::{extract::State, response::Response};
use jiff::{SignedDuration, civil::Date, tz::TimeZone};
use maud::{Markup, html};
use serde::Deserialize;
use shared::{
    domain::{EventType, EventTypePattern, Subject, SubjectType},
    http::{Code, InputError, ListQuery, Problem, RequestContext},
    store::{Table, catalog::CatalogCache, events::EventFilter},
};

use super::{
    feed::activity_feed,
    names::{ActivityNames, event_name, subject_type_name},
};
use crate::{
    links,
    ui::{
        components::{empty_state, link_button, pagination},
        layout::{NavSection, PageLayout},
    },
    viewer::Operator,
};

/// The query of the page. Days are those of UTC.
#[derive(Debug, Deserialize)]
pub(super) struct ActivityQuery {
    r#type: Option<EventTypePattern>,
    subject_id: Option<String>,
    /// The first day.
    since: Option<Date>,
    /// The last day.
    until: Option<Date>,
}

impl ActivityQuery {
    /// The URL of the page with the same filters.
    fn url(&self, cursor: &str) -> String {
        let day = |day: Option<Date>| day.map(|day| day.to_string()).unwrap_or_default();
        let (since, until) = (day(self.since), day(self.until));
        let subject = self.subject_id.as_deref().unwrap_or_default();
        let parameters = [
            ("type", &*self.type_value()),
            ("subject_id", subject),
            ("since", &since),
            ("until", &until),
            ("cursor", cursor),
        ];
        links::with_query(links::ACTIVITY, &parameters)
    }

    fn type_value(&self) -> String {
        self.r#type.map(|pattern| pattern.to_string()).unwrap_or_default()
    }

    fn subject(&self) -> Result<Option<Subject>, Problem> {
        let Some(id) = &self.subject_id else { return Ok(None) };
        let invalid =
            |_| InputError::parameter("subject_id", Code::InvalidValue, "must be the id of a resource").into();
        Subject::with_id(id).map(Some).map_err(invalid)
    }

    fn filter(&self, subject: Option<&Subject>) -> EventFilter {
        let start = |day: Date| Some(day.to_zoned_datetime(TimeZone::UTC).ok()?.timestamp());
        let last_moment = |day: Date| Some(start(day.tomorrow().ok()?)? - SignedDuration::from_millis(1));
        EventFilter {
            event_type: self.r#type,
            subject: subject.cloned(),
            since: self.since.and_then(start),
            until: self.until.and_then(last_moment),
        }
    }

    fn is_filtered(&self) -> bool {
        self.r#type.is_some() || self.subject_id.is_some() || self.since.is_some() || self.until.is_some()
    }
}

/// Lists events.
pub(super) async fn handler(
    Operator(viewer): Operator,
    State(table): State<Table>,
    State(catalog): State<CatalogCache>,
    ctx: RequestContext,
    query: Result<ListQuery<ActivityQuery>, Problem>,
) -> Result<Response, Problem> {
    let ListQuery { filter: query, paging } = query?;
    let subject = query.subject()?;
    let filter = query.filter(subject.as_ref());
    let (found, catalog) = tokio::join!(table.events(&filter, &paging, ctx.now), catalog.read(&table, ctx.now));
    let (found, catalog) = (found?, catalog?);
    let names = ActivityNames { catalog: &catalog, session: &viewer.session, license: None };
    let content = html! {
        (filter_form(&query, subject.as_ref(), names))
        @if found.items.is_empty() && found.next.is_none() {
            @if query.is_filtered() {
                (empty_state("No matching activity", "Try removing a filter.", &link_button(links::ACTIVITY, "Show all")))
            } @else {
                (empty_state("No activity yet", "Every change appears here.", &html! {}))
            }
        } @else {
            @if found.items.is_empty() { p.muted { "Nothing on this page matches. Older activity may." } }
            (activity_feed(&found.items, names))
            (pagination(&paging, found.next.as_deref(), |cursor| query.url(cursor)))
        }
    };
    Ok(PageLayout::new(NavSection::Activity, "Activity", content).render(&viewer))
}

fn filter_form(query: &ActivityQuery, subject: Option<&Subject>, names: ActivityNames<'_>) -> Markup {
    html! {
        form.filters method="get" action=(links::ACTIVITY) {
            @if let Some(id) = &query.subject_id { input type="hidden" name="subject_id" value=(id); }
            div.form-field {
                label for="filter-type" { "Activity" }
                select #filter-type name="type" data-submit-on-change {
                    option value="" { "Any activity" }
                    (type_options(&query.type_value()))
                }
            }
            (day_field("since", "From (UTC)", query.since))
            (day_field("until", "To (UTC)", query.until))
            button.button { "Filter" }
            @if query.is_filtered() { a.button.ghost href=(links::ACTIVITY) { "Clear" } }
        }
        @if let Some(subject) = subject {
            p.muted.prose { "Only " (names.subject(subject)) "." }
        }
    }
}

fn day_field(name: &str, label: &str, day: Option<Date>) -> Markup {
    html! {
        div.form-field {
            label for={ "filter-" (name) } { (label) }
            input id={ "filter-" (name) } type="date" name=(name) value=[day.map(|day| day.to_string())];
        }
    }
}

/// The event types, grouped by resource.
fn type_options(selected: &str) -> Markup {
    let mut groups: Vec<(SubjectType, Vec<EventType>)> = Vec::new();
    for one in EventType::ALL {
        let subject = one.subject_type();
        match groups.iter_mut().find(|(group, _)| *group == subject) {
            Some((_, types)) => types.push(*one),
            None => groups.push((subject, vec![*one])),
        }
    }
    html! {
        @for (subject, types) in &groups {
            @let all = EventTypePattern::AllOf(*subject).to_string();
            optgroup label=(subject_type_name(*subject)) {
                option value=(all) selected[all == selected] { "All: " (subject_type_name(*subject)) }
                @for one in types { option value=(one.as_str()) selected[one.as_str() == selected] { (event_name(*one)) } }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    fn query(since: &str, until: &str) -> ActivityQuery {
        let day = |text: &str| text.parse().ok();
        ActivityQuery { r#type: None, subject_id: None, since: day(since), until: day(until) }
    }

    #[test]
    fn days_are_inclusive() {
        let filter = query("2026-01-15", "2026-01-15").filter(None);
        let time = |text: &str| Some(text.parse::<Timestamp>().unwrap());
        assert_eq!(filter.since, time("2026-01-15T00:00:00Z"));
        assert_eq!(filter.until, time("2026-01-15T23:59:59.999Z"));
    }

    #[test]
    fn url_keeps_the_filters() {
        let query = ActivityQuery {
            r#type: Some("license.*".parse().unwrap()),
            subject_id: Some("lic_1".to_owned()),
            ..query("2026-01-15", "")
        };
        assert_eq!(query.url("c"), "/dashboard/activity?type=license.*&subject_id=lic_1&since=2026-01-15&cursor=c");
    }
}
