//! `/authorize`: the sign-in page, and the code that it sends the browser back with (OpenID Connect Core §3.1.2).

use axum::{
    extract::State,
    response::{IntoResponse, Redirect, Response},
};
use url::Url;

use super::{
    CLIENT_ID, DevIssuer,
    grants::Grant,
    page,
    params::{OAuthError, Params},
    person::{Person, Words},
};

/// A request for a code that can be granted.
struct Asked {
    redirect_uri: Url,
    challenge: String,
    words: Words,
}

/// Why there is no code.
enum Refused {
    /// Nobody knows where the browser belongs: the person is told.
    Here(String),
    /// The client is told, by way of the browser.
    There(Box<Url>, OAuthError),
}

/// `GET`: shows the page.
pub(super) async fn ask(State(issuer): State<DevIssuer>, params: Params) -> Response {
    match check(&issuer, &params) {
        Ok(asked) => page::sign_in(&params, &asked.words, &asked.redirect_uri, None),
        Err(refused) => issuer.refuse(&params, refused),
    }
}

/// `POST`: the page's form. It carries the whole request, which is checked again.
pub(super) async fn sign_in(State(issuer): State<DevIssuer>, params: Params) -> Response {
    let asked = match check(&issuer, &params) {
        Ok(asked) => asked,
        Err(refused) => return issuer.refuse(&params, refused),
    };
    let Some(person) = person(&params, &asked.words) else {
        let fault = Some("That is not an e-mail address.");
        return page::sign_in(&params, &asked.words, &asked.redirect_uri, fault);
    };
    let grant = Grant {
        redirect_uri: params.get("redirect_uri").unwrap_or_default().to_owned(),
        challenge: asked.challenge,
        nonce: params.get("nonce").map(str::to_owned),
        words: asked.words,
        person,
    };
    let code = issuer.0.grants.code(grant, issuer.0.clock.now());
    issuer.send_back(asked.redirect_uri, &params, &[("code", &code)])
}

/// Who the form says: one of the ready ones, or whoever was typed.
fn person(params: &Params, words: &Words) -> Option<Person> {
    let is_verified = !words.has("unverified") && params.get("unverified").is_none();
    if let Some(pick) = params.get("pick") {
        let ready = page::READY.iter().find(|ready| ready.email == pick)?;
        let roles = if ready.is_operator { vec!["operator".to_owned()] } else { Vec::new() };
        return Person::new(ready.email, Some(ready.name), roles, is_verified);
    }
    // The box was ticked for whoever asked for the role, and the person has the last word.
    let mut roles = words.roles();
    roles.retain(|role| role != "operator");
    roles.extend(params.get("operator").map(|_| "operator".to_owned()));
    Person::new(params.get("email").unwrap_or_default(), params.get("name"), roles, is_verified)
}

fn check(issuer: &DevIssuer, params: &Params) -> Result<Asked, Refused> {
    let here = |text: &str| Refused::Here(text.to_owned());
    if params.get("client_id") != Some(CLIENT_ID) {
        return Err(Refused::Here(format!("client_id must be {CLIENT_ID}")));
    }
    let redirect_uri = params.get("redirect_uri").ok_or_else(|| here("redirect_uri is missing"))?;
    let redirect_uri = Url::parse(redirect_uri).map_err(|_| here("redirect_uri is no URL"))?;
    if !issuer.may_return_to(&redirect_uri) {
        return Err(here("redirect_uri must lead to this machine"));
    }
    match check_rest(params) {
        Ok(challenge) => {
            let words = Words::read(params.get("scope").unwrap_or_default());
            Ok(Asked { redirect_uri, challenge, words })
        }
        Err(error) => Err(Refused::There(Box::new(redirect_uri), error)),
    }
}

/// The code challenge, if all is well.
fn check_rest(params: &Params) -> Result<String, OAuthError> {
    if params.require("response_type")? != "code" {
        return Err(OAuthError::new("unsupported_response_type", "response_type must be code"));
    }
    if params.get("request").is_some() {
        return Err(OAuthError::new("request_not_supported", "send the parameters themselves"));
    }
    if params.get("request_uri").is_some() {
        return Err(OAuthError::new("request_uri_not_supported", "send the parameters themselves"));
    }
    if params.get("response_mode").is_some_and(|mode| mode != "query") {
        return Err(OAuthError::invalid_request("response_mode must be query"));
    }
    if params.get("prompt") == Some("none") {
        return Err(OAuthError::new("login_required", "nobody stays signed in here"));
    }
    if params.get("code_challenge_method") != Some("S256") {
        return Err(OAuthError::invalid_request("PKCE is required: code_challenge_method must be S256"));
    }
    let challenge = params.require("code_challenge")?;
    let is_base64url = challenge.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    if challenge.len() != 43 || !is_base64url {
        return Err(OAuthError::invalid_request("code_challenge must be SHA-256 in base64url"));
    }
    Ok(challenge.to_owned())
}

impl DevIssuer {
    fn refuse(&self, params: &Params, refused: Refused) -> Response {
        match refused {
            Refused::Here(text) => page::refused(&text),
            Refused::There(target, error) => {
                let answer = [("error", error.code), ("error_description", &error.description)];
                self.send_back(*target, params, &answer)
            }
        }
    }

    /// Sends the browser back with an answer, with the client's `state`, and with `iss`, so that no client takes it for
    /// another issuer's (RFC 9207).
    fn send_back(&self, mut target: Url, params: &Params, answer: &[(&str, &str)]) -> Response {
        let state = params.get("state").map(|state| ("state", state));
        let answer = answer.iter().copied().chain(state).chain([("iss", self.0.url.as_str())]);
        target.query_pairs_mut().extend_pairs(answer);
        Redirect::to(target.as_str()).into_response()
    }
}
