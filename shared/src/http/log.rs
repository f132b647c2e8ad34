//! The log: one line for each request, and one for whatever else there is to say. JSON for machines, text for people.
//!
//! A line of JSON that counts something is at the same time a record in CloudWatch's embedded metric format, from which
//! CloudWatch makes metrics by itself. It is the request's own line, as the bytes of a log are what observing costs.
//!
//! No line has a path, a query, a header or a body in it, as any of them may be a secret: a request is told by its route.

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
use crate::Clock;

/// Of the span and the line of a request.
const TARGET: &str = module_path!();
/// Under which CloudWatch shows the metrics.
const NAMESPACE: &str = "Signet";

/// How lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// A JSON object each.
    Json,
    /// For people.
    Text {
        /// Whether levels are coloured.
        colours: bool,
    },
}

/// Begins the log of this process. `RUST_LOG` says how much of it there is; if it is not set, `default` does.
pub fn begin<W>(format: Format, default: &str, writer: W)
where
    W: for<'writer> MakeWriter<'writer> + Send + Sync + 'static,
{
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default));
    dispatch(format, filter, writer).init();
    panic::set_hook(Box::new(|panic| {
        // A text that was put together may have anything in it.
        let why = panic.payload().downcast_ref::<&'static str>();
        let place = panic.location().map(ToString::to_string);
        let thread = thread::current().name().map(str::to_owned);
        tracing::error!(cause = why, place, thread, "panicked");
    }));
}

/// What takes down lines: the log of a process, or of a test.
pub fn dispatch<W>(format: Format, filter: EnvFilter, writer: W) -> Dispatch
where
    W: for<'writer> MakeWriter<'writer> + Send + Sync + 'static,
{
    let function = env::var("AWS_LAMBDA_FUNCTION_NAME").unwrap_or_else(|_| "local".to_owned());
    let colours = format == Format::Text { colours: true };
    let lines = tracing_subscriber::fmt().with_writer(writer).with_env_filter(filter).with_ansi(colours);
    lines.fmt_fields(JsonFields::new()).event_format(Lines { format, function }).finish().into()
}

/// Why a request was refused, for its line.
#[derive(Debug, Clone)]
pub(super) struct LoggedError {
    /// The problem's code.
    pub(super) code: Cow<'static, str>,
    /// What the caller is not told.
    pub(super) cause: Option<String>,
}

/// The line of a request. It is written when this is dropped, so that none is without: also where the caller goes away
/// before the answer is there.
pub(super) struct RequestLine {
    /// In which everything that is said of the request has its trace id.
    pub(super) span: Span,
    method: &'static str,
    route: Option<String>,
    metrics: RequestMetrics,
    clock: Clock,
    begun: Timestamp,
    answer: Option<(u16, Option<LoggedError>)>,
}

impl RequestLine {
    pub(super) fn new(trace_id: &str, method: &Method, route: Option<&str>, begun: Timestamp, clock: Clock) -> Self {
        // As long as anything is logged, it has its trace id.
        let span = tracing::error_span!("request", trace_id);
        let (method, route) = (method_name(method), route.map(str::to_owned));
        Self { span, method, route, metrics: RequestMetrics::default(), clock, begun, answer: None }
    }

    /// What the request is noted by.
    pub(super) fn metrics(&self) -> RequestMetrics {
        self.metrics.clone()
    }

    /// Writes it.
    pub(super) fn answered(mut self, status: u16, refusal: Option<LoggedError>) {
        match &refusal {
            Some(refusal) if status == 429 => self.metrics.count(Metric::RateLimited),
            Some(_) if status < 500 => self.metrics.count(Metric::Refused),
            _ => {}
        }
        self.answer = Some((status, refusal));
    }
}

impl Drop for RequestLine {
    fn drop(&mut self) {
        let (status, refusal) = self.answer.take().unzip();
        let (code, cause) = match refusal.flatten() {
            Some(LoggedError { code, cause }) => (Some(code), cause),
            None => (None, None),
        };
        let code = code.as_deref();
        let latency_ms = u64::try_from(self.clock.now().duration_since(self.begun).as_millis()).unwrap_or(0);
        let (method, route) = (self.method, self.route.as_deref());
        let (actor, actor_id) = self.metrics.who().map(|actor| (actor.kind.as_str(), actor.id.as_str())).unzip();
        let [issued, activated, heartbeats, signatures, refused, rate_limited] =
            Metric::ALL.map(|metric| self.metrics.counted(metric));
        // A level is part of what is known when the program is built.
        macro_rules! write {
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
            (None, _) => write!(warn, "nobody waited for the answer"),
            (_, Some(cause)) => write!(error, cause),
            (_, None) => write!(info, None::<&str>),
        });
    }
}

/// A method that is none of HTTP's is a text of the caller's.
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

struct Lines {
    format: Format,
    /// By which CloudWatch tells the functions apart.
    function: String,
}

impl<S, N> FormatEvent<S, N> for Lines
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
                    line.count(&self.function);
                }
                writeln!(writer, "{}", serde_json::to_string(&line).map_err(|_| fmt::Error)?)
            }
        }
    }
}

/// A line while it is put together.
struct Line {
    at: Timestamp,
    level: Level,
    fields: Vec<(Cow<'static, str>, Value)>,
}

impl Line {
    fn get(&self, name: &str) -> Option<&Value> {
        self.fields.iter().find(|(own, _)| own == name).map(|(_, value)| value)
    }

    /// Makes it a record of CloudWatch's embedded metric format, if there is anything to count. What is refused is told
    /// apart by its code, all else by its function.
    fn count(&mut self, function: &str) {
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

    /// The message, then the fields but for what is counted.
    fn write_text(&self, writer: &mut Writer<'_>) -> fmt::Result {
        let colour = match self.level {
            Level::ERROR => "31",
            Level::WARN => "33",
            Level::INFO => "32",
            Level::DEBUG => "34",
            Level::TRACE => "35",
        };
        write!(writer, "{} ", self.at)?;
        if writer.has_ansi_escapes() {
            write!(writer, "\x1b[{colour}m{:>5}\x1b[0m", self.level.as_str())?;
        } else {
            write!(writer, "{:>5}", self.level.as_str())?;
        }
        if let Some(message) = self.get("message").and_then(Value::as_str) {
            // A text that was not ours must not begin a line, nor colour one.
            write!(writer, " {}", message.escape_debug())?;
        }
        let is_counted = |name: &str| Metric::ALL.iter().any(|metric| metric.name() == name);
        for (name, value) in self.fields.iter().filter(|(name, _)| name != "message" && !is_counted(name)) {
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
