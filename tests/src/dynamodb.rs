//! The embedded DynamoDB as a function call. A stack makes hundreds of calls, and over HTTP each costs twice as much.

use std::fmt;

use aws_smithy_runtime_api::{
    client::{
        http::{HttpConnector, HttpConnectorFuture},
        orchestrator::{HttpRequest, HttpResponse},
    },
    http::StatusCode,
};
use aws_smithy_types::body::SdkBody;
use dynoxide::{Database, DynoxideError};
use serde::{Serialize, de::DeserializeOwned};

/// The endpoint of tables that are called in process. Nothing connects to it.
pub(crate) const ENDPOINT: &str = "http://dynamodb.test";

/// A database that the SDK calls in process.
#[derive(Clone)]
pub(crate) struct InProcessDynamoDb(Database);

impl InProcessDynamoDb {
    /// Creates an empty database in memory.
    pub(crate) fn in_memory() -> Self {
        Self(Database::memory().expect("SQLite opens a database in memory"))
    }

    /// Calls an operation with its input as JSON. Returns the status and the output or the exception as JSON.
    pub(crate) fn call(&self, operation: &str, input: &[u8]) -> (u16, String) {
        let output = call(&self.0, operation, input);
        output.map_or_else(|error| (error.status_code(), error.to_json()), |output| (200, output))
    }

    /// Responds to a request of the SDK as the HTTP server of the embedded DynamoDB does.
    async fn respond(&self, request: &HttpRequest) -> HttpResponse {
        // Other tasks run before and after the call, as they do while a response is awaited over HTTP.
        tokio::task::yield_now().await;
        let target = request.headers().get("x-amz-target").unwrap_or_default();
        let operation = target.rsplit('.').next().unwrap_or_default();
        let (status, body) = self.call(operation, request.body().bytes().unwrap_or_default());
        tokio::task::yield_now().await;
        json_response(status, body)
    }
}

/// Builds the response of DynamoDB with this status and JSON.
pub(crate) fn json_response(status: u16, body: String) -> HttpResponse {
    let status = StatusCode::try_from(status).expect("a valid status");
    let mut response = HttpResponse::new(status, SdkBody::from(body));
    response.headers_mut().insert("content-type", "application/x-amz-json-1.0");
    response
}

impl fmt::Debug for InProcessDynamoDb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("InProcessDynamoDb")
    }
}

impl HttpConnector for InProcessDynamoDb {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let database = self.clone();
        HttpConnectorFuture::new(async move { Ok(database.respond(&request).await) })
    }
}

fn call(database: &Database, operation: &str, input: &[u8]) -> Result<String, DynoxideError> {
    match operation {
        "CreateTable" => run(input, |input| database.create_table(input)),
        "DescribeTable" => run(input, |input| database.describe_table(input)),
        "DescribeTimeToLive" => run(input, |input| database.describe_time_to_live(input)),
        "UpdateTimeToLive" => run(input, |input| database.update_time_to_live(input)),
        "GetItem" => run(input, |input| database.get_item(input)),
        "BatchGetItem" => run(input, |input| database.batch_get_item(input)),
        "Query" => run(input, |input| database.query(input)),
        "Scan" => run(input, |input| database.scan(input)),
        "PutItem" => run(input, |input| database.put_item(input)),
        "UpdateItem" => run(input, |input| database.update_item(input)),
        "DeleteItem" => run(input, |input| database.delete_item(input)),
        "BatchWriteItem" => run(input, |input| database.batch_write_item(input)),
        "TransactGetItems" => run(input, |input| database.transact_get_items(input)),
        "TransactWriteItems" => run(input, |input| database.transact_write_items(input)),
        other => panic!("add the operation {other} of DynamoDB here"),
    }
}

/// Runs an operation on the types of its input and output.
fn run<I: DeserializeOwned, O: Serialize>(
    input: &[u8],
    operation: impl FnOnce(I) -> Result<O, DynoxideError>,
) -> Result<String, DynoxideError> {
    let invalid = |error: serde_json::Error| DynoxideError::SerializationException(error.to_string());
    let output = operation(serde_json::from_slice(input).map_err(invalid)?)?;
    Ok(serde_json::to_string(&output).expect("an output is valid JSON"))
}

/// How DynamoDB is called.
#[derive(Debug, Clone)]
pub(crate) enum DynamoDb {
    /// By function calls.
    InProcess(InProcessDynamoDb),
    /// Over HTTP.
    Endpoint(String),
}
