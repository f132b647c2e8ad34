//! Sends the lines of an import, page by page. A page that is sent again has no further effect: its lines are unchanged.

use super::{
    dry_run,
    lines::ImportLine,
    pages,
    report::{PageResult, Report},
};
use crate::cli::{
    client::ApiClient,
    document::Operation,
    error::CliError,
    progress::Progress,
    request::{ApiRequest, segments},
};

/// The parameter with which the API only checks the lines.
const DRY_RUN: &str = "dry_run";

/// An import that is being sent.
pub(super) struct Upload<'a> {
    pub(super) client: &'a ApiClient,
    pub(super) operation: &'a Operation,
    /// In a dry run, the group of each line.
    pub(super) groups: Option<Vec<usize>>,
    pub(super) progress: Progress,
    pub(super) report: Report,
}

impl Upload<'_> {
    /// Sends all lines. Returns the report of those that were processed, and the error that stopped it. Fails if none was processed.
    pub(super) async fn send_all(mut self, lines: &[ImportLine]) -> Result<(Report, Option<CliError>), CliError> {
        let (mut done, mut limit) = (0, None);
        while let Some(rest) = lines.get(done..).filter(|rest| !rest.is_empty()) {
            self.progress.show(&format!("{done} of {} lines", lines.len()));
            let length = limit.take().unwrap_or_else(|| self.whole_groups(done, pages::next_page(rest)));
            let page = rest.get(..length).unwrap_or(rest);
            match self.send(page).await {
                Ok(Processed { lines, result }) => match self.whole_groups(done, lines) {
                    // The rest of a group could not refer to its first lines.
                    whole if whole < lines => limit = Some(whole),
                    _ => {
                        self.report.add(result, page);
                        done += lines;
                    }
                },
                Err(cause) if done == 0 => return Err(cause),
                Err(cause) => {
                    let stopped = CliError::ImportStopped { cause: Box::new(cause), done, lines: lines.len() };
                    return Ok((self.report, Some(stopped)));
                }
            }
        }
        Ok((self.report, None))
    }

    /// In a dry run, returns how many of the next `length` lines are whole groups.
    fn whole_groups(&self, done: usize, length: usize) -> usize {
        let groups = self.groups.as_ref().and_then(|groups| groups.get(done..));
        groups.map_or(length, |groups| dry_run::whole_groups(groups, length))
    }

    /// Sends a page.
    async fn send(&self, page: &[ImportLine]) -> Result<Processed, CliError> {
        let request = ApiRequest {
            path: segments(self.operation.path),
            query: self.groups.iter().map(|_| (DRY_RUN, "true".to_owned())).collect(),
            body: None,
            lines: Some(pages::body(page)),
            idempotency_key: None,
        };
        let body = self.client.send(self.operation, &request).await?;
        let result = body.and_then(|body| serde_json::from_str::<PageResult>(body.get()).ok());
        let unknown = || CliError::Unreachable("the response is not that to an import; check the URL".to_owned());
        let result = result.ok_or_else(unknown)?;
        match result.next_line {
            None => Ok(Processed { lines: page.len(), result }),
            Some(next @ 2..) if next <= page.len() => Ok(Processed { lines: next - 1, result }),
            Some(_) => Err(CliError::Unreachable("the server processed no line".to_owned())),
        }
    }
}

/// What the server did with a page.
struct Processed {
    /// How many lines it processed.
    lines: usize,
    result: PageResult,
}

#[cfg(test)]
mod tests {
    use std::{
        sync::{Arc, Mutex},
        time::Duration,
    };

    use axum::{Router, extract::State, routing::post};
    use shared::domain::Secret;

    use super::*;
    use crate::cli::{
        credentials::Credentials,
        import::lines::{LineType, Record},
        resources::IMPORTS,
    };

    /// The bodies that the server received.
    type Bodies = Arc<Mutex<Vec<String>>>;

    /// Answers the first request only after the client has given up.
    async fn slow_at_first(State(bodies): State<Bodies>, body: String) -> &'static str {
        let is_first = {
            let mut bodies = bodies.lock().unwrap();
            bodies.push(body);
            bodies.len() == 1
        };
        if is_first {
            std::future::pending::<()>().await;
        }
        r#"{"lines": 2, "created": 0, "unchanged": 2, "failed": 0, "errors": [], "next_line": null}"#
    }

    #[tokio::test]
    async fn page_is_sent_again_after_a_timeout() {
        let bodies = Bodies::default();
        let app = Router::new().route(IMPORTS.path, post(slow_at_first)).with_state(bodies.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async { axum::serve(listener, app).await });

        let credentials = Credentials { url, api_key: Secret::new("signet_key_x".to_owned()) };
        let client = ApiClient::with_timeout(&credentials, Duration::from_millis(300)).unwrap();
        let record = Record::at_line(&Arc::from("file"), 1);
        let line = |text: &str| ImportLine {
            line_type: LineType::Customer,
            text: Secret::new(text.to_owned()),
            record: record.clone(),
        };
        let upload = Upload {
            client: &client,
            operation: Operation::find(IMPORTS.name, IMPORTS.name).unwrap(),
            groups: None,
            progress: Progress::new(false),
            report: Report::new(2, &[]),
        };
        let (report, stopped) = upload.send_all(&[line("{\"a\":1}"), line("{\"b\":2}")]).await.unwrap();
        assert!(stopped.is_none(), "{stopped:?}");
        assert_eq!(*bodies.lock().unwrap(), ["{\"a\":1}\n{\"b\":2}\n"; 2]);
        let report = serde_json::to_value(&report).unwrap();
        assert_eq!((&report["unchanged"], &report["failed"]), (&2.into(), &0.into()));
    }
}
