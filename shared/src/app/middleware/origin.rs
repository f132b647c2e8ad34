//! Requests that CloudFront has forwarded. With an origin secret, all others are refused.
//!
//! CloudFront adds the secret as a header to each request that it sends to its origin, the API. It replaces a header of this
//! name that the client sent
//! (<https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/add-origin-custom-headers.html>).

use std::net::IpAddr;

use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderName},
    middleware::Next,
    response::{IntoResponse, Response},
};

use crate::{
    app::AppState,
    domain::Secret,
    http::{Code, Problem, RequestContext},
};

/// The header with the origin secret, as in the distribution of `infra/data.yaml`.
const ORIGIN_SECRET: HeaderName = HeaderName::from_static("x-signet-origin");
/// The header in which CloudFront sends the client's IP address and port.
const VIEWER_ADDRESS: HeaderName = HeaderName::from_static("cloudfront-viewer-address");

/// Refuses requests without a valid origin secret. The IP address of the others becomes the client's: API Gateway reports
/// that of CloudFront. Without an origin secret, clients could send both headers, so neither is read.
pub(super) async fn require_origin_secret(State(app): State<AppState>, mut request: Request, next: Next) -> Response {
    let Some(secret) = &app.origin_secret else { return next.run(request).await };
    let sent = request.headers_mut().remove(ORIGIN_SECRET);
    let sent = sent.as_ref().and_then(|value| value.to_str().ok()).map(|text| Secret::new(text.to_owned()));
    let viewer_ip = viewer_ip(request.headers());
    let Some(ctx) = request.extensions_mut().get_mut::<RequestContext>() else {
        return Problem::internal("the request has no context").into_response();
    };
    let is_forwarded = match &sent {
        Some(sent) => secret.is_valid(sent, ctx.now).await,
        None => false,
    };
    if !is_forwarded {
        let detail = format!("send the request to {}", app.settings.base_url);
        return Problem::new(Code::DirectAccessDenied, detail).into_response();
    }
    if let Some(ip) = viewer_ip {
        ctx.ip = ip;
    }
    next.run(request).await
}

/// Returns the IP address in `CloudFront-Viewer-Address`, which has the form `198.51.100.10:46532` or
/// `2001:db8::1:46532`.
fn viewer_ip(headers: &HeaderMap) -> Option<String> {
    let (ip, _port) = headers.get(VIEWER_ADDRESS)?.to_str().ok()?.rsplit_once(':')?;
    let ip: IpAddr = ip.trim_start_matches('[').trim_end_matches(']').parse().ok()?;
    Some(ip.to_canonical().to_string())
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn viewer_ip_is_the_address_without_the_port() {
        let ip =
            |text: &'static str| viewer_ip(&HeaderMap::from_iter([(VIEWER_ADDRESS, HeaderValue::from_static(text))]));
        for (text, expected) in [
            ("198.51.100.10:46532", "198.51.100.10"),
            ("2001:db8::8a2e:370:7334:46532", "2001:db8::8a2e:370:7334"),
            ("2001:0db8:0000:0000:0000:0000:0000:0001:443", "2001:db8::1"),
            ("[2001:db8::1]:443", "2001:db8::1"),
            ("::ffff:198.51.100.10:443", "198.51.100.10"),
        ] {
            assert_eq!(ip(text).as_deref(), Some(expected), "{text}");
        }
        for invalid in ["", "198.51.100.10", "unknown:443", "198.51.100.10:1,203.0.113.9:2"] {
            assert_eq!(ip(invalid), None, "{invalid}");
        }
        assert_eq!(viewer_ip(&HeaderMap::new()), None);
    }
}
