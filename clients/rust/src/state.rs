use std::{fmt, time::SystemTime};

/// Whether the app may run, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// No license is stored for this product and this machine.
    Unactivated,
    /// The license is valid.
    Active {
        /// When the token must have been renewed. The background thread does that.
        until: SystemTime,
        /// The license key has expired and is still honoured, until `grace_ends_at`.
        in_grace: bool,
        /// When an expired license key stops being honoured.
        grace_ends_at: Option<SystemTime>,
    },
    /// The license could not be renewed in time. The app may run, and should say so.
    Offline {
        /// When the app must stop.
        until: SystemTime,
        /// Why the license was not renewed.
        reason: OfflineReason,
    },
    /// The license could not be renewed for too long, or its license file has ended.
    Expired {
        /// When the license ended.
        since: SystemTime,
    },
    /// The API refused the license.
    Refused {
        /// Error code of the API, such as `revoked`, `suspended` or `seat_limit_reached`.
        code: String,
        /// When a seat may become free. Only with `seat_limit_reached`.
        retry_at: Option<SystemTime>,
    },
    /// The clock of the machine was set back by more than 24 hours in all. Contact with the API or a newer license
    /// file ends this state.
    ClockTampered,
}

impl State {
    /// Returns whether the app may run: in [`State::Active`] and [`State::Offline`].
    pub fn may_run(&self) -> bool {
        matches!(self, Self::Active { .. } | Self::Offline { .. })
    }

    /// Returns the name of the state, such as `Active`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Unactivated => "Unactivated",
            Self::Active { .. } => "Active",
            Self::Offline { .. } => "Offline",
            Self::Expired { .. } => "Expired",
            Self::Refused { .. } => "Refused",
            Self::ClockTampered => "ClockTampered",
        }
    }

    /// Returns whether `on_change` reports `self` after `previous`. A renewed token is not a change.
    pub(crate) fn differs_from(&self, previous: &Self) -> bool {
        match (self, previous) {
            (
                Self::Active { in_grace, grace_ends_at, .. },
                Self::Active { in_grace: previous_in_grace, grace_ends_at: previous_end, .. },
            ) => (in_grace, grace_ends_at) != (previous_in_grace, previous_end),
            _ => self != previous,
        }
    }
}

/// Why there is no newer token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OfflineReason {
    /// Not tried yet. `not_contacted`.
    NotContacted,
    /// No response: DNS, connection, TLS, time-out, or a response that was cut off. `network`.
    Network,
    /// A response with this status that is no answer about the license, for example of a proxy. `http_NNN`.
    Http(u16),
    /// A response with status 200 without a token that can be verified, for example of a captive portal.
    /// `invalid_response`.
    InvalidResponse,
}

impl fmt::Display for OfflineReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotContacted => f.write_str("not_contacted"),
            Self::Network => f.write_str("network"),
            Self::Http(status) => write!(f, "http_{status}"),
            Self::InvalidResponse => f.write_str("invalid_response"),
        }
    }
}
