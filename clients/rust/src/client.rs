use std::{
    panic::{catch_unwind, AssertUnwindSafe},
    process,
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock},
    time::Duration,
};

use serde_json::{Map, Value};

use crate::{
    core::Core,
    error::Error,
    files::{self, Files},
    identity::Identity,
    offline_request,
    outcome::{parse_problem, Failure, Outcome, RequestKind, TokenResponse},
    ports::{Ports, Request},
    requests::{self, MachineFacts},
    schedule::DueRequest,
    signal::Signal,
    state::State,
    time::{format_rfc3339, whole, Seconds},
};

/// The time-out of a request that frees a seat at exit.
const RELEASE_TIMEOUT: Duration = Duration::from_secs(2);
/// Refusals to free a seat that stays with the machine.
const KEPT_SEAT_CODES: [&str; 2] = ["offline_activation", "borrow_return_limit"];

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

    pub(crate) fn offline_request(&self) -> String {
        let Identity { product, machine_id, .. } = &*self.identity;
        offline_request::encode(product, machine_id, self.facts.machine_name.as_deref())
    }

    /// Returns the seconds until the next request of the background thread, or `None` if there is none.
    pub(crate) fn seconds_until_request(&self) -> Option<Seconds> {
        let core = self.observe();
        core.next_due().map(|due| (due - core.now()).max(0.0))
    }

    pub(crate) fn activate(&self, license_key: &str) -> Result<State, Error> {
        let license_key = license_key.trim();
        let operation = self.begin_operation();
        let snapshot = {
            let mut core = self.load();
            core.is_released = false;
            core.snapshot()
        };
        let outcome = self.send(&requests::activate(license_key, &self.identity, &self.facts), RequestKind::Activation);
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
            Outcome::Refusal(refusal) | Outcome::LostSeat(refusal) if keeps_present_license => {
                Err(Error::api(&refusal.code))
            }
            Outcome::Unreachable(failure) if keeps_present_license => Err(failure.to_error()),
            Outcome::Refusal(refusal) | Outcome::LostSeat(refusal) => Err(core.refuse_activation(refusal, kept_key)),
            Outcome::Unreachable(failure) => Err(core.postpone_activation(&failure, kept_key)),
        }
    }

    pub(crate) fn deactivate(&self) -> Result<State, Error> {
        let operation = self.begin_operation();
        let result = self.send_deactivation(None).or_else(|error| match error.code() {
            "not_found" => Ok(()),
            _ => Err(error),
        });
        if result.is_ok() {
            self.core().clear();
        }
        self.finish(operation, result)
    }

    pub(crate) fn release(&self) -> State {
        let operation = self.begin_operation();
        let result = self.send_deactivation(Some(RELEASE_TIMEOUT));
        if !result.is_err_and(|error| KEPT_SEAT_CODES.contains(&error.code())) {
            let mut core = self.core();
            core.remove_token();
            core.is_released = true;
        }
        drop(operation);
        self.report_change();
        self.state()
    }

    /// Frees the seat. Succeeds without a request if there is no token.
    fn send_deactivation(&self, timeout: Option<Duration>) -> Result<(), Error> {
        let request = match self.load().accepted() {
            Some((token, claims)) => requests::deactivate(&claims.activation.id, &token.file.token, timeout),
            None => return Ok(()),
        };
        let response = self.ports.transport.send(&request).map_err(|_| Error::unreachable())?;
        if response.status == 200 && serde_json::from_slice::<Map<String, Value>>(&response.body).is_ok() {
            return Ok(());
        }
        Err(parse_problem(&response).map_or_else(Error::unreachable, |problem| Error::api(&problem.code)))
    }

    /// Stops the background thread, and frees the seat if it belongs to this process.
    pub(crate) fn close(&self) {
        self.signal.close();
        if self.identity.is_of_process() {
            self.release();
        }
    }

    pub(crate) fn borrow(&self, until: Seconds) -> Result<State, Error> {
        let operation = self.begin_operation();
        let result = self.send_borrow(&format_rfc3339(whole(until)));
        self.finish(operation, result)
    }

    fn send_borrow(&self, until: &str) -> Result<(), Error> {
        let snapshot = {
            let core = self.load();
            if let Some(refusal) = &core.refusal {
                return Err(Error::api(&refusal.code));
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
            Outcome::Refusal(refusal) | Outcome::LostSeat(refusal) => Err(self.load().refuse_activation(refusal, None)),
            Outcome::Unreachable(failure) => {
                if failure.problem.is_none() {
                    self.core().record_failure(&failure);
                }
                Err(failure.to_error())
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
        let operation = self.begin_operation();
        let result = self.load().import_license_file(content);
        self.finish(operation, result)
    }

    /// Runs the background task once: sends the requests that are due.
    pub(crate) fn run(&self) {
        if self.load().is_key_fetch_due() {
            self.fetch_keys();
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
        let operation = self.begin_operation();
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
                Some(self.send(&request, RequestKind::Activation))
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
        Some(self.send(&request, RequestKind::Heartbeat))
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
            Some(key) => self.send(&requests::activate(&key, &self.identity, &self.facts), RequestKind::Activation),
            None => outcome,
        }
    }

    /// Sends a request whose successful response is a token.
    fn send(&self, request: &Request, kind: RequestKind) -> Outcome {
        let Ok(response) = self.ports.transport.send(request) else { return Outcome::Unreachable(Failure::network()) };
        let now = self.observe().now();
        Outcome::of(&response, kind, now, |token| {
            if self.core().is_key_unknown(token) {
                self.fetch_keys();
            }
            self.core().verify_response(token)
        })
    }

    fn fetch_keys(&self) {
        let response = self.ports.transport.send(&requests::fetch_keys()).ok();
        let body = response.filter(|response| response.status == 200).map(|response| response.body);
        let text = body.and_then(|body| String::from_utf8(body).ok());
        self.load().store_keys(text.as_deref());
    }

    fn begin_operation(&self) -> Operation<'_> {
        self.core().begin_operation();
        Operation(self)
    }

    /// Ends an operation: reports the state, and lets the background thread schedule its next request.
    fn finish(&self, operation: Operation<'_>, result: Result<(), Error>) -> Result<State, Error> {
        drop(operation);
        self.report_change();
        self.signal.wake();
        result.map(|()| self.state())
    }

    /// Calls the callbacks if the state has changed. A panic of a callback is ignored.
    fn report_change(&self) {
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
            Some(refusal) if Some(&refusal.id) != snapshot.refusal_id.as_ref() => Err(Error::api(&refusal.code)),
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
