//! The HTML pages of the development issuer. They need no JavaScript.

use axum::{
    http::{
        StatusCode,
        header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE},
    },
    response::{IntoResponse, Response},
};
use maud::{DOCTYPE, Markup, PreEscaped, html};
use url::Url;

use super::{params::Params, user::RequestedScope};

/// A user to sign in as with one click.
pub(super) struct PredefinedUser {
    pub(super) email: &'static str,
    pub(super) name: &'static str,
    pub(super) is_operator: bool,
}

/// An operator and two customers.
pub(super) const PREDEFINED_USERS: [PredefinedUser; 3] = [
    PredefinedUser { email: "grace@example.com", name: "Grace Hopper", is_operator: true },
    PredefinedUser { email: "ada@example.com", name: "Ada Lovelace", is_operator: false },
    PredefinedUser { email: "charles@example.com", name: "Charles Babbage", is_operator: false },
];

/// The parameters of the authorization request that the form submits again.
const FORWARDED_PARAMETERS: [&str; 10] = [
    "client_id",
    "redirect_uri",
    "response_type",
    "response_mode",
    "scope",
    "state",
    "nonce",
    "code_challenge",
    "code_challenge_method",
    "login_hint",
];

const STYLE: &str = "
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { max-width: 26rem; margin: 10vh auto; padding: 0 1rem; }
h1 { font-size: 1.4rem; }
form > * { display: block; width: 100%; box-sizing: border-box; margin: .5rem 0; }
input[type=email], input[type=text], button { font: inherit; padding: .5rem .75rem; border: 1px solid GrayText; border-radius: .4rem; }
label input[type=email], label input[type=text] { display: block; width: 100%; box-sizing: border-box; }
button { text-align: left; cursor: pointer; }
button small, p small { opacity: .75; }
[role=alert] { font-weight: bold; }
";

/// The sign-in page of a valid authorization request.
pub(super) fn sign_in(params: &Params, scope: &RequestedScope, target: &Url, error: Option<&str>) -> Response {
    let email = params.get("email").or(params.get("login_hint")).unwrap_or_default();
    let is_operator = params.get("operator").is_some() || scope.roles().iter().any(|role| role == "operator");
    let content = html! {
        h1 { "Sign in to Signet" }
        p { small { "Development sign-in: choose any identity. Local use only." } }
        @if let Some(error) = error { p role="alert" { (error) } }
        form method="post" action="authorize" {
            @for name in FORWARDED_PARAMETERS {
                @if let Some(value) = params.get(name) { input type="hidden" name=(name) value=(value); }
            }
            @for user in &PREDEFINED_USERS {
                button name="pick" value=(user.email) formnovalidate {
                    (user.name) " " small { (user.email) @if user.is_operator { " · operator" } }
                }
            }
            p { "Or use another identity:" }
            label { "Email" input type="email" name="email" value=(email) required autocomplete="email"; }
            label { "Name" input type="text" name="name" value=[params.get("name")] autocomplete="name"; }
            label { input type="checkbox" name="operator" value="on" checked[is_operator]; " Operator role" }
            label {
                input type="checkbox" name="unverified" value="on" checked[params.get("unverified").is_some()];
                " Email not verified"
            }
            button { "Sign in" }
        }
    };
    let status = if error.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    // Browsers apply `form-action` to the redirect after the form as well.
    respond(status, "Sign in", &content, &target.origin().ascii_serialization())
}

/// The page of an invalid request.
pub(super) fn error(text: &str) -> Response {
    let content = html! {
        h1 { "Sign-in failed" }
        p role="alert" { (text) }
    };
    respond(StatusCode::BAD_REQUEST, "Sign-in failed", &content, "")
}

/// Confirms a sign-out.
pub(super) fn signed_out() -> Response {
    respond(StatusCode::OK, "Signed out", &html! { h1 { "You're signed out" } }, "")
}

fn respond(status: StatusCode, title: &str, content: &Markup, form_target: &str) -> Response {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) " – Signet" }
                style { (PreEscaped(STYLE)) }
            }
            body { main { (content) } }
        }
    };
    let policy = format!(
        "default-src 'none'; style-src 'unsafe-inline'; form-action 'self' {form_target}; frame-ancestors 'none'; \
         base-uri 'none'"
    );
    let headers = [(CONTENT_TYPE, "text/html; charset=utf-8".to_owned()), (CONTENT_SECURITY_POLICY, policy)];
    (status, headers, page.into_string()).into_response()
}

#[cfg(test)]
mod tests {
    use axum::body::to_bytes;

    use super::*;

    async fn text(response: Response) -> String {
        String::from_utf8(to_bytes(response.into_body(), usize::MAX).await.unwrap().to_vec()).unwrap()
    }

    #[tokio::test]
    async fn submitted_values_are_escaped() {
        let query = "state=\"><script>alert(1)</script>&login_hint='\"<b>&nonce=a%26b&email=%22+onfocus%3D%22x";
        let params = Params::read(query.as_bytes()).unwrap();
        let target = Url::parse("http://127.0.0.1/").unwrap();
        let page = text(sign_in(&params, &RequestedScope::default(), &target, Some("<i>"))).await;
        assert!(
            !page.contains("<script") && !page.contains("<b>") && !page.contains("<i>") && !page.contains("\" onf")
        );
        assert!(page.contains("a&amp;b"));
        assert!(!text(error("<script>")).await.contains("<script>"));
    }

    #[tokio::test]
    async fn form_action_allows_the_redirect_target() {
        let target = Url::parse("http://127.0.0.1:4000/callback").unwrap();
        let response = sign_in(&Params::default(), &RequestedScope::default(), &target, None);
        let policy = response.headers()[CONTENT_SECURITY_POLICY].to_str().unwrap().to_owned();
        assert!(policy.contains("form-action 'self' http://127.0.0.1:4000;"), "{policy}");
    }
}
