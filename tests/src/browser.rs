//! The dashboard as a browser visits it: cookies are kept, redirects are followed by hand, forms are sent as forms.

use std::{collections::BTreeMap, fmt::Write};

use reqwest::{
    Method,
    header::{COOKIE, HeaderMap, LOCATION, SET_COOKIE},
    redirect::Policy,
};

use crate::Stack;

/// The cookie of a session.
pub const SESSION: &str = "__Host-signet-session";

/// A browser of one person.
#[derive(Debug, Clone)]
pub struct Browser {
    http: reqwest::Client,
    base_url: String,
    cookies: BTreeMap<String, String>,
    /// What is sent besides, as a browser says where a form comes from.
    pub said: Vec<(&'static str, String)>,
}

/// A page.
#[derive(Debug, Clone)]
pub struct HtmlPage {
    /// The HTTP status.
    pub status: u16,
    /// The headers.
    pub headers: HeaderMap,
    /// As HTML.
    pub text: String,
    /// Where it leads, if it is a redirect.
    pub location: Option<String>,
}

impl Browser {
    /// Somebody who was never there.
    pub fn new(stack: &Stack) -> Self {
        let http = reqwest::Client::builder().no_proxy().tls_certs_only([]).redirect(Policy::none()).build();
        Self {
            http: http.expect("a client without TLS needs nothing"),
            base_url: stack.local.base_url.clone(),
            cookies: BTreeMap::new(),
            said: vec![("sec-fetch-site", "same-origin".to_owned())],
        }
    }

    /// An operator who is signed in.
    pub async fn operator(stack: &Stack) -> Self {
        Self::signed_in(stack, "grace@example.com").await
    }

    /// One of the development issuer's ready people, signed in.
    pub async fn signed_in(stack: &Stack, pick: &str) -> Self {
        let mut browser = Self::new(stack);
        browser.sign_in(pick, "/dashboard").await;
        browser
    }

    /// Signs in on the way to a page; gives where that led.
    pub async fn sign_in(&mut self, pick: &str, path: &str) -> String {
        let begun = self.get(path).await.led();
        self.go_through(pick, &begun).await
    }

    /// Signs in, from where a sign-in begins; gives where that led.
    pub async fn go_through(&mut self, pick: &str, begun: &str) -> String {
        let asked = self.get(begun).await.led();
        let (authorize, query) = asked.split_once('?').expect("a question");
        let form = format!("{query}&pick={pick}");
        let answered = self.send_bare(Method::POST, authorize, Some(form)).await.led();
        self.get(&answered).await.led()
    }

    /// GET.
    pub async fn get(&mut self, path: &str) -> HtmlPage {
        self.send_bare(Method::GET, path, None).await
    }

    /// POST, with these fields.
    pub async fn send(&mut self, path: &str, fields: &[(&str, &str)]) -> HtmlPage {
        let form = urlencoded(fields);
        self.send_bare(Method::POST, path, Some(form)).await
    }

    /// Fills in the form of a page, and sends it where it goes.
    pub async fn fill_in(&mut self, page: &str, fields: &[(&str, &str)]) -> HtmlPage {
        let shown = self.get(page).await;
        assert_eq!(shown.status, 200, "{page}: {}", shown.text);
        let carried = shown.carried();
        let mut all: Vec<(&str, &str)> = carried.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        all.extend(fields);
        self.send(page, &all).await
    }

    /// The value of a cookie.
    pub fn cookie(&self, name: &str) -> Option<&str> {
        self.cookies.get(name).map(String::as_str)
    }

    /// How many cookies there are.
    pub fn cookies(&self) -> usize {
        self.cookies.len()
    }

    /// Has a cookie.
    pub fn keep(&mut self, name: &str, value: &str) {
        self.cookies.insert(name.to_owned(), value.to_owned());
    }

    async fn send_bare(&mut self, method: Method, path: &str, form: Option<String>) -> HtmlPage {
        let url = if path.starts_with("http") { path.to_owned() } else { format!("{}{path}", self.base_url) };
        let mut request = self.http.request(method, url);
        let cookies: Vec<_> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        if !cookies.is_empty() {
            request = request.header(COOKIE, cookies.join("; "));
        }
        if let Some(form) = form {
            for (name, value) in &self.said {
                request = request.header(*name, value);
            }
            request = request.header("content-type", "application/x-www-form-urlencoded").body(form);
        }
        let response = request.send().await.expect("the stack answers");
        let headers = response.headers().clone();
        for set in headers.get_all(SET_COOKIE) {
            let text = set.to_str().expect("a cookie");
            let (name, rest) = text.split_once('=').expect("a cookie");
            let value = rest.split(';').next().unwrap_or_default();
            if value.is_empty() {
                self.cookies.remove(name);
            } else {
                self.keep(name, value);
            }
        }
        HtmlPage {
            status: response.status().as_u16(),
            location: headers.get(LOCATION).map(|to| to.to_str().expect("an address").to_owned()),
            headers,
            text: response.text().await.expect("the page comes whole"),
        }
    }
}

impl HtmlPage {
    /// Where it leads.
    #[track_caller]
    pub fn led(&self) -> String {
        assert_eq!(self.status, 303, "{}", self.text);
        self.location.clone().expect("a redirect leads somewhere")
    }

    /// The page, with this status.
    #[track_caller]
    pub fn expect_status(&self, status: u16) -> &str {
        assert_eq!(self.status, status, "{}", self.text);
        &self.text
    }

    /// What the first form in the page's main part carries along without showing it.
    pub fn carried(&self) -> Vec<(String, String)> {
        let main = self.text.split("<main").nth(1).unwrap_or_default();
        let form = main.split("<form").nth(1).unwrap_or_default();
        let hidden = form.split("<input type=\"hidden\"").skip(1);
        let attribute = |text: &str, name: &str| {
            let value = text.split(&format!("{name}=\"")).nth(1)?.split('"').next()?;
            Some(value.replace("&quot;", "\"").replace("&amp;", "&"))
        };
        hidden.filter_map(|text| Some((attribute(text, "name")?, attribute(text, "value")?))).collect()
    }

    /// The first value of a field that is not shown.
    #[track_caller]
    pub fn field(&self, name: &str) -> String {
        let found = self.text.split(&format!("name=\"{name}\" value=\"")).nth(1);
        found.and_then(|rest| rest.split('"').next()).expect("the page has the field").to_owned()
    }

    /// The key string that it shows.
    #[track_caller]
    pub fn secret(&self) -> &str {
        let found = self.text.split("class=\"secret-text\">").nth(1).and_then(|rest| rest.split('<').next());
        found.expect("a page that shows a secret")
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
