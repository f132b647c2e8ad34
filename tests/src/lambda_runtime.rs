//! Lambda as a function meets it: a process with an environment, and the runtime API that hands it events and takes its
//! answers.

use std::{
    collections::{BTreeMap, HashMap},
    env,
    io::{self, BufRead, BufReader},
    path::PathBuf,
    process::{Child, Command},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
    time::Duration,
};

use axum::{
    Json, Router,
    body::Bytes,
    extract::{Path, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde_json::Value;
use shared::Clock;
use tokio::{
    net::TcpListener,
    sync::{Notify, mpsc, oneshot},
    time::timeout,
};

/// Longer than a start or an invocation takes.
const PATIENCE: Duration = Duration::from_secs(30);

/// The variables of a function's environment.
pub type Variables = BTreeMap<&'static str, String>;

/// A function's real binary, which runs and waits for events; killed in the end.
#[derive(Debug)]
pub struct Function {
    child: Child,
    log: Log,
    events: mpsc::UnboundedSender<Invocation>,
}

/// How a function's process came to its end.
#[derive(Debug)]
pub struct Ended {
    /// Its exit code.
    pub code: Option<i32>,
    /// All that it said, on stdout and stderr, as CloudWatch would have it.
    pub log: Vec<String>,
}

type Log = Arc<Mutex<Vec<String>>>;

/// An event, and who waits for what comes of it: an answer, or the function's error.
type Invocation = (Value, oneshot::Sender<Result<Value, Value>>);

impl Function {
    /// Starts the binary of a function as Lambda would, with these variables besides Lambda's own; or how it ended.
    pub async fn start(name: &str, variables: &Variables) -> Result<Self, Ended> {
        let mut all = lambdas_own(name);
        all.extend(variables.clone());
        Self::begin(name, &all).await
    }

    /// Starts it with these variables and no others, as somebody in a shell might.
    pub async fn start_outside_lambda(name: &str, variables: &Variables) -> Result<Self, Ended> {
        Self::begin(name, variables).await
    }

    async fn begin(name: &str, variables: &Variables) -> Result<Self, Ended> {
        let (events, waiting) = mpsc::unbounded_channel();
        let api = Arc::new(Api { waiting: waiting.into(), ..Api::default() });
        let address = api.clone().serve().await;
        let mut variables = variables.clone();
        if variables.contains_key(RUNTIME_API) {
            variables.insert(RUNTIME_API, address);
        }
        let (mut child, log, ended) = spawn(name, &variables);
        let asked = async {
            tokio::select! {
                () = api.ready.notified() => true,
                _ = ended => false,
            }
        };
        match timeout(PATIENCE, asked).await {
            Ok(true) => Ok(Self { child, log, events }),
            Ok(false) => {
                let code = child.wait().expect("it has ended").code();
                let log = locked(&log).clone();
                Err(Ended { code, log })
            }
            Err(_) => {
                let _ = child.kill();
                panic!("{name} neither asks for events nor ends: {:#?}", locked(&log))
            }
        }
    }

    /// What it makes of an event; the error is the one that it reports to Lambda.
    pub async fn invoke(&self, event: Value) -> Result<Value, Value> {
        let (answer, answered) = oneshot::channel();
        self.events.send((event, answer)).expect("the runtime API is there");
        match timeout(PATIENCE, answered).await {
            Ok(Ok(answer)) => answer,
            _ => panic!("no answer: {:#?}", self.log()),
        }
    }

    /// All that it has said so far.
    pub fn log(&self) -> Vec<String> {
        locked(&self.log).clone()
    }
}

impl Drop for Function {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const RUNTIME_API: &str = "AWS_LAMBDA_RUNTIME_API";

/// The variables that Lambda sets by itself.
fn lambdas_own(name: &str) -> Variables {
    Variables::from([
        (RUNTIME_API, String::new()),
        ("AWS_LAMBDA_FUNCTION_NAME", format!("signet-{name}")),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256".to_owned()),
        ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST".to_owned()),
        ("AWS_LAMBDA_LOG_GROUP_NAME", format!("/aws/lambda/signet-{name}")),
        ("AWS_LAMBDA_LOG_STREAM_NAME", "2026/01/15/[$LATEST]0123456789abcdef".to_owned()),
        ("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand".to_owned()),
        ("AWS_REGION", "us-east-1".to_owned()),
        ("AWS_DEFAULT_REGION", "us-east-1".to_owned()),
        ("AWS_ACCESS_KEY_ID", "local".to_owned()),
        ("AWS_SECRET_ACCESS_KEY", "local".to_owned()),
        ("AWS_SESSION_TOKEN", "local".to_owned()),
        ("LAMBDA_TASK_ROOT", "/var/task".to_owned()),
        ("_HANDLER", "bootstrap".to_owned()),
        ("TZ", ":UTC".to_owned()),
    ])
}

/// Starts a process; the receiver hears of its end.
fn spawn(name: &str, variables: &Variables) -> (Child, Log, oneshot::Receiver<()>) {
    let folder = env::var("SIGNET_TEST_FUNCTIONS").expect("tests/functions.sh sets SIGNET_TEST_FUNCTIONS");
    let (said, stdout) = io::pipe().expect("there are pipes");
    let stderr = stdout.try_clone().expect("there are pipes");
    // The command holds the pipe's other end, which must be closed here for its end to be heard.
    let child = {
        let mut command = Command::new(PathBuf::from(folder).join(name));
        command.env_clear().envs(variables).stdout(stdout).stderr(stderr);
        command.spawn().expect("the binary is there")
    };
    let log = Log::default();
    let (end, ended) = oneshot::channel();
    let lines = Arc::clone(&log);
    thread::spawn(move || {
        for line in BufReader::new(said).lines().map_while(Result::ok) {
            locked(&lines).push(line);
        }
        let _ = end.send(());
    });
    (child, log, ended)
}

fn locked<T>(one: &Mutex<T>) -> MutexGuard<'_, T> {
    one.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The runtime API of one function.
#[derive(Debug)]
struct Api {
    /// Events that the function has not asked for yet.
    waiting: tokio::sync::Mutex<mpsc::UnboundedReceiver<Invocation>>,
    /// Who waits for an answer, by the invocation's id.
    open: Mutex<HashMap<String, oneshot::Sender<Result<Value, Value>>>>,
    /// The function has asked for its first event.
    ready: Notify,
}

impl Default for Api {
    fn default() -> Self {
        Self { waiting: mpsc::unbounded_channel().1.into(), open: Mutex::default(), ready: Notify::default() }
    }
}

impl Api {
    /// Begins to answer; gives its address.
    async fn serve(self: Arc<Self>) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("there is a free port");
        let address = listener.local_addr().expect("it has an address").to_string();
        let invocation = Router::new()
            .route("/next", get(next))
            .route("/{id}/response", post(response))
            .route("/{id}/error", post(error))
            .with_state(self);
        let app = Router::new().nest("/2018-06-01/runtime/invocation", invocation);
        tokio::spawn(async { axum::serve(listener, app).await });
        address
    }

    fn answer(&self, id: &str, answer: Result<Value, Value>) -> StatusCode {
        let open = locked(&self.open).remove(id);
        open.map_or(StatusCode::BAD_REQUEST, |waiting| {
            let _ = waiting.send(answer);
            StatusCode::ACCEPTED
        })
    }
}

async fn next(State(api): State<Arc<Api>>) -> Response {
    api.ready.notify_one();
    let Some((event, answer)) = api.waiting.lock().await.recv().await else {
        return StatusCode::GONE.into_response();
    };
    let now = Clock::System.now().as_millisecond();
    let id = crate::random_word("invocation");
    locked(&api.open).insert(id.clone(), answer);
    let headers = [
        ("lambda-runtime-aws-request-id", id),
        ("lambda-runtime-deadline-ms", (now + 15_000).to_string()),
        ("lambda-runtime-invoked-function-arn", "arn:aws:lambda:us-east-1:111122223333:function:signet".to_owned()),
        ("lambda-runtime-trace-id", "Root=1-6968d7c0-0123456789abcdef01234567;Sampled=0".to_owned()),
    ];
    (headers, Json(event)).into_response()
}

async fn response(State(api): State<Arc<Api>>, Path(id): Path<String>, answer: Bytes) -> StatusCode {
    api.answer(&id, Ok(read(&answer)))
}

async fn error(State(api): State<Arc<Api>>, Path(id): Path<String>, error: Bytes) -> StatusCode {
    api.answer(&id, Err(read(&error)))
}

fn read(body: &[u8]) -> Value {
    serde_json::from_slice(body).expect("a function answers JSON")
}
