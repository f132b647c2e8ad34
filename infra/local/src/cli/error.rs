//! What can fail in a command, its message on standard error and its exit code.

use std::{
    fmt::{self, Display},
    io,
    path::PathBuf,
};

use reqwest::StatusCode;
use serde::Deserialize;

use super::{document::Operation, terminal::printable};

/// A command failed.
#[derive(Debug)]
pub(super) enum CliError {
    /// The arguments are invalid.
    Usage(String),
    /// There are no credentials, or they can't be used.
    NotLoggedIn(String),
    /// The API refused the request, or failed.
    Refused(Box<Refusal>),
    /// There is no connection to the server, so that nothing was sent.
    NotConnected(String),
    /// There was no response of a Signet API.
    Unreachable(String),
    /// A failure of the network or the server, after which the request may have taken effect or not.
    OutcomeUnknown {
        /// The failure.
        cause: Box<CliError>,
        /// The key with which the request can be sent again.
        idempotency_key: String,
    },
    /// A file can't be read or written.
    File(PathBuf, io::Error),
    /// An import was stopped.
    ImportStopped {
        /// The reason.
        cause: Box<CliError>,
        /// The number of lines that were processed before.
        done: usize,
        /// The number of all lines.
        lines: usize,
    },
    /// An import came to its end, and lines of it failed.
    LinesFailed {
        /// The number of lines that failed.
        failed: u64,
        /// The number of all lines.
        lines: usize,
    },
    /// Standard output can't be written.
    Output(io::Error),
    /// The result of a request that took effect can't be written to standard output.
    ResultNotPrinted {
        /// The error.
        error: io::Error,
        /// The key with which the request returns its result again.
        idempotency_key: String,
    },
}

impl CliError {
    /// Adds the key of the request if it is unknown whether the request took effect.
    pub(super) fn with_idempotency_key(self, key: Option<String>) -> Self {
        match (self.exit_code(), key) {
            _ if matches!(self, Self::NotConnected(_)) => self,
            (4, Some(idempotency_key)) => Self::OutcomeUnknown { cause: Box::new(self), idempotency_key },
            _ => self,
        }
    }

    /// Returns the exit code, as docs/reference/cli.md describes it.
    pub(super) fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_) => 2,
            Self::NotLoggedIn(_) => 3,
            Self::Refused(refusal) if refusal.status == StatusCode::UNAUTHORIZED => 3,
            Self::Refused(refusal) if refusal.status.is_server_error() => 4,
            Self::NotConnected(_) | Self::Unreachable(_) | Self::OutcomeUnknown { .. } => 4,
            Self::ImportStopped { cause, .. } => cause.exit_code(),
            Self::Refused(_)
            | Self::LinesFailed { .. }
            | Self::File(..)
            | Self::Output(_)
            | Self::ResultNotPrinted { .. } => 1,
        }
    }
}

impl Display for CliError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Usage(text) | Self::NotLoggedIn(text) | Self::NotConnected(text) | Self::Unreachable(text) => {
                writeln!(f, "error: {text}")
            }
            Self::Refused(refusal) => refusal.fmt(f),
            Self::OutcomeUnknown { cause, idempotency_key } => {
                write!(f, "{cause}  The request may have taken effect. To repeat it without a second effect, add ")?;
                writeln!(f, "--idempotency-key {idempotency_key}")
            }
            Self::File(path, error) => writeln!(f, "error: {}: {error}", path.display()),
            Self::ImportStopped { cause, done, lines } => {
                write!(
                    f,
                    "{cause}  {done} of {lines} lines were processed. Run the command again to go on: lines that were "
                )?;
                writeln!(f, "imported are unchanged then")
            }
            Self::LinesFailed { failed, lines } => writeln!(f, "error: {failed} of {lines} lines failed"),
            Self::Output(error) => writeln!(f, "error: standard output: {error}"),
            Self::ResultNotPrinted { error, idempotency_key } => {
                writeln!(f, "error: standard output: {error}")?;
                write!(f, "  The request took effect. To get its result again within 24 hours, repeat it and add ")?;
                writeln!(f, "--idempotency-key {idempotency_key}")
            }
        }
    }
}

/// An error response.
#[derive(Debug)]
pub(super) struct Refusal {
    status: StatusCode,
    problem: Option<Problem>,
    request_id: Option<String>,
    /// Fields and parameters that have an option: name in the API and name of the option.
    options: Vec<(&'static str, String)>,
}

/// The parts of a problem (RFC 9457) that are printed.
#[derive(Debug, Deserialize)]
struct Problem {
    title: String,
    detail: String,
    code: String,
    #[serde(default)]
    errors: Vec<FieldError>,
}

#[derive(Debug, Deserialize)]
struct FieldError {
    pointer: Option<String>,
    parameter: Option<String>,
    detail: String,
}

impl Refusal {
    /// Reads an error response to an operation.
    pub(super) fn new(operation: &Operation, status: StatusCode, request_id: Option<String>, body: &[u8]) -> Self {
        let fields = operation.body.iter().flat_map(|body| &body.fields);
        let fields = fields.chain(&operation.query_parameters);
        let options = fields.map(|field| (field.name, format!("--{}", field.option()))).collect();
        Self { status, problem: serde_json::from_slice(body).ok(), request_id, options }
    }

