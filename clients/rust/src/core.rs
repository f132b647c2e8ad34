use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{
    clock::{Clock, ClockFile},
    files::{self, Files},
    identity::Identity,
    json,
    key_set::KeySet,
    license_file::{is_license_file_too_old, LicenseFile},
    ports::{Ports, Request},
    schedule::Schedule,
    secrets::Secrets,
    state::{OfflineReason, State},
    time::{seconds, to_system_time, whole, Seconds, MINUTE},
    token::{signing_key_id, Claims},
};

/// Everything that the client knows. It decides, and makes no request.
#[derive(Clone)]
pub(crate) struct Core {
    pub(crate) identity: Arc<Identity>,
    pub(crate) ports: Ports,
    pub(crate) files: Files,
    pub(crate) keys: Option<StoredKeys>,
    pub(crate) token: Option<StoredToken>,
    pub(crate) refusal: Option<StoredRefusal>,
    pub(crate) license_key: Option<String>,
    pub(crate) clock: Clock,
    /// The content of `clock.json` that was last read or written.
    clock_file: ClockFile,
    pub(crate) schedule: Schedule,
    /// Why there is no newer token, or none yet.
    pub(crate) reason: OfflineReason,
    /// The app has released the seat: the background thread sends nothing until there is another token, or the app activates.
    pub(crate) is_released: bool,
    /// Counts the operations of the app. A response to the background thread is ignored if an operation came first.
    pub(crate) operations: u64,
    pub(crate) operations_in_progress: u32,
    /// The last response, for support.
    pub(crate) last_contact: Option<Seconds>,
    /// The last request that did not succeed, when and why, for support.
    pub(crate) last_failure: Option<String>,
    /// The state that `on_change` reported last.
    reported: State,
}

/// The content of `token.json`.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct TokenFile {
    pub(crate) token: String,
    pub(crate) next_heartbeat_at: i64,
    #[serde(default)]
    pub(crate) in_grace: bool,
    pub(crate) grace_ends_at: Option<i64>,
    pub(crate) license_file: Option<String>,
}

/// A stored token, which may not be valid.
#[derive(Clone)]
pub(crate) struct StoredToken {
    /// Content of the files from which it was loaded.
    source: (String, Option<String>),
    pub(crate) file: TokenFile,
    pub(crate) key_id: Option<String>,
    pub(crate) is_from_license_file: bool,
    /// The claims if the token is valid, whatever its times.
    claims: Option<Claims>,
    /// The `iat` of the key set of the license file.
    key_set_issued_at: Option<i64>,
}

/// The stored key set.
#[derive(Clone)]
pub(crate) struct StoredKeys {
    text: String,
    pub(crate) set: KeySet,
}

/// The content of `refusal.json`.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct StoredRefusal {
    pub(crate) id: String,
    pub(crate) code: String,
    pub(crate) at: i64,
    pub(crate) retry_at: Option<i64>,
}

impl Core {
    /// Reads the storage.
    pub(crate) fn open(identity: Arc<Identity>, ports: Ports, files: Files) -> Self {
        let clock = Clock::new(ports.time.read().wall);
        let mut core = Self {
            identity,
            ports,
            files,
            keys: None,
            token: None,
            refusal: None,
            license_key: None,
            clock_file: clock.to_file(None),
            clock,
            schedule: Schedule::new(),
            reason: OfflineReason::NotContacted,
            is_released: false,
            operations: 0,
            operations_in_progress: 0,
            last_contact: None,
            last_failure: None,
            reported: State::Unactivated { has_license_key: false, reason: None },
        };
        core.load();
        if let Some(refusal) = &core.refusal {
            core.schedule.ask_about(refusal.id.clone());
        }
        core.delay_first_request();
        core.reported = core.state();
        core
    }

    /// Reads the storage again, which other processes may have changed, and the clocks.
    pub(crate) fn load(&mut self) {
        self.load_keys();
        self.load_token();
        self.load_refusal();
        self.license_key = self.files.read(files::LICENSE_KEY).map(|key| key.trim().to_owned());
        self.license_key.take_if(|key| key.is_empty());
        let stored_clock = self.files.read(files::CLOCK).and_then(|text| json::parse_object(text.as_bytes()));
        if let Some(stored) = stored_clock.filter(|stored| *stored != self.clock_file) {
            self.clock.merge(&stored, self.ports.time.read().monotonic);
            self.clock_file = stored;
        }
        self.observe();
    }

    pub(crate) fn load_keys(&mut self) {
        let text = self.files.read(files::KEYS);
        if text.as_ref() != self.keys.as_ref().map(|keys| &keys.text) {
            self.keys = text.and_then(|text| Some(StoredKeys { set: KeySet::verify(&text, &self.identity)?, text }));
        }
    }

    pub(crate) fn load_token(&mut self) {
        let Some(text) = self.files.read(files::TOKEN) else {
            self.token = None;
            return;
        };
        let source = (text, self.keys.as_ref().map(|keys| keys.text.clone()));
        if self.token.as_ref().is_none_or(|token| token.source != source) {
            self.token = StoredToken::load(source, self.keys.as_ref(), &self.identity);
        }
        if self.accepted().is_some() {
            // Another process may have stored it.
            self.is_released = false;
        }
    }

    pub(crate) fn load_refusal(&mut self) {
        let refusal = self.files.read(files::REFUSAL).and_then(|text| json::parse_object(text.as_bytes()));
        if refusal != self.refusal {
            self.refusal = refusal;
            self.schedule.draw_refusal_delay(self.ports.random.fraction());
        }
    }

