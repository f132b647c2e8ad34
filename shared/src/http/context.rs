//! The context of a request, which the middleware creates before any handler runs.

use std::net::{IpAddr, SocketAddr};

use axum::{
    extract::{ConnectInfo, FromRequestParts, Request},
    http::request::Parts,
};
use jiff::Timestamp;
use lambda_http::request::RequestContext as GatewayContext;

use super::{Idempotency, Metric, Problem, RequestMetrics};
use crate::{
    domain::{Actor, Claims, Event, EventData, EventSource, IdGenerator, Secret, Subject, rate_limit::Bucket},
    store::{
        Table,
        rate_limiter::{RateLimitError, RateLimitExceeded, RateLimiter},
    },
    tokens::{TokenError, Tokens},
};

/// The context of one request: its time, source address, trace id, idempotency and metrics.
#[derive(Debug, Clone)]
pub struct RequestContext {
    /// The time of the request. The clock is read once per request.
    pub now: Timestamp,
    /// The client's IP address as API Gateway, the socket or, behind it, CloudFront reports it, never from a header that the
    /// client controls.
    pub ip: String,
    /// The id that appears in every log line of the request and in problem bodies.
    pub trace_id: String,
    /// The reservation of the request's `Idempotency-Key`, if it has one.
    pub idempotency: Idempotency,
    /// What the request's log line and the headers of its response record.
    pub metrics: RequestMetrics,
}

impl RequestContext {
    /// Creates an event of this request.
    pub fn event(&self, ids: &mut IdGenerator, actor: &Actor, subject: Subject, data: EventData) -> Event {
        self.event_source(actor.clone()).event(ids, subject, data)
    }

    /// Returns the source of the events that a caller causes with this request.
    pub fn event_source(&self, actor: Actor) -> EventSource {
        EventSource { at: self.now, actor, ip: Some(self.ip.clone()), request_id: Some(self.trace_id.clone()) }
    }

    /// Counts this request in a bucket, or rejects it. The response reports the state of the counter.
    pub async fn count_request(
        &self,
        rate_limiter: &RateLimiter,
        table: &Table,
        bucket: &Bucket,
    ) -> Result<(), RateLimitError> {
        let counted = rate_limiter.count(table, bucket, self.now).await;
        if let Ok(status) | Err(RateLimitError::RateLimitExceeded(RateLimitExceeded(status))) = counted {
            self.metrics.record_rate_limit(status);
        }
        counted.map(|_| ())
    }

    /// Rejects this request if the bucket is known to be full, and lets the response report it. Performs no I/O.
    pub fn check_limit(&self, rate_limiter: &RateLimiter, bucket: &Bucket) -> Result<(), RateLimitExceeded> {
        rate_limiter
            .check(bucket, self.now)
            .inspect_err(|RateLimitExceeded(status)| self.metrics.record_rate_limit(*status))
    }

    /// Signs `claims` and counts the signature in the metrics.
    pub async fn sign(&self, tokens: &Tokens, claims: &Claims) -> Result<Secret, TokenError> {
        let token = tokens.sign(claims, self.now).await?;
        self.metrics.count(Metric::Signatures);
        Ok(token)
    }
}

/// Returns the IP address of the client, or `unknown`.
pub(crate) fn source_ip(request: &Request) -> String {
    if let Some(GatewayContext::ApiGatewayV2(context)) = request.extensions().get::<GatewayContext>() {
        // Set by API Gateway from the connection; the client cannot change it.
        let ip = context.http.source_ip.as_deref().and_then(|ip| ip.parse::<IpAddr>().ok());
        return ip.map_or_else(|| "unknown".to_owned(), |ip| ip.to_canonical().to_string());
    }
    let socket = request.extensions().get::<ConnectInfo<SocketAddr>>();
    socket.map_or_else(|| "unknown".to_owned(), |ConnectInfo(address)| address.ip().to_canonical().to_string())
}

impl<S: Sync> FromRequestParts<S> for RequestContext {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        parts
            .extensions
            .get::<Self>()
            .cloned()
            .ok_or_else(|| Problem::internal("the route is not wrapped by the middleware"))
    }
}
