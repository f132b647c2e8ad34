//! How a [`Client`](crate::Client) sends its requests: through a stack's router in process, or over a socket.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use axum::{
    Router,
    body::{Body, to_bytes},
    extract::ConnectInfo,
    http::{
        Request,
        header::{ACCEPT, CONTENT_LENGTH, HOST, HeaderValue},
    },
};
use reqwest::{StatusCode, header::HeaderMap, redirect::Policy};
use tower::ServiceExt;
use url::Position;

/// The status, the headers and the body of a response.
pub(crate) type Received = (StatusCode, HeaderMap, Vec<u8>);

/// A way to a server. Neither follows redirects.
#[derive(Debug, Clone)]
pub(crate) enum Transport {
    /// Calls the router without a socket: a request costs half as much as over loopback.
    InProcess {
        /// The server's router.
        router: Router,
        /// The address that the requests come from.
        address: IpAddr,
    },
    /// Sends the requests over TCP. A client keeps connections, which belong to the runtime of one test.
    Tcp(reqwest::Client),
}

impl Transport {
    /// Returns a transport to a router, from 127.0.0.1.
    pub(crate) fn in_process(router: Router) -> Self {
        Self::InProcess { router, address: Ipv4Addr::LOCALHOST.into() }
    }

    /// Returns a transport over TCP.
    pub(crate) fn tcp() -> Self {
        Self::Tcp(http_client())
    }

    /// Sends a request and reads the whole response.
    pub(crate) async fn send(&self, request: reqwest::Request) -> Received {
        match self {
            Self::InProcess { router, address } => {
                // Boxed, because the future is large.
                let response = Box::pin(router.clone().oneshot(server_request(&request, *address))).await;
                let (parts, body) = response.unwrap_or_else(|never| match never {}).into_parts();
                let body = to_bytes(body, usize::MAX).await.expect("the body is complete");
                (parts.status, parts.headers, body.to_vec())
            }
            Self::Tcp(http) => {
                let response = http.execute(request).await.expect("the server sends a response");
                let (status, headers) = (response.status(), response.headers().clone());
                (status, headers, response.bytes().await.expect("the body is complete").to_vec())
            }
        }
    }
}

/// Returns a client that connects to loopback addresses: it needs neither a proxy nor the system's certificates.
pub(crate) fn http_client() -> reqwest::Client {
    let client = reqwest::Client::builder().no_proxy().tls_certs_only([]).redirect(Policy::none()).build();
    client.expect("a client without TLS can always be built")
}

/// Returns the request as a server receives it from a client at this address.
fn server_request(request: &reqwest::Request, address: IpAddr) -> Request<Body> {
    let (url, body) = (request.url(), request.body());
    let bytes = body.map(|body| body.as_bytes().expect("the body is not a stream").to_vec());
    let host = url[Position::BeforeHost..Position::AfterPort].to_owned();
    let mut received = Request::new(Body::empty());
    *received.method_mut() = request.method().clone();
    *received.uri_mut() = url[Position::BeforePath..Position::AfterQuery].parse().expect("a valid request target");
    *received.headers_mut() = request.headers().clone();
    let headers = received.headers_mut();
    headers.entry(HOST).or_insert(HeaderValue::from_str(&host).expect("a valid host"));
    headers.entry(ACCEPT).or_insert(HeaderValue::from_static("*/*"));
    if let Some(bytes) = bytes {
        headers.entry(CONTENT_LENGTH).or_insert(bytes.len().into());
        *received.body_mut() = bytes.into();
    }
    received.extensions_mut().insert(ConnectInfo(SocketAddr::new(address, 40_000)));
    received
}
