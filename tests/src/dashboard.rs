//! Somebody in front of the dashboard: signs in, reads pages, and sends the forms that are on them.

use std::{collections::BTreeMap, sync::Mutex};

use reqwest::{
    Method, Response, Url,
    header::{COOKIE, HeaderMap, LOCATION, ORIGIN, SET_COOKIE},
    redirect::Policy,
};

use crate::{Answer, Stack, Value};

/// A browser without scripts. It follows no redirect by itself, so that a test sees each.
#[derive(Debug)]
pub struct Browser {
    http: reqwest::Client,
    base_url: String,
    cookies: Mutex<BTreeMap<String, String>>,
}

impl Stack {
    /// A browser in which a person has signed in; `role` may be `operator`, or `unverified` where nobody has looked
    /// whether the address is the person's.
    pub async fn browser(&self, email: &str, role: &str) -> Browser {
        let browser = Browser::new(&self.local.base_url);
        browser.sign_in(email, role).await;
        browser
    }
}

impl Browser {
    /// A browser in which nobody has signed in.
    pub fn new(base_url: &str) -> Self {
        let http = reqwest::Client::builder().no_proxy().tls_certs_only([]).redirect(Policy::none()).build();
        let http = http.expect("a client without TLS needs nothing");
        Self { http, base_url: base_url.to_owned(), cookies: Mutex::default() }
    }

    /// Signs in at the development issuer.
    pub async fn sign_in(&self, email: &str, role: &str) {
        let asked = self.get("/dashboard/sign-in?to=%2Fdashboard").await;
        let asked = Url::parse(asked.header("location")).expect("the issuer's address");
        let mut fields: Vec<(String, String)> = asked.query_pairs().into_owned().collect();
        fields.push(("email".to_owned(), email.to_owned()));
        if !role.is_empty() {
            fields.push((role.to_owned(), "on".to_owned()));
        }
        let answer = self.http.post(asked.origin().ascii_serialization() + asked.path()).form(&fields).send().await;
        let back = answer.expect("the issuer answers");
        let back = back.headers().get(LOCATION).and_then(|to| to.to_str().ok()).unwrap_or_default().to_owned();
        let path = back.strip_prefix(&self.base_url).expect("the way back leads here");
        let answer = self.get(path).await;
        assert_eq!((answer.status, answer.header("location")), (303, "/dashboard"), "{}", answer.text);
    }

    /// Reads a page.
    pub async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, &[]).await
    }

    /// Sends fields, as a form of this origin does.
    pub async fn send(&self, method: Method, path: &str, fields: &[(String, String)]) -> Answer {
        let asked = format!("{method} {path}");
        let is_form = method != Method::GET;
        let mut request = self.http.request(method, format!("{}{path}", self.base_url)).header(COOKIE, self.cookies());
        if is_form {
            request = request.header("sec-fetch-site", "same-origin").header(ORIGIN, &self.base_url).form(fields);
        }
        let response = request.send().await.expect("the stack answers");
        self.keep(response.headers());
        read(asked, response).await
    }

    /// Fills in a form that is on a page, and sends it; what the form has hidden goes along.
    pub async fn fill_in(&self, page: &Answer, action: &str, typed: &[(&str, &str)]) -> Answer {
        let typed = typed.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let fields: Vec<_> = page.hidden_fields(action).into_iter().chain(typed).collect();
        self.send(Method::POST, action, &fields).await
    }

    /// Reads a page, fills in the form on it that is sent to its own address, and sends it.
    pub async fn answer(&self, path: &str, typed: &[(&str, &str)]) -> Answer {
        let page = self.get(path).await;
        assert_eq!(page.status, 200, "{}: {}", page.asked, page.text);
        self.fill_in(&page, path, typed).await
    }

    fn cookies(&self) -> String {
        let cookies = self.cookies.lock().expect("nobody fails here");
        cookies.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("; ")
    }

    fn keep(&self, headers: &HeaderMap) {
        let mut cookies = self.cookies.lock().expect("nobody fails here");
        for line in headers.get_all(SET_COOKIE).iter().filter_map(|line| line.to_str().ok()) {
            let (pair, attributes) = line.split_once(';').unwrap_or((line, ""));
            let Some((name, value)) = pair.split_once('=') else { continue };
            if attributes.contains("Max-Age=0") {
                cookies.remove(name);
            } else {
                cookies.insert(name.to_owned(), value.to_owned());
            }
        }
    }
}

async fn read(asked: String, response: Response) -> Answer {
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let bytes = response.bytes().await.expect("the body comes whole").to_vec();
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let body = serde_json::from_str(&text).unwrap_or(Value::Null);
    Answer { asked, status, headers, bytes, text, body }
}

impl Answer {
    /// What the form of a page that is sent to `action` has hidden in it; a page without it fails the test.
    #[track_caller]
    pub fn hidden_fields(&self, action: &str) -> Vec<(String, String)> {
        let Some((_, rest)) = self.text.split_once(&format!("action=\"{action}\"")) else {
            panic!("{} has no form that leads to {action}: {}", self.asked, self.text)
        };
        let form = rest.split("</form>").next().unwrap_or_default();
        let hidden = form.split("<input type=\"hidden\" ").skip(1).map(|tag| tag.split('>').next().unwrap_or_default());
        hidden.map(|tag| (attribute(tag, "name"), attribute(tag, "value"))).collect()
    }

    /// Checks that a page shows a text, and as text alone, whatever a browser might make of it.
    #[track_caller]
    pub fn shows(&self, text: &str) -> &Self {
        let is_raw = escaped(text) != text && self.text.contains(text);
        assert!(!is_raw, "{} has {text} in it, not as text: {}", self.asked, self.text);
        assert!(self.text.contains(&escaped(text)), "{} does not show {text}: {}", self.asked, self.text);
        self
    }

    /// Checks that a page does not have a text in it, however it is written.
    #[track_caller]
    pub fn hides(&self, text: &str) -> &Self {
        let is_there = self.text.contains(text) || self.text.contains(&escaped(text));
        assert!(!is_there, "{} has {text} in it: {}", self.asked, self.text);
        self
    }

    /// Checks where an answer leads.
    #[track_caller]
    pub fn leads_to(&self, path: &str) -> &Self {
        assert_eq!((self.status, self.header("location")), (303, path), "{}: {}", self.asked, self.text);
        self
    }
}

fn attribute(tag: &str, name: &str) -> String {
    let value = tag.split(&format!("{name}=\"")).nth(1).and_then(|rest| rest.split('"').next()).unwrap_or_default();
    value.replace("&quot;", "\"").replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
