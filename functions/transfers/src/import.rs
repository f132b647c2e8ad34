//! Imports customers, license keys and activations from another system.
//!
//! An import can be interrupted at any point, repeated, and run twice at the same time, and creates nothing twice: the record
//! of an external id, which is written in the transaction of the resource, contains the hash of the line, and an imported
//! machine has a record of its own. See [`shared::store::imports`].

use std::{sync::Arc, time::Duration};

use axum::{Json, extract::State};
use serde::{Deserialize, Serialize};
use shared::{
    app::Settings,
    auth::Caller,
    domain::Actor,
    http::{Code, InputError, Ndjson, Problem, RequestContext, StrictQuery, extractors::Flag},
};
use tokio::{sync::Mutex, time::Instant};
use utoipa::{IntoParams, ToSchema};

use crate::{
    definitions::Definitions,
    importer::{ImportTools, Importer},
    lines::{Line, LineError},
    outcome::{LineOutcome, NumberedLine, StopError},
    parallel::{WINDOW, run_lanes},
};

/// The maximum number of lines of a request.
const MAX_LINES: usize = 1000;
/// The maximum number of errors that are reported of one line.
const MAX_ERRORS_PER_LINE: usize = 10;

/// Why an import stopped before its first line.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// There are too many lines.
    #[error("must have at most {MAX_LINES} lines: send the others in further requests")]
    TooManyLines,
    /// A line could not be processed.
    #[error(transparent)]
    Stopped(#[from] StopError),
}

impl From<ImportError> for Problem {
    fn from(error: ImportError) -> Self {
        match error {
            ImportError::TooManyLines => InputError::at("", Code::InvalidValue, error.to_string()).into(),
            ImportError::Stopped(StopError::Store(error)) => error.into(),
            ImportError::Stopped(StopError::Seal(error)) => error.into(),
            ImportError::Stopped(error) => Self::internal(error.to_string()),
        }
    }
}

/// Lines of JSON, each with one of the types `customer`, `license` and `activation`.
#[derive(Debug, ToSchema)]
#[expect(dead_code, reason = "only documents the body")]
pub struct ImportLines(String);

/// The query of an import.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ImportQuery {
    /// Whether the lines are only checked. Nothing is created then.
    #[param(value_type = Option<bool>)]
    dry_run: Option<Flag>,
}

/// The result of an import. A line that failed stops no other.
#[derive(Debug, Default, Serialize, ToSchema)]
#[schema(as = ImportResult)]
pub struct ImportResult {
    /// The number of lines that were processed, empty ones included.
    #[schema(example = 3)]
    pub lines: usize,
    /// The number of lines that created a resource, or with `dry_run` would create one.
    #[schema(example = 2)]
    pub created: usize,
    /// The number of lines that were imported before.
    #[schema(example = 0)]
    pub unchanged: usize,
    /// The number of lines with errors.
    #[schema(example = 1)]
    pub failed: usize,
    /// The errors, at most ten of each line.
    pub errors: Vec<ImportLineError>,
    /// The number of the first line that was not processed, because the time of the request is used up or the service is
    /// temporarily unavailable; null if all were. To go on, send the lines from this one on. Their numbers start at 1 again.
    #[schema(required, example = json!(null))]
    pub next_line: Option<usize>,
}

/// An error of a line.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ImportLineError)]
pub struct ImportLineError {
    /// The number of the line in the body of the request, starting at 1.
    #[schema(example = 3)]
    pub line: usize,
    /// JSON pointer into the line (RFC 6901); empty for the line as a whole.
    #[schema(example = "/customer_external_id")]
    pub pointer: String,
    /// Machine-readable error code.
    pub code: Code,
    /// Human-readable description of the error.
    #[schema(example = "no customer has this external id")]
    pub detail: String,
}

/// Imports customers, license keys and activations.
#[utoipa::path(
    post,
    path = "/api/v1.0/imports",
    operation_id = "import_lines",
    tag = "transfers",
    summary = "Import customers, license keys and activations",
    description = "The body has lines of JSON (NDJSON), at most 1,000 and 4,000,000 bytes: customers, license keys and activations, \
        each after what it refers to. A line that fails stops no other. Repeating a request creates nothing twice: a line whose \
        external id was imported before is unchanged, or an error if it has other values. Nothing is signed, and no license key is \
        superseded. If the time of a request is used up, `next_line` is where to go on.",
    params(ImportQuery),
    request_body(
        content = ImportLines,
        content_type = "application/x-ndjson",
        description = "Lines of the types `customer`, `license` and `activation`; see the reference of the import format",
        example = json!("{\"type\": \"customer\", \"external_id\": \"crm-4711\", \"name\": \"Ada Lovelace\", \"email\": \"ada@example.com\"}\n"),
    ),
    responses((status = 200, description = "The result", body = ImportResult)),
    security(("api_key" = ["*"]), ("bearer" = [])),
)]
pub(crate) async fn handler(
    State(tools): State<ImportTools>,
    State(settings): State<Arc<Settings>>,
    caller: Caller,
    ctx: RequestContext,
    query: Result<StrictQuery<ImportQuery>, Problem>,
    body: Result<Ndjson, Problem>,
) -> Result<Json<ImportResult>, Problem> {
    caller.require_full_access()?;
    let StrictQuery(query) = query?;
    let Ndjson(body) = body?;
    let is_dry_run = query.dry_run == Some(Flag::True);
    let result = import(&tools, &body, is_dry_run, settings.timeouts.import, (&caller.actor(), &ctx)).await?;
    Ok(Json(result))
}

