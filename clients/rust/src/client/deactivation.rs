use std::time::Duration;

use serde_json::{Map, Value};

use super::{Client, Snapshot};
use crate::{
    core::Core,
    error::Error,
    outcome::{Failure, Outcome, TokenResponse},
    ports::Request,
    requests,
    state::State,
};

/// What failed, in the messages of errors.
const DEACTIVATION_FAILED: &str = "the seat was not freed";
/// The time-out of a request that frees a seat at exit.
const RELEASE_TIMEOUT: Duration = Duration::from_secs(2);
/// Refusals to free a seat that stays with the machine.
const KEPT_SEAT_CODES: [&str; 2] = ["offline_activation", "borrow_return_limit"];

impl Client {
    pub(crate) fn deactivate(&self) -> Result<State, Error> {
        let operation = self.begin_operation()?;
        let result = self.free_seat();
        if result.is_ok() {
            self.core().clear();
        }
        self.finish(operation, result)
    }

    /// Frees the seat. Without an accepted token, it activates first with the stored license key, because the seat may still
    /// be taken.
    fn free_seat(&self) -> Result<(), Error> {
        let (request, license_key, snapshot) = {
            let core = self.load();
            (core.deactivation(None), core.license_key.clone(), core.snapshot())
        };
        let request = match (request, license_key) {
            (Some(request), _) => request,
            (None, Some(key)) => match self.activate_to_deactivate(&key, &snapshot)? {
                Some(request) => request,
                None => return Ok(()),
            },
            (None, None) => return Ok(()),
        };
        self.send_deactivation(&request)
    }

    /// Activates, and returns the deactivation of that. Returns `None` if the API refuses: then there is no seat that this
    /// machine could free.
    fn activate_to_deactivate(&self, license_key: &str, snapshot: &Snapshot) -> Result<Option<Request>, Error> {
        let activation = requests::activate(license_key, &self.identity, &self.facts);
        match self.send(&activation) {
            Outcome::Token(response) => {
                self.store_response(DEACTIVATION_FAILED, snapshot, &response)?;
                Ok(Some(response.deactivation(None)))
            }
            Outcome::Refusal(_) | Outcome::LostSeat(_) => Ok(None),
            Outcome::Unreachable(failure) => Err(failure.to_error(DEACTIVATION_FAILED)),
        }
    }

    pub(crate) fn release(&self) -> State {
        if let Ok(operation) = self.begin_operation() {
            self.release_seat();
            drop(operation);
            self.report_change();
        }
        self.state()
    }

    /// Frees the seat, and removes the token, except one of a license file: the app cannot free its seat, and an offline
    /// machine would stop.
    pub(super) fn release_seat(&self) {
        let request = {
            let core = self.load();
            if core.accepted().is_some_and(|(token, _)| token.is_from_license_file) {
                return;
            }
            core.deactivation(Some(RELEASE_TIMEOUT))
        };
        let result = request.map_or(Ok(()), |request| self.send_deactivation(&request));
        if !result.is_err_and(|error| KEPT_SEAT_CODES.contains(&error.code())) {
            let mut core = self.core();
            core.remove_token();
            core.is_released = true;
        }
    }

    /// Frees the seat of a response that came after [`close`](Self::close). If that fails, its lease ends by itself.
    pub(super) fn free_late_seat(&self, response: &TokenResponse) {
        let _ = self.send_deactivation(&response.deactivation(Some(RELEASE_TIMEOUT)));
    }

    /// Sends a request that frees a seat. It succeeds if there is no such seat any more.
    fn send_deactivation(&self, request: &Request) -> Result<(), Error> {
        let failure = match self.transmit(request) {
            Ok(response) => {
                let is_object = serde_json::from_slice::<Map<String, Value>>(&response.body).is_ok();
                if response.status == 200 && is_object {
                    return Ok(());
                }
                self.read_failure(request, &response)
            }
            Err(error) => Failure::network(&error),
        };
        if failure.is_not_found() {
            return Ok(());
        }
        self.note_failure(request.kind, &failure.describe());
        Err(failure.to_error(DEACTIVATION_FAILED))
    }
}

impl Core {
    /// Returns the request that frees the seat. `None` without an accepted token.
    fn deactivation(&self, timeout: Option<Duration>) -> Option<Request> {
        let (token, claims) = self.accepted()?;
        Some(requests::deactivate(&claims.activation.id, &token.file.token, timeout))
    }
}
