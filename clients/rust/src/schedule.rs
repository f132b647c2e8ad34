use crate::{
    core::{Core, StoredRefusal},
    time::{seconds, whole, Seconds, DAY, HOUR, MINUTE},
};

/// Due at once.
const NOW: Seconds = Seconds::NEG_INFINITY;
/// The largest random delay of the first request after a start.
const START_DELAY: Seconds = 5.0;
/// The largest `Retry-After` that is honoured.
const MAX_RETRY_AFTER: Seconds = DAY;
/// A refusal with one of these codes is tried again if there is a license key.
const RETRIED_REFUSALS: [&str; 7] = [
    "seat_limit_reached",
    "suspended",
    "expired",
    "product_inactive",
    "not_activated",
    "token_invalid",
    "machine_mismatch",
];

/// When this process sends requests. Times are those of the clock of the client.
#[derive(Clone)]
pub(crate) struct Schedule {
    /// No request is due earlier. Delays the first one after a start.
    not_before: Seconds,
    /// Failures since the last success or refusal.
    failures: u32,
    /// The next try after a failure.
    next_try: Seconds,
    /// The next fetch of the key set, once this process has fetched.
    next_key_fetch: Option<Seconds>,
    /// Random part of the delay before a refusal is tried again.
    refusal_delay: Seconds,
    /// The id of the refusal that was stored at the start, until an activation was refused or has failed.
    refusal_at_start: Option<String>,
}

/// The request that the background thread has to send.
pub(crate) enum DueRequest {
    Heartbeat,
    Activation { license_key: String },
}

impl Schedule {
    pub(crate) fn new() -> Self {
        Self {
            not_before: NOW,
            failures: 0,
            next_try: NOW,
            next_key_fetch: None,
            refusal_delay: 0.0,
            refusal_at_start: None,
        }
    }

    pub(crate) fn draw_refusal_delay(&mut self, random: f64) {
        self.refusal_delay = random * MINUTE;
    }

    /// Makes the activation after this refusal due at once: the vendor may have reinstated the license since.
    pub(crate) fn ask_about(&mut self, refusal_id: String) {
        self.refusal_at_start = Some(refusal_id);
    }

    pub(crate) fn clear_failures(&mut self) {
        self.failures = 0;
        self.refusal_at_start = None;
    }

    /// Moves all times along with a clock that was set back.
    pub(crate) fn shift(&mut self, seconds: Seconds) {
        self.not_before += seconds;
        self.next_try += seconds;
        self.next_key_fetch = self.next_key_fetch.map(|at| at + seconds);
    }
}

impl Core {
    /// Delays the first request after a start if it is due already, so that machines that start together do not send
    /// requests together.
    pub(crate) fn delay_first_request(&mut self) {
        if self.next_due().is_some_and(|due| due <= self.now()) {
            self.schedule.not_before = self.now() + self.ports.random.fraction() * START_DELAY;
        }
    }

    /// Returns the time of the next request of the background thread.
    pub(crate) fn next_due(&self) -> Option<Seconds> {
        let due = [self.key_fetch_due(), self.request_due()].into_iter().flatten().reduce(Seconds::min)?;
        Some(due.max(self.schedule.not_before))
    }

    /// Returns the time of the next run of the background thread: of the next request, or when `on_change` has to report that
    /// the token has ended.
    pub(crate) fn next_run(&self) -> Option<Seconds> {
        let ends = self.accepted().map(|(_, claims)| [claims.exp, claims.enforcement.offline_until]);
        let reports = ends.into_iter().flatten().map(|end| seconds(end) + 1.0).filter(|at| *at > self.now());
        reports.chain(self.next_due()).reduce(Seconds::min)
    }

    pub(crate) fn is_key_fetch_due(&self) -> bool {
        self.is_due(self.key_fetch_due())
    }

    /// Returns the heartbeat or the activation that is due.
    pub(crate) fn due_request(&self) -> Option<DueRequest> {
        self.is_due(self.request_due()).then(|| self.next_request())?
    }

    /// Returns the next request, whether it is due or not. `None` without a token and a license key. After the clock was set
    /// back, it is an activation if possible, for which the API signs a new token; to a heartbeat it can return the same one.
    pub(crate) fn next_request(&self) -> Option<DueRequest> {
        let has_token = self.refusal.is_none() && self.accepted().is_some();
        match self.license_key.clone().filter(|_| !has_token || self.clock.is_tampered()) {
            Some(license_key) => Some(DueRequest::Activation { license_key }),
            None => has_token.then_some(DueRequest::Heartbeat),
        }
    }

