//! A browser for tests of the dashboard. It stores cookies, does not follow redirects, and submits forms.

use std::{collections::BTreeMap, fmt::Write};

use reqwest::{
    Method, RequestBuilder,
    header::{COOKIE, HeaderMap, LOCATION, SET_COOKIE},
};

use crate::{Client, Stack, TestResponse};

/// The name of the session cookie.
pub const SESSION: &str = "__Host-signet-session";

const URLENCODED: &str = "application/x-www-form-urlencoded";
/// Separates the parts of a form with a file.
const BOUNDARY: &str = "----signet-test-7MA4YWxkTrZu0gW";

/// A browser with its own cookies.
#[derive(Debug, Clone)]
pub struct Browser {
    client: Client,
    cookies: BTreeMap<String, String>,
    /// The headers with which browsers describe the origin of a form.
    pub form_headers: Vec<(&'static str, String)>,
}

/// A response to a page request.
#[derive(Debug, Clone)]
pub struct HtmlPage {
    /// The HTTP status.
    pub status: u16,
    /// The response headers.
    pub headers: HeaderMap,
    /// The body.
    pub text: String,
    /// The target of a redirect.
    pub location: Option<String>,
}

impl Browser {
    /// A browser without cookies.
    pub fn new(stack: &Stack) -> Self {
        Self {
            client: stack.anonymous.clone(),
            cookies: BTreeMap::new(),
            form_headers: vec![("sec-fetch-site", "same-origin".to_owned())],
        }
    }

    /// A browser in which an operator is signed in.
    pub async fn operator(stack: &Stack) -> Self {
        Self::signed_in(stack, "grace@example.com").await
    }

    /// A browser in which one of the development issuer's predefined users is signed in.
    pub async fn signed_in(stack: &Stack, email: &str) -> Self {
        let mut browser = Self::new(stack);
        browser.sign_in(email, "/dashboard").await;
        browser
    }

    /// Requests a page and signs in. Returns the path to which the sign-in redirects.
    pub async fn sign_in(&mut self, email: &str, path: &str) -> String {
        let login = self.get(path).await.redirect();
        self.complete_sign_in(email, &login).await
    }

    /// Starts to sign in, and returns the `state` of the authorization request.
    pub async fn start_sign_in(&mut self) -> String {
        let authorize = self.get("/dashboard/sign-in?return_to=/dashboard").await.redirect();
        let (_, rest) = authorize.split_once("state=").expect("a state");
        rest.split('&').next().unwrap_or_default().to_owned()
    }

    /// Signs in, starting from the sign-in URL. Returns the path to which the sign-in redirects.
    pub async fn complete_sign_in(&mut self, email: &str, login: &str) -> String {
        let authorize = self.get(login).await.redirect();
        let (authorize, query) = authorize.split_once('?').expect("the authorization URL has a query");
        let form = format!("{query}&pick={email}");
        let form = (URLENCODED.to_owned(), form.into_bytes());
        let callback = self.request(Method::POST, authorize, Some(form)).await.redirect();
        self.get(&callback).await.redirect()
    }

    /// Sends a GET request.
    pub async fn get(&mut self, path: &str) -> HtmlPage {
        self.request(Method::GET, path, None).await
    }

    /// Sends a POST request with form fields.
    pub async fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> HtmlPage {
        let form = urlencoded(fields);
        self.request(Method::POST, path, Some((URLENCODED.to_owned(), form.into_bytes()))).await
    }

    /// Requests a page and submits its form with these fields to the same path.
    pub async fn submit_form(&mut self, path: &str, fields: &[(&str, &str)]) -> HtmlPage {
        let hidden = self.hidden_fields_of(path).await;
        self.post(path, &with_hidden(&hidden, fields)).await
    }

    /// Requests a page and returns the hidden fields of its form.
    async fn hidden_fields_of(&mut self, path: &str) -> Vec<(String, String)> {
        let page = self.get(path).await;
        assert_eq!(page.status, 200, "{path}: {}", page.text);
        page.hidden_fields()
    }

    /// Requests a page and submits its form with these fields and a file, with its name and content, to the same path.
    pub async fn submit_multipart(
        &mut self,
        path: &str,
        fields: &[(&str, &str)],
        file: Option<(&str, &[u8])>,
    ) -> HtmlPage {
        let hidden = self.hidden_fields_of(path).await;
        self.post_multipart(path, &with_hidden(&hidden, fields), file).await
    }

