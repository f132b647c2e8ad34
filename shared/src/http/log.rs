//! Logging: one line per request and one per other event, as JSON for machines or text for terminals.
//!
//! A JSON line with metrics is also a record in CloudWatch's embedded metric format, from which CloudWatch extracts the
//! metrics. It is the request's own log line, because log volume is the main cost of observability.
//!
//! Log lines contain no path, query, header or body, as any of them may hold a secret. A request is identified by its
//! route and trace id.

use std::{borrow::Cow, env, fmt, panic, thread};

use axum::http::Method;
use jiff::Timestamp;
use serde::{Serialize, Serializer};
use serde_json::{Map, Value, json};
use tracing::{
    Dispatch, Event, Level, Span, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{
    EnvFilter,
    fmt::{
        FmtContext, FormatEvent, FormatFields, FormattedFields, MakeWriter,
        format::{JsonFields, Writer},
    },
    registry::LookupSpan,
    util::SubscriberInitExt,
};

use super::request_metrics::{Metric, RequestMetrics};
use crate::clock::Clock;

/// The tracing target of request spans and request lines.
const TARGET: &str = module_path!();
/// The CloudWatch namespace of the metrics.
const NAMESPACE: &str = "Signet";

/// The format of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// One JSON object per line.
    Json,
    /// Human-readable text.
    Text {
        /// Whether levels are colored.
        colors: bool,
    },
}

/// Initializes logging of this process, including panics. `RUST_LOG` sets the filter; otherwise `default` applies.
pub fn init<W>(format: Format, default: &str, writer: W)
where
    W: for<'writer> MakeWriter<'writer> + Send + Sync + 'static,
{
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default));
    dispatch(format, filter, writer).init();
    panic::set_hook(Box::new(|panic| {
        // A formatted message may contain secrets, so only static ones are logged.
        let message = panic.payload().downcast_ref::<&'static str>();
        let location = panic.location().map(ToString::to_string);
        let thread = thread::current().name().map(str::to_owned);
        tracing::error!(cause = message, location, thread, "thread panicked");
    }));
}

/// Creates the subscriber that writes log lines, for a process or a test. A line that cannot be written is lost.
pub fn dispatch<W>(format: Format, filter: EnvFilter, writer: W) -> Dispatch
where
    W: for<'writer> MakeWriter<'writer> + Send + Sync + 'static,
{
    let function = env::var("AWS_LAMBDA_FUNCTION_NAME").unwrap_or_else(|_| "local".to_owned());
    let colors = format == Format::Text { colors: true };
    let subscriber = tracing_subscriber::fmt().with_writer(writer).with_env_filter(filter).with_ansi(colors);
    // By default, a failed write is reported with `eprintln!`, which panics if stderr cannot be written, either. The
    // panic is logged, which fails again, and the process aborts.
    let subscriber = subscriber.log_internal_errors(false);
    subscriber.fmt_fields(JsonFields::new()).event_format(LogFormatter { format, function }).finish().into()
}

/// The part of an error response that the request's log line records.
#[derive(Debug, Clone)]
pub(crate) struct LoggedError {
    /// The problem code.
    pub(crate) code: Cow<'static, str>,
    /// The internal cause, which the response does not contain.
    pub(crate) cause: Option<String>,
}

/// The log line of a request. It is written on drop, so that a request is also logged when the client disconnects
/// before the response.
pub(crate) struct RequestLog {
    /// The span that adds the trace id to every log line of the request.
    pub(crate) span: Span,
    method: &'static str,
    route: Option<String>,
    metrics: RequestMetrics,
    clock: Clock,
    started_at: Timestamp,
    response: Option<(u16, Option<LoggedError>)>,
}

impl RequestLog {
    pub(crate) fn new(
        trace_id: &str,
        method: &Method,
        route: Option<&str>,
        started_at: Timestamp,
        clock: Clock,
    ) -> Self {
        // At level error, the span is enabled with every log filter that lets anything through.
        let span = tracing::error_span!("request", trace_id);
        let (method, route) = (method_name(method), route.map(str::to_owned));
        Self { span, method, route, metrics: RequestMetrics::default(), clock, started_at, response: None }
    }

    /// Returns the metrics that this line records.
    pub(crate) fn metrics(&self) -> RequestMetrics {
        self.metrics.clone()
    }

    /// Writes the line with the status of the response.
    pub(crate) fn finish(mut self, status: u16, error: Option<LoggedError>) {
        match &error {
            Some(_) if status == 429 => self.metrics.count(Metric::RateLimited),
            Some(_) if status < 500 => self.metrics.count(Metric::Refused),
            _ => {}
        }
        self.response = Some((status, error));
    }
}

impl Drop for RequestLog {
    fn drop(&mut self) {
        let (status, error) = self.response.take().unzip();
        let (code, cause) = match error.flatten() {
            Some(LoggedError { code, cause }) => (Some(code), cause),
            None => (None, None),
        };
        let code = code.as_deref();
        let latency_ms = u64::try_from(self.clock.now().duration_since(self.started_at).as_millis()).unwrap_or(0);
        let (method, route) = (self.method, self.route.as_deref());
        let (actor, actor_id) = self.metrics.actor().map(|actor| (actor.kind.as_str(), actor.id.as_str())).unzip();
        let [issued, activated, heartbeats, signatures, refused, rate_limited] =
            Metric::ALL.map(|metric| self.metrics.value(metric));
        // tracing needs the level at compile time.
        macro_rules! log_request {
            ($level:ident, $cause:expr) => {
                tracing::$level!(
                    method,
                    route,
                    status,
                    latency_ms,
                    actor,
                    actor_id,
                    code,
                    cause = $cause,
                    issued,
                    activated,
                    heartbeats,
                    signatures,
                    refused,
                    rate_limited,
                    "request"
                )
            };
        }
        self.span.in_scope(|| match (status, cause) {
            (None, _) => log_request!(warn, "the client disconnected before the response"),
            (_, Some(cause)) => log_request!(error, cause),
            (_, None) => log_request!(info, None::<&str>),
        });
    }
}

