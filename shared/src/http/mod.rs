//! The HTTP layer that all endpoints share: the context of a request, extractors, responses, problems (RFC 9457),
//! resources, and logging.

pub mod code;
pub mod conditional;
pub mod context;
pub mod extractors;
pub mod idempotency;
pub mod log;
pub mod merge_patch;
pub mod problem;
pub mod representation;
pub mod request_metrics;
pub mod resources;
pub mod responses;
pub mod update_schema;
pub(crate) mod write_problem;

pub use code::Code;
pub use conditional::{IfMatch, IfMatchParams, PreconditionError};
pub use context::RequestContext;
pub use extractors::{
    ListQuery, Ndjson, NoBody, NoFilter, PaginationParams, PathId, Required, StrictJson, StrictQuery,
};
pub use idempotency::{CompletionError, Idempotency, Replay, StoredResponse};
pub use merge_patch::{Changes, MergePatch, MergePatchError, UpdateInput};
pub use problem::{InputError, Problem};
pub use representation::{ListResponse, WithEtag};
pub use request_metrics::{Metric, RequestMetrics};
pub use update_schema::{ReplaceSchema, UpdateSchema};

/// The path prefix of every endpoint of this API version.
pub const API_BASE_PATH: &str = "/api/v1.0";
