mod deactivation;
mod exchange;

use std::{
    process,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::{
    callbacks::{Callback, Callbacks},
    core::{Core, StoredRefusal},
    error::Error,
    files::{self, Files},
    identity::Identity,
    offline_request,
    outcome::{Outcome, TokenResponse},
    ports::Ports,
    requests::{self, MachineFacts},
    schedule::DueRequest,
    signal::Signal,
    state::State,
    time::{format_rfc3339, whole, Seconds, MAX_UNIX_TIME},
};

/// What failed, in the messages of errors.
const ACTIVATION_FAILED: &str = "the license key was not activated";
const BORROW_FAILED: &str = "the seat was not borrowed";
const OFFLINE_REQUEST_FAILED: &str = "the request was not created";

/// Performs the operations: sends requests, and lets [`Core`] decide about the responses.
pub(crate) struct Client {
    identity: Arc<Identity>,
    facts: MachineFacts,
    keeps_license_key: bool,
    ports: Ports,
    /// Locked for short times only, never during a request.
    core: Mutex<Core>,
    callbacks: Callbacks,
    /// Wakes and stops the background thread.
    pub(crate) signal: Signal,
    /// The process whose background thread serves this client.
    process_id: u32,
}

/// What was known when a request was sent.
struct Snapshot {
    refusal_id: Option<String>,
    operations: u64,
}

/// An operation of the app. While there is one, the background thread sends no request.
struct Operation<'a>(&'a Client);

impl<'a> Operation<'a> {
    fn begin(client: &'a Client) -> Self {
        client.core().begin_operation();
        Self(client)
    }
}

impl Drop for Operation<'_> {
    fn drop(&mut self) {
        self.0.core().end_operation();
    }
}

impl Client {
    pub(crate) fn open(identity: Identity, facts: MachineFacts, keeps_license_key: bool, ports: Ports) -> Self {
        let identity = Arc::new(identity);
        let private: &[&str] = match (identity.is_of_process(), keeps_license_key) {
            (false, true) => &[],
            (false, false) => &[files::LICENSE_KEY],
            (true, true) => &[files::TOKEN, files::REFUSAL],
            (true, false) => &[files::TOKEN, files::REFUSAL, files::LICENSE_KEY],
        };
        if !keeps_license_key {
            // It may be stored because the app kept it before.
            let _ = ports.storage.remove(files::LICENSE_KEY);
        }
        let files = Files::new(ports.storage.clone(), private);
        let core = Mutex::new(Core::open(identity.clone(), ports.clone(), files));
        let process_id = process::id();
        let (callbacks, signal) = Default::default();
        Self { identity, facts, keeps_license_key, ports, core, callbacks, signal, process_id }
    }

    /// Returns a client for a forked child, which has no other thread of its parent and may have inherited locked mutexes.
    /// It goes on with what is in memory, or else with what is stored.
    pub(crate) fn fork(&self) -> Self {
        let ports = Ports { transport: self.ports.transport.for_forked_child(), ..self.ports.clone() };
        let child = Self::open(Identity::clone(&self.identity), self.facts.clone(), self.keeps_license_key, ports);
        if let Ok(core) = self.core.try_lock() {
            let mut core = core.clone();
            core.operations_in_progress = 0;
            core.ports.transport = child.ports.transport.clone();
            *child.core() = core;
        }
        Self { callbacks: self.callbacks.for_forked_child(), ..child }
    }

    pub(crate) fn is_of_this_process(&self) -> bool {
        self.process_id == process::id()
    }

