//! The points of time at which the expiry of a license key is announced.

use jiff::{SignedDuration, Timestamp};

use super::{
    event::{
        EventData,
        payload::{LicenseExpired, LicenseExpiring},
    },
    license::{License, State},
};

/// A point of time in the life of a license key at which its expiry is announced, once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExpiryThreshold {
    /// A number of days before the expiry.
    DaysBefore(u32),
    /// The end of the grace after the expiry.
    Expired,
}

impl ExpiryThreshold {
    /// All thresholds, in the order in which a license key reaches them.
    pub const ALL: [Self; 4] = [Self::DaysBefore(30), Self::DaysBefore(7), Self::DaysBefore(1), Self::Expired];

    /// Returns the time between the threshold and the end that it is about.
    pub fn lead_time(self) -> SignedDuration {
        match self {
            Self::DaysBefore(days) => SignedDuration::from_hours(24 * i64::from(days)),
            Self::Expired => SignedDuration::ZERO,
        }
    }

    /// Returns the end that the threshold is about: the expiry, or the end of the grace. `None` if the license key never expires.
    pub fn end(self, license: &License) -> Option<Timestamp> {
        match self {
            Self::DaysBefore(_) => license.expires_at,
            Self::Expired => license.honoured_until(),
        }
    }

    /// Returns the event that announces the expiry of a license key now; `None` if it is not time, or if the license key was
    /// revoked or superseded. A threshold that had passed when the expiry was set is skipped.
    pub fn event(self, license: &License, expiry_set_at: Timestamp, now: Timestamp) -> Option<EventData> {
        let reached_at = self.end(license)?.checked_sub(self.lead_time()).ok()?;
        let can_be_used = matches!(license.state, State::Active | State::Suspended);
        if !can_be_used || reached_at > now || reached_at <= expiry_set_at {
            return None;
        }
        let (expires_at, honoured_until) = (license.expires_at?, license.honoured_until()?);
        Some(match self {
            Self::DaysBefore(days) => EventData::LicenseExpiring(LicenseExpiring { expires_at, days }),
            Self::Expired => EventData::LicenseExpired(LicenseExpired { expires_at, honoured_until }),
        })
    }
}
