//! The activity page: the events of all resources, with filters.

use axum::{extract::State, response::Response};
use jiff::{SignedDuration, Timestamp, civil::Date};
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
        components::{empty_state, link_button, no_matches_so_far, pagination},
        inputs::{offset_input, zone_label},
        layout::{NavSection, PageLayout},
        parse::start_of_day,
    },
    viewer::Operator,
};

/// The query of the page. Days are those at their UTC offset, or of UTC.
#[derive(Debug, Deserialize)]
pub(super) struct ActivityQuery {
    r#type: Option<EventTypePattern>,
    subject_id: Option<String>,
    /// The first day.
    since: Option<Date>,
    /// The UTC offset at the start of the first day.
    since_offset: Option<String>,
    /// The last day.
    until: Option<Date>,
    /// The UTC offset at the end of the last day.
    until_offset: Option<String>,
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
            ("since_offset", self.since_offset()),
            ("until", &until),
            ("until_offset", self.until_offset()),
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

    /// The offset of the first day; empty without a day.
    fn since_offset(&self) -> &str {
        self.since.and(self.since_offset.as_deref()).unwrap_or_default()
    }

    /// The offset of the last day; empty without a day.
    fn until_offset(&self) -> &str {
        self.until.and(self.until_offset.as_deref()).unwrap_or_default()
    }

    fn filter(&self, subject: Option<&Subject>) -> Result<EventFilter, Problem> {
        let invalid =
            |name: &str| InputError::parameter(name, Code::InvalidValue, "must be a UTC offset such as +01:00");
        let start = |day| start_of_day(day, self.since_offset()).ok_or_else(|| invalid("since_offset"));
        let last_moment = |day: Date| {
            // The last day that exists has no end.
            let Ok(next) = day.tomorrow() else { return Ok(Timestamp::MAX) };
            let end = start_of_day(next, self.until_offset()).ok_or_else(|| invalid("until_offset"))?;
            Ok::<_, InputError>(end - SignedDuration::from_millis(1))
        };
        Ok(EventFilter {
            event_type: self.r#type,
            subject: subject.cloned(),
            since: self.since.map(start).transpose()?,
            until: self.until.map(last_moment).transpose()?,
        })
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
    let filter = query.filter(subject.as_ref())?;
    let (found, catalog) = tokio::join!(table.events(&filter, &paging, ctx.now), catalog.read(&table, ctx.now));
    let (found, catalog) = (found?, catalog?);
    let names = ActivityNames { catalog: &catalog, session: &viewer.session, license: None };
    let content = html! {
        (filter_form(&query, subject.as_ref(), names))
        @if found.items.is_empty() {
            (empty_page(&query, found.next.as_deref()))
        } @else {
            (activity_feed(&found.items, names))
            (pagination(&paging, found.next.as_deref(), |cursor| query.url(cursor)))
        }
    };
    Ok(PageLayout::new(NavSection::Activity, "Activity", content).render(&viewer))
}

/// Explains an empty page. It can be empty although a later one has matches.
fn empty_page(query: &ActivityQuery, next: Option<&str>) -> Markup {
    match next {
        Some(next) => no_matches_so_far("Older activity has not been searched yet.", &query.url(next), links::ACTIVITY),
        None if query.is_filtered() => {
            empty_state("No matching activity", "Try removing a filter.", &link_button(links::ACTIVITY, "Show all"))
        }
        None => empty_state("No activity yet", "Every change appears here.", &html! {}),
    }
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
            (day_field("since", "From", query.since, query.since_offset()))
            (day_field("until", "To", query.until, query.until_offset()))
            button.button { "Filter" }
            @if query.is_filtered() { a.button.ghost href=(links::ACTIVITY) { "Clear" } }
        }
        @if let Some(subject) = subject {
            p.muted.prose { "Only " (names.subject(subject)) "." }
        }
    }
}

fn day_field(name: &str, label: &str, day: Option<Date>, offset: &str) -> Markup {
    let offset = if offset.is_empty() { "Z" } else { offset };
    html! {
        div.form-field {
            label for={ "filter-" (name) } { (label) " " (zone_label(offset)) }
            input id={ "filter-" (name) } type="date" name=(name) value=[day.map(|day| day.to_string())];
            (offset_input(name, offset))
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
    use super::*;

    fn query(since: &str, until: &str) -> ActivityQuery {
        let day = |text: &str| text.parse().ok();
        let offset = |text: &str| Some(text.to_owned());
        ActivityQuery {
            r#type: None,
            subject_id: None,
            since: day(since),
            since_offset: offset("+01:00"),
            until: day(until),
            until_offset: offset("+02:00"),
        }
    }

    #[test]
    fn days_are_inclusive() {
        let time = |text: &str| Some(text.parse::<Timestamp>().unwrap());
        let filter = query("2026-03-29", "2026-03-29").filter(None).unwrap();
        assert_eq!((filter.since, filter.until), (time("2026-03-28T23:00:00Z"), time("2026-03-29T21:59:59.999Z")));
        let utc = ActivityQuery { since_offset: None, until_offset: None, ..query("2026-01-15", "2026-01-15") };
        let filter = utc.filter(None).unwrap();
        assert_eq!((filter.since, filter.until), (time("2026-01-15T00:00:00Z"), time("2026-01-15T23:59:59.999Z")));
        let invalid = ActivityQuery { since_offset: Some("Berlin".to_owned()), ..query("2026-01-15", "") };
        assert!(invalid.filter(None).is_err());
    }

    #[test]
    fn url_keeps_the_filters() {
        let query = ActivityQuery {
            r#type: Some("license.*".parse().unwrap()),
            subject_id: Some("lic_1".to_owned()),
            ..query("2026-01-15", "")
        };
        let url =
            "/dashboard/activity?type=license.*&subject_id=lic_1&since=2026-01-15&since_offset=%2B01%3A00&cursor=c";
        assert_eq!(query.url("c"), url);
    }
}
