use crate::{
    core::{Core, StoredRefusal, TokenFile},
    files,
    key_set::KeySet,
    outcome::{Failure, Refusal, TokenCheck, TokenResponse, NOT_FOUND, WRONG_PRODUCT},
    state::OfflineReason,
    time::seconds,
    token::{signing_key_id, Claims},
};

/// Refused activations after which the license key is stored, so that the background thread tries again.
const KEY_IS_STORED_AFTER: [&str; 4] = ["seat_limit_reached", "suspended", "expired", "product_inactive"];

impl Core {
    /// Stores a token of the API.
    pub(crate) fn store_token(&mut self, response: &TokenResponse) {
        let TokenResponse { body, claims } = response;
        let issued_at = seconds(claims.iat);
        if self.clock.is_later(issued_at) {
            let before = self.now();
            let wall = self.ports.time.read().wall;
            self.clock.synchronize(issued_at, seconds(claims.exp), wall);
            self.schedule.shift((self.now() - before).min(0.0));
        }
        let file = TokenFile {
            token: body.token.clone(),
            next_heartbeat_at: self
                .next_heartbeat(body.next_heartbeat_at, claims.enforcement.heartbeat_interval_seconds),
            in_grace: body.in_grace,
            grace_ends_at: body.grace_ends_at,
            license_file: None,
        };
        self.write_token(&file);
        self.remove_refusal();
        self.write_clock();
        self.last_contact = Some(self.now());
        self.is_released = false;
        if self.clock.is_tampered() {
            // The API reuses recent tokens, and a response can be replayed. Only a later token ends the state.
            self.schedule_retry(None);
        } else {
            self.schedule.clear_failures();
            self.reason = OfflineReason::NotContacted;
        }
    }

    /// Stores a refusal, and removes the token.
    pub(crate) fn store_refusal(&mut self, refusal: Refusal) {
        let stored = StoredRefusal::new(self.ports.random.id(), refusal.code, self.now(), refusal.retry_at);
        self.write_refusal(&stored);
        self.remove_token();
        self.schedule.clear_failures();
    }

    /// Records that there was no answer about the license.
    pub(crate) fn record_failure(&mut self, failure: &Failure) {
        self.reason = failure.reason;
    }

    /// Stores the license key of an activation by the app, with which the background thread may activate again.
    pub(crate) fn store_license_key(&mut self, license_key: &str) {
        self.is_released = false;
        if self.license_key.as_deref() != Some(license_key) {
            self.files.write(files::LICENSE_KEY, license_key);
            self.license_key = Some(license_key.to_owned());
        }
    }

    /// Returns whether a failed activation with this license key leaves the present license in use.
    pub(crate) fn keeps_present_license(&self, license_key: &str) -> bool {
        match &self.license_key {
            Some(present) => present != license_key,
            None => self.accepted().is_some(),
        }
    }

    /// Returns whether an activation with this license key is refused because the license key does not exist or is for another
    /// product: the user mistyped it, or has several. The refusal of the stored license key is one of the license.
    pub(crate) fn is_mistyped(&self, license_key: &str, refusal: &Refusal) -> bool {
        [NOT_FOUND, WRONG_PRODUCT].contains(&refusal.code.as_str()) && self.license_key.as_deref() != Some(license_key)
    }

    /// Stores the refusal of an activation by the app, and the license key if the refusal may end by itself.
    pub(crate) fn refuse_activation(&mut self, refusal: Refusal, license_key: Option<&str>) {
        if let Some(key) = license_key.filter(|_| KEY_IS_STORED_AFTER.contains(&refusal.code.as_str())) {
            self.store_license_key(key);
        }
        self.store_refusal(refusal);
    }

    /// Records that an activation by the app was not answered. The background thread tries again with the license key, unless
    /// the API says that the request is wrong.
    pub(crate) fn postpone_activation(&mut self, failure: &Failure, license_key: Option<&str>) {
        self.record_failure(failure);
        if let Some(key) = license_key.filter(|_| failure.is_retryable()) {
            if self.license_key.is_none() {
                self.remove_refusal();
            }
            self.store_license_key(key);
        }
        if self.has_to_activate() {
            self.schedule_retry(failure.retry_after);
        }
    }

    /// Removes everything but the key set and the clock.
    pub(crate) fn clear(&mut self) {
        self.remove_token();
        self.remove_refusal();
        self.files.remove(files::LICENSE_KEY);
        self.license_key = None;
        self.schedule.clear_failures();
    }

    /// Returns whether the key set must be fetched before a token of a response can be verified.
    pub(crate) fn is_key_unknown(&self, token: &str) -> bool {
        signing_key_id(token).is_some_and(|kid| self.keys.as_ref().is_none_or(|keys| keys.set.get(&kid).is_none()))
    }

    /// Checks a token of a response with the stored key set.
    pub(crate) fn check_token(&self, token: &str) -> TokenCheck {
        let keys = self.keys.as_ref();
        let claims = keys.and_then(|keys| Claims::verify_issuer(token, &keys.set, &self.identity));
        match claims.filter(|claims| claims.is_for_machine(&self.identity)) {
            Some(claims) if claims.aud != self.identity.product => TokenCheck::WrongProduct(claims),
            Some(claims) if !self.clock.is_replay(seconds(claims.iat)) => TokenCheck::Accepted(claims),
            _ => TokenCheck::Invalid,
        }
    }

    /// Stores a fetched key set that is valid and not older than the stored one.
    pub(crate) fn store_keys(&mut self, text: &str) -> Result<(), Failure> {
        // A clock that was ahead must not make key sets expire.
        let wall = self.ports.time.read().wall;
        let is_acceptable = KeySet::verify(text, &self.identity).is_some_and(|set| {
            let is_older = self.keys.as_ref().is_some_and(|keys| set.issued_at < keys.set.issued_at);
            !is_older && self.now().min(wall) <= seconds(set.expires_at)
        });
        if !is_acceptable {
            return Err(Failure::invalid_key_set(KeySet::is_signed(text, &self.identity) == Some(false)));
        }
        self.files.write(files::KEYS, text);
        self.load_keys();
        self.load_token();
        Ok(())
    }
}
