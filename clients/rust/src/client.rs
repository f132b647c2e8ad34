mod deactivation;
mod exchange;

use std::{
    panic::{catch_unwind, AssertUnwindSafe},
    process,
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock},
};

use crate::{
    core::Core,
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
const OFFLINE_REQUEST_FAILED: &str = "there is no request for a license file";

pub(crate) type Callback = Arc<dyn Fn(&State) + Send + Sync>;

/// Performs the operations: sends requests, and lets [`Core`] decide about the responses.
pub(crate) struct Client {
    identity: Arc<Identity>,
    facts: MachineFacts,
    keeps_license_key: bool,
    ports: Ports,
    /// Locked for short times only, never during a request.
    core: Mutex<Core>,
    callbacks: Arc<RwLock<Vec<Callback>>>,
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
        let files = Files::new(ports.storage.clone(), private);
        let core = Mutex::new(Core::open(identity.clone(), ports.clone(), files));
        let process_id = process::id();
        let callbacks = Arc::default();
        Self { identity, facts, keeps_license_key, ports, core, callbacks, signal: Signal::default(), process_id }
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
        Self { callbacks: self.callbacks.clone(), ..child }
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

    pub(crate) fn on_change(&self, callback: Callback) {
        self.callbacks.write().unwrap_or_else(PoisonError::into_inner).push(callback);
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
        let snapshot = {
            let mut core = self.load();
            core.is_released = false;
            core.snapshot()
        };
        let outcome = self.send(&requests::activate(license_key, &self.identity, &self.facts));
        let result = self.finish_activation(license_key, &snapshot, outcome);
        self.finish(operation, result)
    }

    fn finish_activation(&self, license_key: &str, snapshot: &Snapshot, outcome: Outcome) -> Result<(), Error> {
        let kept_key = self.keeps_license_key.then_some(license_key);
        let mut core = self.load();
        let keeps_present_license = core.keeps_present_license(license_key);
        match outcome {
            Outcome::Token(response) => {
                core.check_refusal(snapshot)?;
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
            return Err(Error::invalid_value("until must be later than the present time, and before the year 10000"));
        }
        let result = self.send_borrow(&format_rfc3339(whole(until)));
        self.finish(operation, result)
    }

    fn send_borrow(&self, until: &str) -> Result<(), Error> {
        let snapshot = {
            let core = self.load();
            if let Some(refusal) = &core.refusal {
                return Err(Error::refused(&refusal.code));
            }
            core.snapshot()
        };
        let mut outcome = self.send_heartbeat(Some(until)).ok_or_else(Error::not_activated)?;
        if let Outcome::LostSeat(_) = outcome {
            outcome = self.activate_again(outcome, &snapshot);
            if let Outcome::Token(response) = &outcome {
                self.store_response(&snapshot, response)?;
                outcome = self.send_heartbeat(Some(until)).ok_or_else(Error::not_activated)?;
            }
        }
        match outcome {
            Outcome::Token(response) => self.store_response(&snapshot, &response),
            Outcome::Refusal(refusal) | Outcome::LostSeat(refusal) => {
                let error = refusal.to_error(BORROW_FAILED);
                self.load().refuse_activation(refusal, None);
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

    fn store_response(&self, snapshot: &Snapshot, response: &TokenResponse) -> Result<(), Error> {
        let mut core = self.load();
        core.check_refusal(snapshot)?;
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
            let mut core = self.load();
            core.is_released = false;
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
        let mut core = self.load();
        if core.operations != snapshot.operations {
            return;
        }
        match outcome {
            Outcome::Token(response) => {
                if core.check_refusal(snapshot).is_ok() {
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

    /// Ends an operation: reports the state, and lets the background thread schedule its next request.
    fn finish(&self, operation: Operation<'_>, result: Result<(), Error>) -> Result<State, Error> {
        drop(operation);
        self.report_change();
        self.signal.wake();
        result.map(|()| self.state())
    }

    /// Calls the callbacks if the state has changed and the license is not closed. A panic of a callback is ignored.
    fn report_change(&self) {
        if self.signal.is_closed() {
            return;
        }
        let Some(state) = self.observe().take_change() else { return };
        let callbacks = self.callbacks.read().unwrap_or_else(PoisonError::into_inner).clone();
        for callback in callbacks {
            let _ = catch_unwind(AssertUnwindSafe(|| callback(&state)));
        }
    }
}

impl Core {
    fn snapshot(&self) -> Snapshot {
        Snapshot { refusal_id: self.refusal.as_ref().map(|refusal| refusal.id.clone()), operations: self.operations }
    }

    /// Fails if another process has stored a refusal since the request was sent. A token must not undo it.
    fn check_refusal(&self, snapshot: &Snapshot) -> Result<(), Error> {
        match &self.refusal {
            Some(refusal) if Some(&refusal.id) != snapshot.refusal_id.as_ref() => Err(Error::refused(&refusal.code)),
            _ => Ok(()),
        }
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