/// Imports lines. Begins none after the budget is used up, apart from the first few.
pub async fn import(
    tools: &ImportTools,
    body: &[u8],
    is_dry_run: bool,
    budget: Duration,
    (actor, ctx): (&Actor, &RequestContext),
) -> Result<ImportResult, ImportError> {
    let start = Instant::now();
    let lines = read_lines(body)?;
    let parsed: Vec<_> = lines.iter().filter(|(_, text)| !text.is_empty()).collect();
    let parsed: Vec<_> = parsed
        .into_iter()
        .map(|(number, text)| NumberedLine { number: *number, line: Line::parse(text, ctx.now) })
        .collect();
    let definitions = if is_dry_run { Some(Definitions::of(&parsed).map_err(StopError::from)?) } else { None };
    let catalog = tools.table.catalog().await.map_err(StopError::from)?.catalog;
    let (sealing, definitions) = (Mutex::default(), definitions.as_ref());
    let importer = Importer { tools, catalog: &catalog, actor, ctx, definitions, sealing };
    let mut result = ImportResult { lines: lines.len(), ..ImportResult::default() };
    let mut rest = &parsed[..];
    while let Some(first) = rest.first() {
        if first.number > parsed[0].number && start.elapsed() >= budget {
            result.stop_before(first.number);
            break;
        }
        let (window, others) = rest.split_at(window_length(rest));
        rest = others;
        let outcomes = run_lanes(&importer, window).await;
        if let Some((number, error)) = result.add(window, outcomes) {
            if number == parsed[0].number {
                return Err(error.into());
            }
            tracing::warn!(%error, "an import stopped");
            result.stop_before(number);
            break;
        }
    }
    Ok(result)
}

/// Splits the body into lines without the white space around them, and numbers them.
fn read_lines(body: &[u8]) -> Result<Vec<(usize, &[u8])>, ImportError> {
    if body.is_empty() {
        return Ok(Vec::new());
    }
    let body = body.strip_suffix(b"\n").unwrap_or(body);
    let lines = body.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    let lines: Vec<_> = (1..).zip(lines).take(MAX_LINES + 1).collect();
    if lines.len() > MAX_LINES { Err(ImportError::TooManyLines) } else { Ok(lines) }
}

/// Returns the number of lines, at least one, that can be processed together: those of one type. Lines that cannot be parsed
/// are of any type.
fn window_length(lines: &[NumberedLine]) -> usize {
    let mut types = lines.iter().take(WINDOW).map(|line| line.line.as_ref().ok().map(Line::line_type));
    let mut window_type = None;
    let length = types.position(|line_type| {
        window_type = window_type.or(line_type);
        line_type.is_some() && line_type != window_type
    });
    length.unwrap_or(lines.len().min(WINDOW))
}

impl ImportResult {
    /// Adds the outcomes of lines. Returns the number and the error of the first line that was not processed, if any; the
    /// outcomes of the lines after it do not count, because they are sent again.
    fn add(
        &mut self,
        lines: &[NumberedLine],
        outcomes: Vec<Option<Result<LineOutcome, StopError>>>,
    ) -> Option<(usize, StopError)> {
        let mut stopped_at = None;
        for (line, outcome) in lines.iter().zip(outcomes) {
            match (stopped_at, outcome) {
                (None, Some(Ok(outcome))) => self.add_line(line.number, outcome),
                (number, Some(Err(error))) => return Some((number.unwrap_or(line.number), error)),
                (None, None) => stopped_at = Some(line.number),
                (Some(_), _) => {}
            }
        }
        None
    }

    fn add_line(&mut self, number: usize, outcome: LineOutcome) {
        match outcome {
            LineOutcome::Created => self.created += 1,
            LineOutcome::Unchanged => self.unchanged += 1,
            LineOutcome::Failed(errors) => {
                self.failed += 1;
                let errors = errors.into_iter().take(MAX_ERRORS_PER_LINE);
                self.errors.extend(errors.map(|LineError { pointer, code, detail }| ImportLineError {
                    line: number,
                    pointer,
                    code,
                    detail,
                }));
            }
        }
    }

    fn stop_before(&mut self, line: usize) {
        self.lines = line - 1;
        self.next_line = Some(line);
    }
}
