//! Middleware: security headers, caching, CORS, compression and request limits, on every endpoint.

mod compression;
mod cors;
mod errors;
mod headers;
mod idempotency;
mod identical_responses;
mod invalid_bodies;
mod invalid_identifiers;
mod invalid_text;
mod lambda;
mod logs;
mod malformed_http;
mod merge_patch;
mod metadata;
mod origin;
mod rate_limits;
mod requests;
mod shutdown;
mod slow_clients;

const PUBLIC_PATHS: [&str; 4] = [
    "/.well-known/jwks.json",
    "/.well-known/jwks.jwt",
    "/.well-known/license-configuration",
    "/api/v1.0/products/catalog",
];