    /// Returns the option of a field of the body, otherwise the JSON pointer or the name of the parameter.
    fn place(&self, error: &FieldError) -> String {
        let option = |name: &str| self.options.iter().find(|(known, _)| *known == name).map(|(_, option)| option);
        match (&error.pointer, &error.parameter) {
            (Some(pointer), _) => {
                let (name, rest) = match pointer.trim_start_matches('/').split_once('/') {
                    Some((name, rest)) => (name, Some(rest)),
                    None => (pointer.trim_start_matches('/'), None),
                };
                match (option(name), rest) {
                    (Some(option), None) => option.clone(),
                    (Some(option), Some(rest)) => format!("{option} ({rest})"),
                    (None, _) if pointer.is_empty() => "request body".to_owned(),
                    (None, _) => pointer.clone(),
                }
            }
            (None, Some(parameter)) => option(parameter).unwrap_or(parameter).clone(),
            (None, None) => "request".to_owned(),
        }
    }
}

impl Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.problem {
            Some(problem) => {
                let Problem { title, detail, code, errors } = problem;
                // The detail of a problem with a single field is that of the field.
                let is_repeated =
                    title.eq_ignore_ascii_case(detail) || errors.iter().any(|error| error.detail == *detail);
                let detail = if is_repeated { String::new() } else { format!(": {}", printable(detail)) };
                writeln!(f, "error: {}{detail} ({})", printable(title), printable(code))?;
                for error in errors {
                    writeln!(f, "  {}: {}", printable(&self.place(error)), printable(&error.detail))?;
                }
            }
            None => {
                writeln!(f, "error: the server answered with {}, which is no response of a Signet API", self.status)?;
            }
        }
        match &self.request_id {
            Some(id) => writeln!(f, "  request id: {}", printable(id)),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn refusal(status: StatusCode, body: &str) -> CliError {
        let operation = Operation::find("keys", "issue").unwrap();
        CliError::Refused(Box::new(Refusal::new(operation, status, Some("r-1".to_owned()), body.as_bytes())))
    }

    #[test]
    fn field_errors_name_the_option() {
        let errors = [
            json!({"code": "invalid_value", "pointer": "/max_users", "detail": "must be between 1 and 100000"}),
            json!({"code": "invalid_value", "pointer": "/metadata/a b", "detail": "invalid name"}),
            json!({"code": "unknown_field", "pointer": "/seats", "detail": "unknown field"}),
            json!({"code": "invalid_value", "parameter": "cursor", "detail": "invalid\u{1b}[2J"}),
        ];
        let problem = json!({"title": "Invalid value", "detail": "Some fields are invalid.", "code": "invalid_value",
            "status": 422, "errors": errors});
        let error = refusal(StatusCode::UNPROCESSABLE_ENTITY, &problem.to_string());
        assert_eq!(
            error.to_string(),
            "error: Invalid value: Some fields are invalid. (invalid_value)\n  \
             --max-users: must be between 1 and 100000\n  \
             --metadata (a b): invalid name\n  \
             /seats: unknown field\n  \
             cursor: invalid\\u{1b}[2J\n  \
             request id: r-1\n"
        );
        assert_eq!(error.exit_code(), 1);
    }

    #[test]
    fn text_is_not_repeated() {
        let message = |detail: &str, errors: serde_json::Value| {
            let problem = json!({"title": "Not found", "detail": detail, "code": "not_found", "errors": errors});
            refusal(StatusCode::NOT_FOUND, &problem.to_string()).to_string()
        };
        assert_eq!(message("not found", json!([])), "error: Not found (not_found)\n  request id: r-1\n");
        let field = json!([{"code": "not_found", "pointer": "/tier_id", "detail": "unknown tier"}]);
        let expected = "error: Not found (not_found)\n  --tier-id: unknown tier\n  request id: r-1\n";
        assert_eq!(message("unknown tier", field), expected);
    }

    #[test]
    fn exit_code_tells_who_has_to_act() {
        for (status, expected) in [(401, 3), (403, 1), (404, 1), (409, 1), (429, 1), (500, 4), (503, 4)] {
            assert_eq!(refusal(StatusCode::from_u16(status).unwrap(), "<html>").exit_code(), expected, "{status}");
        }
        let foreign = refusal(StatusCode::BAD_GATEWAY, "<html>").to_string();
        assert!(foreign.contains("502 Bad Gateway") && foreign.contains("r-1"), "{foreign}");
        assert_eq!(CliError::Usage(String::new()).exit_code(), 2);
        assert_eq!(CliError::Unreachable(String::new()).exit_code(), 4);
    }
}
