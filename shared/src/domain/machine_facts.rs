//! Facts about the machine of an activation, which lie apart from it: its name, where and when it was activated, and what its
//! app reports.

use jiff::{SignedDuration, Timestamp};

use super::{secret::sha256, text::has_invisible_chars, validation::ValidationErrors};

/// What an app reports about itself and its machine with an activation or a heartbeat. A field that is left out keeps its value.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ReportedFacts<'a> {
    /// The version of the app.
    pub app_version: Option<&'a str>,
    /// The operating system.
    pub os: Option<&'a str>,
    /// The name of the machine in its network.
    pub hostname: Option<&'a str>,
}

/// A hash of the facts of a request. An activation keeps that of the facts that were written last, so that a heartbeat that
/// reports the same does not write them again.
pub type FactsDigest = [u8; 8];

impl<'a> ReportedFacts<'a> {
    /// Creates the facts: the version of the app, the operating system and the hostname.
    pub fn new([app_version, os, hostname]: [Option<&'a str>; 3]) -> Self {
        Self { app_version, os, hostname }
    }

    /// Validates the lengths and characters.
    pub fn check(&self, errors: &mut ValidationErrors) {
        for (pointer, text, max) in
            [("/app_version", self.app_version, 32), ("/os", self.os, 64), ("/hostname", self.hostname, 64)]
        {
            let is_valid = |text: &str| (1..=max).contains(&text.len()) && !has_invisible_chars(text);
            let detail = format!("must be 1 to {max} bytes without control or invisible characters");
            errors.check(text.is_none_or(is_valid), pointer, detail);
        }
    }

    /// Returns the hash of the facts as they were sent; `None` if there are none.
    pub fn digest(&self) -> Option<FactsDigest> {
        let facts = [self.app_version, self.os, self.hostname];
        facts.iter().any(Option::is_some).then(|| {
            // The length of each text is before it, so that different facts never have the same text.
            let part =
                |text: Option<&str>| text.map_or_else(|| "-".to_owned(), |text| format!("{}:{text}", text.len()));
            let hash = sha256(facts.map(part).concat().as_bytes());
            std::array::from_fn(|at| hash[at])
        })
    }
}

/// The facts about the machine of an activation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MachineFacts {
    /// The display name of the machine.
    pub name: Option<String>,
    /// The client address of the activation request.
    pub ip: String,
    /// When the activation was created.
    pub activated_at: Timestamp,
    /// The version of the app.
    pub app_version: Option<String>,
    /// The operating system.
    pub os: Option<String>,
    /// The name of the machine in its network.
    pub hostname: Option<String>,
}

impl MachineFacts {
    /// Returns the facts with those of a request. What the request leaves out stays.
    #[must_use]
    pub fn with(self, name: Option<&str>, reported: ReportedFacts<'_>) -> Self {
        let or = |new: Option<&str>, old| new.map(str::to_owned).or(old);
        Self {
            name: or(name, self.name),
            app_version: or(reported.app_version, self.app_version),
            os: or(reported.os, self.os),
            hostname: or(reported.hostname, self.hostname),
            ..self
        }
    }
}

/// How long the facts of a process without a seat remain after its lease, longer than its activation, so that few heartbeats
/// postpone their deletion.
const SEATLESS_PROCESS_FACTS_RETENTION: SignedDuration = SignedDuration::from_hours(30 * 24);

/// Returns when the facts of a process without a seat are deleted, whose lease ends then.
pub fn seatless_process_facts_end(lease_expires_at: Timestamp) -> Timestamp {
    lease_expires_at.checked_add(SEATLESS_PROCESS_FACTS_RETENTION).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn digest((app_version, os, hostname): &(Option<String>, Option<String>, Option<String>)) -> Option<FactsDigest> {
        ReportedFacts::new([app_version, os, hostname].map(Option::as_deref)).digest()
    }

    proptest! {
        #[test]
        fn different_facts_have_different_digests(
            one in any::<(Option<String>, Option<String>, Option<String>)>(),
            two in ("[-0-9:]{0,3}", "[-0-9:]{0,3}").prop_map(|(a, b)| (Some(a), Some(b), None)),
            three in ("[-0-9:]{0,3}", "[-0-9:]{0,3}").prop_map(|(a, b)| (None, Some(a), Some(b))),
        ) {
            prop_assert_eq!(digest(&one).is_none(), one == (None, None, None));
            prop_assert_ne!(digest(&one), digest(&two));
            prop_assert_ne!(digest(&two), digest(&three));
            prop_assert_eq!(digest(&two), digest(&two.clone()));
        }
    }
}
