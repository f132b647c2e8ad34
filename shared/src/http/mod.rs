//! The HTTP layer that all endpoints share: extractors, responses, problems (RFC 9457), idempotency, logging, and the
//! middleware around every route.

pub mod context;
pub mod extractors;
pub mod idempotency;
pub mod in_process_client;
pub mod lambda;
pub mod log;
pub mod middleware;
pub mod problem;
pub mod representation;
pub mod request_metrics;
pub mod resources;
pub mod responses;

pub use context::RequestContext;
pub use extractors::{ListQuery, NoBody, NoFilter, PaginationParams, PathId, StrictJson};
pub use idempotency::{Idempotency, StoredResponse};
pub use in_process_client::InProcessClient;
pub use problem::Problem;
pub use representation::{Created, IfMatch, ListResponse, WithEtag};
pub use request_metrics::{Metric, RequestMetrics};