    /// Reads the clocks.
    pub(crate) fn observe(&mut self) {
        let not_before = self.token.as_ref().and_then(|token| Some(seconds(token.claims.as_ref()?.nbf)));
        self.clock.observe(self.ports.time.read(), not_before);
        let file = self.clock_for_storage();
        let moved = seconds((file.last_seen - self.clock_file.last_seen).abs());
        if moved >= MINUTE || file.set_back != self.clock_file.set_back {
            self.write_clock();
        }
    }

    pub(crate) fn write_clock(&mut self) {
        self.clock_file = self.clock_for_storage();
        self.files.write(files::CLOCK, &to_json(&self.clock_file));
    }

    fn clock_for_storage(&self) -> ClockFile {
        let claims = self.token.as_ref().and_then(|token| token.claims.as_ref());
        self.clock.to_file(claims.map(|claims| claims.enforcement.offline_until))
    }

    pub(crate) fn write_token(&mut self, file: &TokenFile) {
        self.files.write(files::TOKEN, &to_json(file));
        self.load_token();
    }

    pub(crate) fn write_refusal(&mut self, refusal: &StoredRefusal) {
        self.files.write(files::REFUSAL, &to_json(refusal));
        self.load_refusal();
    }

    pub(crate) fn remove_token(&mut self) {
        self.files.remove(files::TOKEN);
        self.token = None;
    }

    pub(crate) fn remove_refusal(&mut self) {
        if self.refusal.take().is_some() {
            self.files.remove(files::REFUSAL);
        }
    }

    /// Returns the texts that no message about this request shows.
    pub(crate) fn secrets(&self, request: &Request) -> Secrets {
        let token = self.token.as_ref().map(|token| token.file.token.as_str());
        Secrets::new(request, [self.license_key.as_deref(), token])
    }

    /// Returns the time of the client.
    pub(crate) fn now(&self) -> Seconds {
        self.clock.now
    }

    /// Returns the stored token and its claims if the token is accepted, whatever its times.
    pub(crate) fn accepted(&self) -> Option<(&StoredToken, &Claims)> {
        let token = self.token.as_ref()?;
        let claims = token.claims.as_ref()?;
        let latest = self.clock.latest();
        let is_too_old = token.key_set_issued_at.is_some_and(|issued_at| is_license_file_too_old(issued_at, latest));
        (!is_too_old).then_some((token, claims))
    }

    /// Returns the state at the time of the last observation.
    pub(crate) fn state(&self) -> State {
        if let Some(refusal) = &self.refusal {
            return State::Refused { code: refusal.code.clone(), retry_at: refusal.retry_at.map(to_system_time) };
        }
        let Some((token, claims)) = self.accepted() else {
            let has_license_key = self.license_key.is_some();
            return State::Unactivated { has_license_key, reason: has_license_key.then_some(self.reason) };
        };
        let end = claims.enforcement.offline_until;
        if self.clock.is_tampered() {
            State::ClockTampered
        } else if self.now() > seconds(end) {
            State::Expired { since: to_system_time(end) }
        } else if self.now() > seconds(claims.exp) {
            State::Offline { until: to_system_time(end), reason: self.reason }
        } else {
            State::Active {
                until: to_system_time(claims.exp),
                in_grace: token.file.in_grace,
                grace_ends_at: token.file.grace_ends_at.map(to_system_time),
            }
        }
    }

    /// Returns the state if `on_change` has to report it.
    pub(crate) fn take_change(&mut self) -> Option<State> {
        let state = self.state();
        let is_change = state.differs_from(&self.reported);
        self.reported.clone_from(&state);
        is_change.then_some(state)
    }

    pub(crate) fn has(&self, feature: &str) -> bool {
        let claims = self.usable_claims();
        claims.is_some_and(|claims| claims.features.iter().any(|granted| granted == feature))
    }

    pub(crate) fn limit(&self, feature: &str) -> u64 {
        let limit = self.usable_claims().and_then(|claims| claims.feature_limits.get(feature).copied());
        limit.map_or(0, |limit| limit.unwrap_or(u64::MAX))
    }

    /// Returns the claims if the app may run.
    fn usable_claims(&self) -> Option<&Claims> {
        self.accepted().map(|(_, claims)| claims).filter(|_| self.state().may_run())
    }
}

impl StoredToken {
    fn load(source: (String, Option<String>), keys: Option<&StoredKeys>, identity: &Identity) -> Option<Self> {
        let file: TokenFile = json::parse_object(source.0.as_bytes())?;
        let license_file = file.license_file.as_deref().and_then(LicenseFile::parse);
        let license_file = license_file.filter(|license_file| license_file.token == file.token);
        let (claims, key_set_issued_at) = match &license_file {
            Some(license_file) => license_file.verify(identity).unzip(),
            None => (keys.and_then(|keys| Claims::verify(&file.token, &keys.set, identity)), None),
        };
        Some(Self {
            source,
            key_id: signing_key_id(&file.token),
            is_from_license_file: license_file.is_some(),
            claims,
            key_set_issued_at,
            file,
        })
    }
}

impl StoredRefusal {
    pub(crate) fn new(id: String, code: String, at: Seconds, retry_at: Option<i64>) -> Self {
        Self { id, code, at: whole(at), retry_at }
    }
}

/// Serializes a structure of texts and numbers, which cannot fail.
fn to_json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}
