//! The URLs of webhook endpoints.

use std::net::IpAddr;

use url::{Host, Url};

use super::AddressPolicy;

/// The maximum length of a URL, in bytes.
pub const MAX_URL_BYTES: usize = 2048;

/// Why a text is not the URL of a webhook endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WebhookUrlError {
    /// The text is not an absolute URL, or contains spaces or control characters.
    #[error("must be a URL such as https://example.com/webhooks")]
    Malformed,
    /// The URL is too long.
    #[error("must be at most 2048 bytes")]
    TooLong,
    /// The scheme is not https.
    #[error("must be an https URL; http is allowed only for this machine, if Signet runs on one machine")]
    Insecure,
    /// The URL contains a user name or a password.
    #[error("must not contain a user name or a password")]
    Credentials,
    /// The URL contains a fragment, which is not part of a request.
    #[error("must not contain a fragment")]
    Fragment,
    /// The port is 0.
    #[error("must have a port between 1 and 65535")]
    Port,
    /// The host is an address that is not part of the public internet.
    #[error("must not have a private, loopback, link-local or reserved address")]
    Address,
}

/// Parses the URL of a webhook endpoint. The addresses that a host name resolves to are checked when a webhook is sent.
pub fn parse_url(text: &str, policy: AddressPolicy) -> Result<Url, WebhookUrlError> {
    if text.len() > MAX_URL_BYTES {
        return Err(WebhookUrlError::TooLong);
    }
    // The parser would remove some of them.
    if text.contains(|c: char| c.is_whitespace() || c.is_control() || c == '\\') {
        return Err(WebhookUrlError::Malformed);
    }
    let url = Url::parse(text).map_err(|_| WebhookUrlError::Malformed)?;
    let host = url.host().ok_or(WebhookUrlError::Malformed)?;
    let is_loopback = is_loopback(&host);
    match url.scheme() {
        "https" => {}
        "http" if is_loopback && policy == AddressPolicy::PublicAndLoopback => {}
        _ => return Err(WebhookUrlError::Insecure),
    }
    if !url.username().is_empty() || url.password().is_some() || has_user_information(text) {
        return Err(WebhookUrlError::Credentials);
    }
    if url.fragment().is_some() {
        return Err(WebhookUrlError::Fragment);
    }
    if url.port() == Some(0) {
        return Err(WebhookUrlError::Port);
    }
    let is_allowed = match address(&host) {
        Some(address) => policy.allows(address),
        None => !is_loopback || policy == AddressPolicy::PublicAndLoopback,
    };
    if is_allowed { Ok(url) } else { Err(WebhookUrlError::Address) }
}

/// Returns whether the authority contains an `@`. The parser drops an empty user name.
fn has_user_information(text: &str) -> bool {
    let authority = text.split_once("//").map_or("", |(_, rest)| rest);
    authority.split(['/', '?', '#']).next().is_some_and(|authority| authority.contains('@'))
}

fn address(host: &Host<&str>) -> Option<IpAddr> {
    match host {
        Host::Ipv4(address) => Some((*address).into()),
        Host::Ipv6(address) => Some((*address).into()),
        Host::Domain(_) => None,
    }
}

