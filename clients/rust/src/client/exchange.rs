use super::Client;
use crate::{
    outcome::{Failure, Outcome, Refusal, TokenBody, TokenCheck, TokenResponse},
    ports::{NetworkError, Request, RequestKind, Response},
    requests,
};

impl Client {
    /// Sends a request whose successful response is a token.
    pub(super) fn send(&self, request: &Request) -> Outcome {
        let outcome = match self.transmit(request) {
            Ok(response) => self.read_response(request, &response),
            Err(error) => Outcome::Unreachable(Failure::network(&error)),
        };
        if let Some(why) = outcome.describe_failure() {
            self.note_failure(request.kind, &why);
        }
        if let Outcome::Refusal(Refusal { deactivation: Some(deactivation), .. }) = &outcome {
            // If it fails, the lease of the seat ends by itself.
            let _ = self.transmit(deactivation);
        }
        outcome
    }

    fn read_response(&self, request: &Request, response: &Response) -> Outcome {
        let Some(body) = TokenBody::parse(response) else {
            return Outcome::of_failure(self.read_failure(request, response), request.kind);
        };
        let is_key_unknown = self.core().is_key_unknown(&body.token);
        let fetched = if is_key_unknown { self.fetch_keys() } else { Ok(()) };
        let check = self.core().check_token(&body.token);
        match check {
            TokenCheck::Accepted(claims) => Outcome::Token(Box::new(TokenResponse { body, claims })),
            TokenCheck::WrongProduct(claims) if request.kind == RequestKind::Activate => {
                // With status 200, the machine had the seat before: another app of the vendor holds it.
                let deactivation =
                    (response.status == 201).then(|| requests::deactivate(&claims.activation.id, &body.token, None));
                let secrets = self.core().secrets(request);
                let product = &self.identity.product;
                Outcome::Refusal(Refusal::wrong_product(&claims.aud, product, &secrets, deactivation))
            }
            TokenCheck::WrongProduct(_) | TokenCheck::Invalid => {
                let mut failure = self.read_failure(request, response);
                failure.is_key_set_unsigned = fetched.is_err_and(|failure| failure.is_key_set_unsigned);
                Outcome::Unreachable(failure)
            }
        }
    }

    /// Reads a response that is no success of its request.
    pub(super) fn read_failure(&self, request: &Request, response: &Response) -> Failure {
        let core = self.observe();
        Failure::of(response, &core.secrets(request), core.now())
    }

    /// Fetches the key set, and stores it.
    pub(super) fn fetch_keys(&self) -> Result<(), Failure> {
        let request = requests::fetch_keys();
        let result = match self.transmit(&request) {
            Ok(response) => match std::str::from_utf8(&response.body) {
                Ok(text) if response.status == 200 => self.load().store_keys(text),
                _ => Err(self.read_failure(&request, &response)),
            },
            Err(error) => Err(Failure::network(&error)),
        };
        self.observe().schedule_key_fetch(result.is_ok());
        result.inspect_err(|failure| self.note_failure(request.kind, &failure.describe()))
    }

    /// Sends a request, and notes when there is a response.
    pub(super) fn transmit(&self, request: &Request) -> Result<Response, NetworkError> {
        let response = self.ports.transport.send(request)?;
        let mut core = self.observe();
        core.last_contact = Some(core.now());
        Ok(response)
    }

    pub(super) fn note_failure(&self, request: RequestKind, why: &str) {
        self.observe().note_failure(request, why);
    }
}