    /// Sends a POST request with form fields and a file in the field `file`. Without one, the field is empty, as browsers send
    /// it.
    pub async fn post_multipart(
        &mut self,
        path: &str,
        fields: &[(&str, &str)],
        file: Option<(&str, &[u8])>,
    ) -> HtmlPage {
        let mut body = Vec::new();
        for (name, value) in fields {
            let part = format!("--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n");
            body.extend(part.into_bytes());
        }
        let (name, content) = file.unwrap_or_default();
        let part = format!(
            "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\n\
             Content-Type: application/octet-stream\r\n\r\n"
        );
        body.extend(part.into_bytes());
        body.extend(content);
        body.extend(format!("\r\n--{BOUNDARY}--\r\n").into_bytes());
        let content_type = format!("multipart/form-data; boundary={BOUNDARY}");
        self.request(Method::POST, path, Some((content_type, body))).await
    }

    /// The value of a cookie.
    pub fn cookie(&self, name: &str) -> Option<&str> {
        self.cookies.get(name).map(String::as_str)
    }

    /// The number of cookies.
    pub fn cookie_count(&self) -> usize {
        self.cookies.len()
    }

    /// Adds or replaces a cookie.
    pub fn set_cookie(&mut self, name: &str, value: &str) {
        self.cookies.insert(name.to_owned(), value.to_owned());
    }

    /// Sends a request, with a form as its media type and body.
    async fn request(&mut self, method: Method, path: &str, form: Option<(String, Vec<u8>)>) -> HtmlPage {
        let cookies: Vec<_> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let build = |mut request: RequestBuilder| {
            if !cookies.is_empty() {
                request = request.header(COOKIE, cookies.join("; "));
            }
            let Some((content_type, body)) = form else { return request };
            for (name, value) in &self.form_headers {
                request = request.header(*name, value);
            }
            request.header("content-type", content_type).body(body)
        };
        let TestResponse { status, headers, text, .. } = self.client.send(method, path, build).await;
        for set in headers.get_all(SET_COOKIE) {
            let text = set.to_str().expect("Set-Cookie is ASCII");
            let (name, rest) = text.split_once('=').expect("Set-Cookie has a name");
            let value = rest.split(';').next().unwrap_or_default();
            if value.is_empty() {
                self.cookies.remove(name);
            } else {
                self.set_cookie(name, value);
            }
        }
        let location = headers.get(LOCATION).map(|to| to.to_str().expect("Location is ASCII").to_owned());
        HtmlPage { status, headers, text, location }
    }
}

impl HtmlPage {
    /// The target of a redirect with status 303.
    #[track_caller]
    pub fn redirect(&self) -> String {
        assert_eq!(self.status, 303, "{}", self.text);
        self.location.clone().expect("a redirect has a Location header")
    }

    /// The body of a response with this status.
    #[track_caller]
    pub fn expect_status(&self, status: u16) -> &str {
        assert_eq!(self.status, status, "{}", self.text);
        &self.text
    }

    /// The hidden fields of the first form in the page's main part.
    pub fn hidden_fields(&self) -> Vec<(String, String)> {
        let main = self.text.split("<main").nth(1).unwrap_or_default();
        let form = main.split("<form").nth(1).unwrap_or_default();
        let hidden = form.split("<input type=\"hidden\"").skip(1);
        let attribute = |text: &str, name: &str| {
            let value = text.split(&format!("{name}=\"")).nth(1)?.split('"').next()?;
            Some(value.replace("&quot;", "\"").replace("&amp;", "&"))
        };
        hidden.filter_map(|text| Some((attribute(text, "name")?, attribute(text, "value")?))).collect()
    }

    /// The value of the first hidden field with this name.
    #[track_caller]
    pub fn hidden_field(&self, name: &str) -> String {
        let found = self.text.split(&format!("name=\"{name}\" value=\"")).nth(1);
        found.and_then(|rest| rest.split('"').next()).expect("the page has the field").to_owned()
    }

    /// The secret that the page shows.
    #[track_caller]
    pub fn secret(&self) -> &str {
        let found = self.text.split("class=\"secret-value\">").nth(1).and_then(|rest| rest.split('<').next());
        found.expect("the page shows a secret")
    }
}

fn urlencoded(fields: &[(&str, &str)]) -> String {
    let mut form = String::new();
    for (name, value) in fields {
        let encode = |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
        let _ = write!(form, "{}{}={}", if form.is_empty() { "" } else { "&" }, encode(name), encode(value));
    }
    form
}

/// Returns the hidden fields of a form, followed by others.
fn with_hidden<'a>(hidden: &'a [(String, String)], fields: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let hidden = hidden.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    hidden.chain(fields.iter().copied()).collect()
}
