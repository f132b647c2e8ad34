//! Which types of events an endpoint receives.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::domain::event::{EventType, EventTypePattern};

/// The types of events that an endpoint receives: all, all of a resource such as `license.*`, or one such as `license.renewed`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventSelector {
    /// `*`: all types, including those that later versions add.
    All,
    /// The types that match a pattern.
    Matching(EventTypePattern),
}

/// The text selects no event types.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be an event type such as license.renewed, all types of a resource such as license.*, or *")]
pub struct ParseEventSelectorError;

impl EventSelector {
    /// Returns whether an event of this type is selected. A type that only a later version knows matches `*` alone.
    pub fn selects(self, event_type: &str) -> bool {
        match self {
            Self::All => true,
            Self::Matching(pattern) => event_type.parse::<EventType>().is_ok_and(|known| pattern.matches(known)),
        }
    }
}

impl FromStr for EventSelector {
    type Err = ParseEventSelectorError;

    fn from_str(text: &str) -> Result<Self, ParseEventSelectorError> {
        if text == "*" {
            return Ok(Self::All);
        }
        text.parse().map(Self::Matching).map_err(|_| ParseEventSelectorError)
    }
}

impl fmt::Display for EventSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("*"),
            Self::Matching(pattern) => pattern.fmt(f),
        }
    }
}

impl Serialize for EventSelector {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for EventSelector {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn selector_selects_all_types_those_of_a_resource_or_one() {
        let selects = |text: &str, event_type| text.parse::<EventSelector>().unwrap().selects(event_type);
        assert!(selects("*", "license.renewed") && selects("*", "license.of_a_later_version"));
        assert!(selects("license.*", "license.renewed") && !selects("license.*", "activation.created"));
        assert!(selects("license.renewed", "license.renewed") && !selects("license.renewed", "license.revoked"));
        assert!(!selects("license.*", "license.of_a_later_version"));
    }

    #[test]
    fn unknown_types_and_other_texts_are_refused() {
        for text in ["", "**", "license", "licence.*", "license.sold", "*.created", "license.", ".*", "License.*"] {
            assert_eq!(text.parse::<EventSelector>(), Err(ParseEventSelectorError), "{text}");
        }
    }

    proptest! {
        #[test]
        fn selectors_round_trip(text in prop_oneof![any::<String>(), Just("*".to_owned()), Just("license.*".to_owned())]) {
            if let Ok(selector) = text.parse::<EventSelector>() {
                prop_assert_eq!(selector.to_string(), text);
            }
        }

        #[test]
        fn a_type_is_selected_by_itself_and_by_its_resource(index in 0..EventType::ALL.len()) {
            let event_type = EventType::ALL[index].as_str();
            let resource = format!("{}.*", event_type.split('.').next().unwrap());
            for text in [event_type, &resource, "*"] {
                prop_assert!(text.parse::<EventSelector>().unwrap().selects(event_type));
            }
        }
    }
}