/// Returns whether a host is this machine: a loopback address, or a name that resolves to one (RFC 6761 §6.3).
fn is_loopback(host: &Host<&str>) -> bool {
    match host {
        Host::Domain(name) => {
            let name = name.strip_suffix('.').unwrap_or(name);
            name == "localhost" || name.ends_with(".localhost")
        }
        _ => address(host).is_some_and(|address| address.to_canonical().is_loopback()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{AddressPolicy::*, *};

    #[test]
    fn https_urls_of_public_hosts_are_accepted() {
        for text in [
            "https://example.com",
            "https://example.com:8443/webhooks?tenant=1",
            "https://bücher.example/ü",
            "https://1.1.1.1/",
            "https://[2606:4700:4700::1111]:1/",
            "https://localhost.example.com/",
            "https://example.com/a@b",
        ] {
            assert!(parse_url(text, Public).is_ok(), "{text}");
            assert!(parse_url(text, PublicAndLoopback).is_ok(), "{text}");
        }
    }

    #[test]
    fn each_rule_has_its_error() {
        let long = format!("https://example.com/{}", "a".repeat(MAX_URL_BYTES));
        for (text, error) in [
            ("", WebhookUrlError::Malformed),
            ("example.com", WebhookUrlError::Malformed),
            ("/webhooks", WebhookUrlError::Malformed),
            ("https://", WebhookUrlError::Malformed),
            (" https://example.com", WebhookUrlError::Malformed),
            ("https://exam\tple.com", WebhookUrlError::Malformed),
            ("https://example.com/\n", WebhookUrlError::Malformed),
            ("https:\\\\example.com", WebhookUrlError::Malformed),
            ("https://example.com:65536/", WebhookUrlError::Malformed),
            ("https://example.com:-1/", WebhookUrlError::Malformed),
            ("https://256.1.1.1/", WebhookUrlError::Malformed),
            (&long, WebhookUrlError::TooLong),
            ("http://example.com", WebhookUrlError::Insecure),
            ("ftp://example.com", WebhookUrlError::Insecure),
            ("http://10.0.0.1", WebhookUrlError::Insecure),
            ("https://user@example.com", WebhookUrlError::Credentials),
            ("https://user:password@example.com", WebhookUrlError::Credentials),
            ("https://:password@example.com", WebhookUrlError::Credentials),
            ("https://@example.com", WebhookUrlError::Credentials),
            ("https://example.com/#a", WebhookUrlError::Fragment),
            ("https://example.com:0/", WebhookUrlError::Port),
            ("https://10.0.0.1/", WebhookUrlError::Address),
            ("https://169.254.169.254/latest/meta-data", WebhookUrlError::Address),
            // Other spellings of addresses.
            ("https://0xa9fea9fe/", WebhookUrlError::Address),
            ("https://2852039166/", WebhookUrlError::Address),
            ("https://0251.0376.0251.0376/", WebhookUrlError::Address),
            ("https://10.1/", WebhookUrlError::Address),
            ("https://１０.0.0.1/", WebhookUrlError::Address),
            ("https://[::ffff:10.0.0.1]/", WebhookUrlError::Address),
            ("https://[fd00:ec2::254]/", WebhookUrlError::Address),
            ("https://[64:ff9b::a00:1]/", WebhookUrlError::Address),
        ] {
            for policy in [Public, PublicAndLoopback] {
                assert_eq!(parse_url(text, policy), Err(error), "{text}");
            }
        }
    }

    #[test]
    fn this_machine_is_accepted_only_where_the_policy_allows_it() {
        for host in ["127.0.0.1", "127.1", "[::1]", "localhost", "LOCALHOST", "localhost.", "a.localhost"] {
            for scheme in ["http", "https"] {
                let text = format!("{scheme}://{host}:8080/webhooks");
                assert!(parse_url(&text, PublicAndLoopback).is_ok(), "{text}");
                let error = if scheme == "http" { WebhookUrlError::Insecure } else { WebhookUrlError::Address };
                assert_eq!(parse_url(&text, Public), Err(error), "{text}");
            }
        }
    }

    proptest! {
        #[test]
        fn accepted_urls_have_a_public_host_and_no_credentials(text in prop_oneof![
            any::<String>(), "https?://[ -~]{0,30}", "https://[0-9.x]{1,20}[:/@#?]?[ -~]{0,10}",
        ]) {
            let Ok(url) = parse_url(&text, Public) else { return Ok(()) };
            prop_assert_eq!(url.scheme(), "https");
            prop_assert!(url.username().is_empty() && url.password().is_none() && url.port() != Some(0));
            let host = url.host();
            let address = host.as_ref().and_then(address);
            prop_assert!(host.is_some() && address.is_none_or(|address| Public.allows(address)));
        }
    }
}
