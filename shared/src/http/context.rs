//! What is known of a request before anybody reads it.

use std::net::{IpAddr, SocketAddr};

use axum::{
    extract::{ConnectInfo, FromRequestParts, Request},
    http::request::Parts,
};
use jiff::Timestamp;
use lambda_http::request::RequestContext as GatewayContext;

use super::{Idempotency, Metric, Problem, RequestMetrics};
use crate::{
    domain::{Actor, Claims, Event, EventType, IdGenerator, LicenseId, Secret},
    tokens::{TokenError, Tokens},
};

/// One request: when it came, from where, and by which name the log knows it.
#[derive(Debug, Clone)]
pub struct RequestContext {
    /// The time, read once.
    pub now: Timestamp,
    /// The address that API Gateway or the socket saw; never a header that the caller wrote.
    pub ip: String,
    /// Stands in the log line and in a problem's body.
    pub trace_id: String,
    /// Whether it is to happen once, however often it is sent.
    pub idempotency: Idempotency,
    /// What is noted of it for the log.
    pub metrics: RequestMetrics,
}

impl RequestContext {
    /// An event of this request.
    pub fn event(
        &self,
        ids: &mut IdGenerator,
        kind: EventType,
        license_id: LicenseId,
        actor: &Actor,
        data: serde_json::Value,
    ) -> Event {
        Event { id: ids.make(), kind, at: self.now, license_id, actor: actor.clone(), ip: self.ip.clone(), data }
    }

    /// Signs claims as of now, and counts that.
    pub async fn sign(&self, tokens: &Tokens, claims: &Claims) -> Result<Secret, TokenError> {
        let token = tokens.sign(claims, self.now).await?;
        self.metrics.count(Metric::Signatures);
        Ok(token)
    }
}

/// Where a request came from.
pub(super) fn source_ip(request: &Request) -> String {
    if let Some(GatewayContext::ApiGatewayV2(context)) = request.extensions().get::<GatewayContext>() {
        // The gateway's own word, as it saw the connection.
        let ip = context.http.source_ip.as_deref().and_then(|ip| ip.parse::<IpAddr>().ok());
        return ip.map_or_else(|| "unknown".to_owned(), |ip| ip.to_canonical().to_string());
    }
    let socket = request.extensions().get::<ConnectInfo<SocketAddr>>();
    socket.map_or_else(|| "unknown".to_owned(), |ConnectInfo(address)| address.ip().to_canonical().to_string())
}

impl<S: Sync> FromRequestParts<S> for RequestContext {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        parts.extensions.get::<Self>().cloned().ok_or_else(|| Problem::internal("a route outside the edge"))
    }
}