    fn core(&self) -> MutexGuard<'_, Core> {
        self.core.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Locks the state machine, and reads the clocks.
    fn observe(&self) -> MutexGuard<'_, Core> {
        let mut core = self.core();
        core.observe();
        core
    }

    /// Locks the state machine, and reads the storage and the clocks.
    fn load(&self) -> MutexGuard<'_, Core> {
        let mut core = self.core();
        core.load();
        core
    }

    /// Locks the state machine for a response, and reads the storage. Fails if the license was closed since the request was sent:
    /// then the response is not stored, and a seat of this process is freed, of which [`close`](Self::close) did not know.
    fn load_for(&self, response: Option<&TokenResponse>) -> Result<MutexGuard<'_, Core>, Error> {
        let core = self.load();
        if !self.signal.is_closed() {
            return Ok(core);
        }
        let is_known = |response: &TokenResponse| {
            core.accepted().is_some_and(|(_, claims)| claims.activation.id == response.claims.activation.id)
        };
        let late = response.filter(|response| self.identity.is_of_process() && !is_known(response));
        drop(core);
        if let Some(response) = late {
            self.free_late_seat(response);
        }
        Err(Error::closed())
    }

    pub(crate) fn on_change(&self, callback: Callback) {
        self.callbacks.add(callback);
    }

    pub(crate) fn state(&self) -> State {
        self.observe().state()
    }

    pub(crate) fn has(&self, feature: &str) -> bool {
        self.observe().has(feature)
    }

    pub(crate) fn limit(&self, feature: &str) -> u64 {
        self.observe().limit(feature)
    }

    pub(crate) fn diagnose(&self) -> String {
        self.observe().diagnose()
    }

    pub(crate) fn offline_request(&self) -> Result<String, Error> {
        let Identity { product, machine_id, is_ephemeral, .. } = &*self.identity;
        if *is_ephemeral {
            return Err(Error::ephemeral_machine_id(OFFLINE_REQUEST_FAILED));
        }
        Ok(offline_request::encode(product, machine_id, self.facts.machine_name.as_deref()))
    }

    #[cfg(test)]
    /// Returns the seconds until the next request of the background thread, or `None` if there is none.
    pub(crate) fn seconds_until_request(&self) -> Option<Seconds> {
        let core = self.observe();
        core.next_due().map(|due| (due - core.now()).max(0.0))
    }

    /// Returns the seconds until the next run of the background thread, or `None` if there is none.
    pub(crate) fn seconds_until_run(&self) -> Option<Seconds> {
        let core = self.observe();
        core.next_run().map(|at| (at - core.now()).max(0.0))
    }

    pub(crate) fn activate(&self, license_key: &str) -> Result<State, Error> {
        let license_key = license_key.trim();
        let operation = self.begin_operation()?;
        let snapshot = self.load().snapshot();
        let outcome = self.send(&requests::activate(license_key, &self.identity, &self.facts));
        let result = self.finish_activation(license_key, &snapshot, outcome);
        self.finish(operation, result)
    }

    fn finish_activation(&self, license_key: &str, snapshot: &Snapshot, outcome: Outcome) -> Result<(), Error> {
        let kept_key = self.keeps_license_key.then_some(license_key);
        let mut core = self.load_for(outcome.token())?;
        let keeps_present_license = core.keeps_present_license(license_key);
        match outcome {
            Outcome::Token(response) => {
                core.check_refusal(ACTIVATION_FAILED, snapshot)?;
                core.store_token(&response);
                if let Some(key) = kept_key {
                    core.store_license_key(key);
                }
                Ok(())
            }
            Outcome::Refusal(refusal) | Outcome::LostSeat(refusal) => {
                let error = refusal.to_error(ACTIVATION_FAILED);
                if !keeps_present_license && !core.is_mistyped(license_key, &refusal) {
                    core.refuse_activation(refusal, kept_key);
                }
                Err(error)
            }
            Outcome::Unreachable(failure) => {
                if !keeps_present_license {
                    core.postpone_activation(&failure, kept_key);
                }
                Err(failure.to_error(ACTIVATION_FAILED))
            }
        }
    }

    /// Stops the background thread, and frees the seat if it belongs to this process.
    pub(crate) fn close(&self) {
        if self.signal.close() && self.identity.is_of_process() {
            let operation = Operation::begin(self);
            self.release_seat();
            drop(operation);
        }
    }

    pub(crate) fn borrow(&self, until: Seconds) -> Result<State, Error> {
        if self.identity.is_ephemeral {
            return Err(Error::ephemeral_machine_id(BORROW_FAILED));
        }
        let operation = self.begin_operation()?;
        if until <= self.load().now() || until > MAX_UNIX_TIME {
            let rule = "until must be later than the present time, and before the year 10000";
            return Err(Error::invalid_value(BORROW_FAILED, rule));
        }
        let result = self.send_borrow(&format_rfc3339(whole(until)));
        self.finish(operation, result)
    }

    fn send_borrow(&self, until: &str) -> Result<(), Error> {
        let snapshot = {
            let core = self.load();
            if let Some(refusal) = &core.refusal {
                return Err(Error::refused(BORROW_FAILED, &refusal.code));
            }
            core.snapshot()
        };
        let send_heartbeat = || self.send_heartbeat(Some(until)).ok_or_else(|| Error::not_activated(BORROW_FAILED));
        let mut outcome = send_heartbeat()?;
        if let Outcome::LostSeat(_) = outcome {
            outcome = self.activate_again(outcome, &snapshot);
            if let Outcome::Token(response) = &outcome {
                self.store_response(BORROW_FAILED, &snapshot, response)?;
                outcome = send_heartbeat()?;
            }
        }
        match outcome {
            Outcome::Token(response) => self.store_response(BORROW_FAILED, &snapshot, &response),
            Outcome::Refusal(refusal) | Outcome::LostSeat(refusal) => {
                let error = refusal.to_error(BORROW_FAILED);
                self.load_for(None)?.refuse_activation(refusal, None);
                Err(error)
            }
            Outcome::Unreachable(failure) => {
                if !failure.has_problem() {
                    self.core().record_failure(&failure);
                }
                Err(failure.to_error(BORROW_FAILED))
            }
        }
    }

    /// Stores the token of a response to an operation. `what` says what failed if it is not stored.
    fn store_response(&self, what: &str, snapshot: &Snapshot, response: &TokenResponse) -> Result<(), Error> {
        let mut core = self.load_for(Some(response))?;
        core.check_refusal(what, snapshot)?;
        core.store_token(response);
        Ok(())
    }

    pub(crate) fn import_license_file(&self, content: &[u8]) -> Result<State, Error> {
        let operation = self.begin_operation()?;
        let result = self.load().import_license_file(content);
        self.finish(operation, result)
    }

    /// Runs the background task once: sends the requests that are due.
    pub(crate) fn run(&self) {
        if self.load().is_key_fetch_due() {
            // A failure is noted, and is not one of the license.
            let _ = self.fetch_keys();
        }
        let (snapshot, due) = {
            let core = self.load();
            (core.snapshot(), core.due_request().filter(|_| core.operations_in_progress == 0))
        };
        self.renew(&snapshot, due);
        self.report_change();
    }

    /// Sends what the background thread would send next, whether it is due or not.
    pub(crate) fn refresh(&self) -> State {
        let Ok(operation) = self.begin_operation() else { return self.state() };
        let (snapshot, next) = {
            let core = self.load();
            (core.snapshot(), core.next_request())
        };
        self.renew(&snapshot, next);
        drop(operation);
        self.report_change();
        self.signal.wake();
        self.state()
    }

    fn renew(&self, snapshot: &Snapshot, request: Option<DueRequest>) {
        let outcome = match request {
            Some(DueRequest::Heartbeat) => {
                self.send_heartbeat(None).map(|outcome| self.activate_again(outcome, snapshot))
            }
            Some(DueRequest::Activation { license_key }) => {
                let request = requests::activate(&license_key, &self.identity, &self.facts);
                Some(self.send(&request))
            }
            None => None,
        };
        if let Some(outcome) = outcome {
            self.finish_background_request(snapshot, outcome);
        }
    }

    fn finish_background_request(&self, snapshot: &Snapshot, outcome: Outcome) {
        let Ok(mut core) = self.load_for(outcome.token()) else { return };
        if core.operations != snapshot.operations {
            return;
        }
        match outcome {
            Outcome::Token(response) => {
                if core.refusal_since(snapshot).is_none() {
                    core.store_token(&response);
                }
            }
            Outcome::Refusal(refusal) | Outcome::LostSeat(refusal) => core.store_refusal(refusal),
            Outcome::Unreachable(failure) => {
                core.record_failure(&failure);
                core.schedule_retry(failure.retry_after);
            }
        }
    }

    /// Sends a heartbeat. Returns `None` without a token.
    fn send_heartbeat(&self, borrow_until: Option<&str>) -> Option<Outcome> {
        let request = {
            let core = self.load();
            let (token, _) = core.accepted()?;
            requests::heartbeat(&token.file.token, borrow_until, &self.identity, &self.facts)
        };
        Some(self.send(&request))
    }

    /// Activates with the stored license key after a heartbeat that says that the seat is lost.
    fn activate_again(&self, outcome: Outcome, snapshot: &Snapshot) -> Outcome {
        if !matches!(outcome, Outcome::LostSeat(_)) {
            return outcome;
        }
        let license_key = {
            let core = self.load();
            core.license_key.clone().filter(|_| core.operations == snapshot.operations)
        };
        match license_key {
            Some(key) => self.send(&requests::activate(&key, &self.identity, &self.facts)),
            None => outcome,
        }
    }

    fn begin_operation(&self) -> Result<Operation<'_>, Error> {
        if self.signal.is_closed() {
            return Err(Error::closed());
        }
        Ok(Operation::begin(self))
    }

    /// Ends an operation: reports the state, and lets the background thread schedule its next request. Fails if the license was
    /// closed before.
    fn finish(&self, operation: Operation<'_>, result: Result<(), Error>) -> Result<State, Error> {
        let result = if self.signal.is_closed() { Err(Error::closed()) } else { result };
        drop(operation);
        self.report_change();
        self.signal.wake();
        result.map(|()| self.state())
    }

    /// Calls the callbacks if the state has changed.
    fn report_change(&self) {
        {
            let mut core = self.observe();
            if let Some(state) = core.take_change() {
                // With the lock, so that the states are in order.
                self.callbacks.enqueue(state);
            }
        }
        self.callbacks.deliver(&self.signal);
    }
}

impl Core {
    fn snapshot(&self) -> Snapshot {
        Snapshot { refusal_id: self.refusal.as_ref().map(|refusal| refusal.id.clone()), operations: self.operations }
    }

    /// Returns the refusal that another process has stored since the request was sent. A token must not undo it.
    fn refusal_since(&self, snapshot: &Snapshot) -> Option<&StoredRefusal> {
        self.refusal.as_ref().filter(|refusal| Some(&refusal.id) != snapshot.refusal_id.as_ref())
    }

    /// Fails if another process has stored a refusal since the request was sent. `what` says what failed.
    fn check_refusal(&self, what: &str, snapshot: &Snapshot) -> Result<(), Error> {
        self.refusal_since(snapshot).map_or(Ok(()), |refusal| Err(Error::refused(what, &refusal.code)))
    }

    fn begin_operation(&mut self) {
        self.operations += 1;
        self.operations_in_progress += 1;
    }

    fn end_operation(&mut self) {
        self.operations += 1;
        self.operations_in_progress = self.operations_in_progress.saturating_sub(1);
    }
}
