use std::{fmt, time::SystemTime};

use crate::time::format_system_time;

/// Whether the app may run, and why. Times are of the type [`SystemTime`], in whole seconds.
///
/// `Display` prints the state in one line for support, such as `Active until 2026-01-15T13:00:00Z`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// No token is stored for this product and this machine. Has no time.
    Unactivated {
        /// A license key is stored, so that the app need not ask for one: the background thread activates with it, or
        /// [`License::refresh`](crate::License::refresh) at once. Also true after
        /// [`License::release`](crate::License::release).
        has_license_key: bool,
        /// Why the stored license key has not activated yet. `None` without `has_license_key`.
        reason: Option<OfflineReason>,
    },
    /// The license is valid. `until` is a [`SystemTime`], and `grace_ends_at` an `Option<SystemTime>`.
    Active {
        /// When the token must have been renewed. The background thread does that. It is not the end of the license.
        until: SystemTime,
        /// The license key has expired and is still honoured, until `grace_ends_at`.
        in_grace: bool,
        /// When an expired license key stops being honoured. `None` unless `in_grace`.
        grace_ends_at: Option<SystemTime>,
    },
    /// The license could not be renewed in time. The app may run, and should say so. `until` is a [`SystemTime`].
    Offline {
        /// When the app must stop.
        until: SystemTime,
        /// Why the license was not renewed.
        reason: OfflineReason,
    },
    /// The license could not be renewed for too long, or its license file has ended. `since` is a [`SystemTime`].
    Expired {
        /// When the license ended.
        since: SystemTime,
    },
    /// The API refused the license. `retry_at` is an `Option<SystemTime>`.
    Refused {
        /// Error code of the API, such as `revoked`, `suspended` or `seat_limit_reached`.
        code: String,
        /// When a seat may become free. Only with `seat_limit_reached`.
        retry_at: Option<SystemTime>,
    },
    /// The clock of the machine was set back by more than 24 hours in all. Contact with the API or a newer license
    /// file ends this state. Has no time.
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
            Self::Unactivated { .. } => "Unactivated",
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

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = |time: &SystemTime| format_system_time(*time);
        f.write_str(self.name())?;
        match self {
            Self::Unactivated { reason: Some(reason), .. } => write!(f, " (a license key is stored; {reason})"),
            Self::Unactivated { .. } | Self::ClockTampered => Ok(()),
            Self::Active { until, in_grace, grace_ends_at } => {
                write!(f, " until {}", time(until))?;
                match grace_ends_at {
                    Some(end) if *in_grace => write!(f, ", in grace until {}", time(end)),
                    _ => Ok(()),
                }
            }
            Self::Offline { until, reason } => write!(f, " until {} ({reason})", time(until)),
            Self::Expired { since } => write!(f, " since {}", time(since)),
            Self::Refused { code, retry_at } => {
                write!(f, " ({code})")?;
                retry_at.as_ref().map_or(Ok(()), |retry_at| write!(f, ", retry at {}", time(retry_at)))
            }
        }
    }
}

/// Why there is no newer token, or none yet. `Display` prints its name, such as `http_503`.
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