/// Returns the name of a standard method, or `other`: a non-standard one is arbitrary text of the client.
fn method_name(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        Method::PATCH => "PATCH",
        _ => "other",
    }
}

struct LogFormatter {
    format: Format,
    /// The value of the CloudWatch dimension `function`.
    function: String,
}

impl<S, N> FormatEvent<S, N> for LogFormatter
where
    S: Subscriber + for<'lookup> LookupSpan<'lookup>,
    N: for<'writer> FormatFields<'writer> + 'static,
{
    fn format_event(&self, context: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut line = Line { at: Clock::System.now(), level: *event.metadata().level(), fields: Vec::new() };
        event.record(&mut line);
        if event.metadata().target() != TARGET {
            line.fields.push((Cow::Borrowed("target"), event.metadata().target().into()));
        }
        for span in context.event_scope().into_iter().flatten().filter(|span| span.metadata().target() == TARGET) {
            if let Some(text) = span.extensions().get::<FormattedFields<N>>() {
                let fields: Map<String, Value> = serde_json::from_str(&text.fields).unwrap_or_default();
                line.fields.extend(fields.into_iter().map(|(name, value)| (name.into(), value)));
            }
        }
        match self.format {
            Format::Text { .. } => line.write_text(&mut writer),
            Format::Json => {
                if event.metadata().target() == TARGET {
                    line.add_metrics(&self.function);
                }
                writeln!(writer, "{}", serde_json::to_string(&line).map_err(|_| fmt::Error)?)
            }
        }
    }
}

/// The contents of a log line.
struct Line {
    at: Timestamp,
    level: Level,
    fields: Vec<(Cow<'static, str>, Value)>,
}

impl Line {
    fn get(&self, name: &str) -> Option<&Value> {
        self.fields.iter().find(|(field, _)| field == name).map(|(_, value)| value)
    }

    /// Turns the line into a record of CloudWatch's embedded metric format if it has metrics. `refused` has the
    /// dimension `code`, all other metrics `function`.
    fn add_metrics(&mut self, function: &str) {
        let mut by_function = Vec::new();
        let mut by_code = Vec::new();
        for metric in Metric::ALL.into_iter().filter(|metric| self.get(metric.name()).is_some()) {
            let list = if metric == Metric::Refused { &mut by_code } else { &mut by_function };
            list.push(json!({ "Name": metric.name() }));
        }
        let has_functions = !by_function.is_empty();
        let directives: Vec<Value> = [("function", by_function), ("code", by_code)]
            .into_iter()
            .filter(|(_, metrics)| !metrics.is_empty())
            .map(|(dimension, metrics)| {
                json!({ "Namespace": NAMESPACE, "Dimensions": [[dimension]], "Metrics": metrics })
            })
            .collect();
        if directives.is_empty() {
            return;
        }
        if has_functions {
            self.fields.push((Cow::Borrowed("function"), function.into()));
        }
        let record = json!({ "Timestamp": self.at.as_millisecond(), "CloudWatchMetrics": directives });
        self.fields.push((Cow::Borrowed("_aws"), record));
    }

    /// Writes the message and the fields, without metrics.
    fn write_text(&self, writer: &mut Writer<'_>) -> fmt::Result {
        let color = match self.level {
            Level::ERROR => "31",
            Level::WARN => "33",
            Level::INFO => "32",
            Level::DEBUG => "34",
            Level::TRACE => "35",
        };
        write!(writer, "{} ", self.at)?;
        if writer.has_ansi_escapes() {
            write!(writer, "\x1b[{color}m{:>5}\x1b[0m", self.level.as_str())?;
        } else {
            write!(writer, "{:>5}", self.level.as_str())?;
        }
        if let Some(message) = self.get("message").and_then(Value::as_str) {
            // Escaped, so that foreign text in a message cannot start a new line or color the terminal.
            write!(writer, " {}", message.escape_debug())?;
        }
        let is_metric = |name: &str| Metric::ALL.iter().any(|metric| metric.name() == name);
        for (name, value) in self.fields.iter().filter(|(name, _)| name != "message" && !is_metric(name)) {
            match value.as_str() {
                Some(text) if !text.contains(char::is_whitespace) => write!(writer, " {name}={}", text.escape_debug())?,
                _ => write!(writer, " {name}={value}")?,
            }
        }
        writeln!(writer)
    }
}

impl Serialize for Line {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let first = [("timestamp", self.at.to_string()), ("level", self.level.to_string())];
        let first = first.into_iter().map(|(name, value)| (name, Value::from(value)));
        serializer.collect_map(first.chain(self.fields.iter().map(|(name, value)| (name.as_ref(), value.clone()))))
    }
}

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.fields.push((Cow::Borrowed(field.name()), format!("{value:?}").into()));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.fields.push((Cow::Borrowed(field.name()), value.into()));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.fields.push((Cow::Borrowed(field.name()), value.into()));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.fields.push((Cow::Borrowed(field.name()), value.into()));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.fields.push((Cow::Borrowed(field.name()), value.into()));
    }
}
