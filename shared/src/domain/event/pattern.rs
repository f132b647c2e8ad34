//! Patterns of event types, by which events are filtered.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{ObjectBuilder, RefOr, Schema, Type},
};

use super::{subject::SubjectType, types::EventType};

/// An event type, or all types of a resource, such as `license.*`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventTypePattern {
    /// One type.
    Exact(EventType),
    /// All types whose events are about resources of this type.
    AllOf(SubjectType),
}

/// The text is not a pattern of event types.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be an event type such as license.renewed, or all types of a resource such as license.*")]
pub struct ParseEventTypePatternError;

impl EventTypePattern {
    /// Returns whether a type matches.
    pub fn matches(self, event_type: EventType) -> bool {
        match self {
            Self::Exact(one) => one == event_type,
            Self::AllOf(subject) => subject == event_type.subject_type(),
        }
    }
}

impl FromStr for EventTypePattern {
    type Err = ParseEventTypePatternError;

    fn from_str(text: &str) -> Result<Self, ParseEventTypePatternError> {
        let Some(subject) = text.strip_suffix(".*") else {
            return text.parse().map(Self::Exact).map_err(|_| ParseEventTypePatternError);
        };
        let mut subjects = EventType::ALL.iter().map(|one| one.subject_type());
        subjects.find(|one| one.as_str() == subject).map(Self::AllOf).ok_or(ParseEventTypePatternError)
    }
}

impl fmt::Display for EventTypePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(one) => f.write_str(one.as_str()),
            Self::AllOf(subject) => write!(f, "{}.*", subject.as_str()),
        }
    }
}

impl Serialize for EventTypePattern {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for EventTypePattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

impl PartialSchema for EventTypePattern {
    fn schema() -> RefOr<Schema> {
        let text = ObjectBuilder::new().schema_type(Type::String);
        let text = text.description(Some("An event type, or all types of a resource, such as `license.*`."));
        text.pattern(Some(r"^[a-z_]+\.([a-z_]+|\*)$")).examples(["license.*"]).into()
    }
}

impl ToSchema for EventTypePattern {
    fn name() -> std::borrow::Cow<'static, str> {
        "EventTypePattern".into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pattern_matches_one_type_or_all_of_a_resource() {
        let pattern = |text: &str| text.parse::<EventTypePattern>().unwrap();
        let matching =
            |text: &str| EventType::ALL.iter().filter(|one| pattern(text).matches(**one)).copied().collect::<Vec<_>>();
        assert_eq!(matching("license.renewed"), [EventType::LicenseRenewed]);
        assert_eq!(matching("api_key.*"), [EventType::ApiKeyCreated, EventType::ApiKeyDeleted]);
        for text in ["license.renewed", "license.*"] {
            assert_eq!(pattern(text).to_string(), text);
        }
    }

    #[test]
    fn other_texts_are_rejected() {
        for text in ["", "*", "license", "license.", "license.re*", "renewed", "issue.*", ".*", "license.*.*"] {
            assert_eq!(text.parse::<EventTypePattern>(), Err(ParseEventTypePatternError), "{text}");
        }
    }
}