    fn is_due(&self, due: Option<Seconds>) -> bool {
        due.is_some_and(|due| due.max(self.schedule.not_before) <= self.now())
    }

    fn key_fetch_due(&self) -> Option<Seconds> {
        let token = self.token.as_ref().filter(|_| self.refusal.is_none())?;
        let Some(keys) = &self.keys else {
            return if token.is_from_license_file { None } else { Some(self.schedule.next_key_fetch.unwrap_or(NOW)) };
        };
        let is_key_unknown = token.key_id.as_deref().is_some_and(|kid| keys.set.get(kid).is_none());
        Some(match self.schedule.next_key_fetch {
            Some(at) => at,
            None if is_key_unknown && !token.is_from_license_file => NOW,
            None => seconds(keys.set.issued_at) + DAY,
        })
    }

    fn request_due(&self) -> Option<Seconds> {
        if let Some(refusal) = &self.refusal {
            return self.has_to_activate().then(|| self.refusal_retry_due(refusal));
        }
        if let Some((token, _)) = self.accepted() {
            let next_heartbeat = seconds(token.file.next_heartbeat_at);
            return Some(if self.clock.is_tampered() {
                self.next_try_or(NOW)
            } else if next_heartbeat > self.now() {
                next_heartbeat
            } else {
                self.next_try_or(next_heartbeat)
            });
        }
        self.has_to_activate().then(|| self.next_try_or(NOW))
    }

    /// Returns whether the background thread activates as soon as it may.
    pub(crate) fn has_to_activate(&self) -> bool {
        let may_succeed = match &self.refusal {
            Some(refusal) => RETRIED_REFUSALS.contains(&refusal.code.as_str()),
            None => self.accepted().is_none(),
        };
        may_succeed && self.license_key.is_some() && !self.is_released
    }

    /// Returns the next try after a failure, and `due` if the last request did not fail.
    fn next_try_or(&self, due: Seconds) -> Seconds {
        if self.schedule.failures > 0 {
            self.schedule.next_try
        } else {
            due
        }
    }

    fn refusal_retry_due(&self, StoredRefusal { id, at, retry_at, .. }: &StoredRefusal) -> Seconds {
        if self.schedule.refusal_at_start.as_ref() == Some(id) {
            return NOW;
        }
        let due = retry_at.filter(|retry_at| retry_at > at).map_or(seconds(*at) + HOUR, seconds);
        (due + self.schedule.refusal_delay).max(self.next_try_or(NOW))
    }

    /// Schedules the next try after a failure, with exponential backoff.
    pub(crate) fn schedule_retry(&mut self, retry_after: Option<Seconds>) {
        let interval = self.accepted().map(|(_, claims)| seconds(claims.enforcement.heartbeat_interval_seconds));
        let limit = interval.map_or(HOUR, |interval| interval.clamp(MINUTE, HOUR));
        let backoff = 10.0 * 2_f64.powi(i32::try_from(self.schedule.failures.min(20)).unwrap_or(20));
        let delay = (self.ports.random.fraction() * backoff.min(limit)).max(1.0);
        let delay = delay.max(retry_after.unwrap_or(0.0).min(MAX_RETRY_AFTER));
        self.schedule.next_try = self.now() + delay;
        self.schedule.failures = self.schedule.failures.saturating_add(1);
        self.schedule.refusal_at_start = None;
    }

    /// Schedules the next fetch of the key set after one that succeeded or failed.
    pub(crate) fn schedule_key_fetch(&mut self, has_succeeded: bool) {
        let delay = if has_succeeded { DAY + self.ports.random.fraction() * HOUR } else { HOUR };
        self.schedule.next_key_fetch = Some(self.now() + delay);
    }

    /// Returns the time of the next heartbeat after a token with this interval, with a random part.
    pub(crate) fn next_heartbeat(&self, requested_at: Option<Seconds>, interval: i64) -> i64 {
        let interval = seconds(interval.max(1));
        let requested = requested_at.map(|at| at - self.now()).filter(|delay| (1.0..=2.0 * interval).contains(delay));
        let delay = requested.unwrap_or(interval);
        whole(self.now() + delay + self.ports.random.fraction() * delay / 10.0)
    }
}
