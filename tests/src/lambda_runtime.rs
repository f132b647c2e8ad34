//! Runs function binaries as Lambda does: a process with Lambda's environment variables and the Lambda runtime API.

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
const TIMEOUT: Duration = Duration::from_secs(30);

/// The environment variables of a function.
pub type Environment = BTreeMap<&'static str, String>;

/// A running function binary that waits for events. The process is killed on drop.
#[derive(Debug)]
pub struct Function {
    child: Child,
    log: Log,
    events: mpsc::UnboundedSender<Invocation>,
}

/// The end of a function's process.
#[derive(Debug)]
pub struct FunctionExit {
    /// The exit code, or `None` if the process was killed by a signal.
    pub code: Option<i32>,
    /// The lines of stdout and stderr, as CloudWatch would receive them.
    pub log: Vec<String>,
}

type Log = Arc<Mutex<Vec<String>>>;

/// An event, and the sender for its result: the response or the function's error.
type Invocation = (Value, oneshot::Sender<Result<Value, Value>>);

impl Function {
    /// Starts a function with these variables and those that Lambda sets. Returns an error if the process exits before
    /// it requests its first event.
    pub async fn start(name: &str, variables: &Environment) -> Result<Self, FunctionExit> {
        let mut all = lambda_variables(name);
        all.extend(variables.clone());
        Self::launch(name, &all).await
    }

    /// Starts a function with only these variables, as from a shell.
    pub async fn start_outside_lambda(name: &str, variables: &Environment) -> Result<Self, FunctionExit> {
        Self::launch(name, variables).await
    }

    async fn launch(name: &str, variables: &Environment) -> Result<Self, FunctionExit> {
        let (events, pending) = mpsc::unbounded_channel();
        let api = Arc::new(RuntimeApi { pending: pending.into(), ..RuntimeApi::default() });
        let address = api.clone().serve().await;
        let mut variables = variables.clone();
        if variables.contains_key(RUNTIME_API) {
            variables.insert(RUNTIME_API, address);
        }
        let (mut child, log, exited) = spawn(name, &variables);
        let started = async {
            tokio::select! {
                () = api.ready.notified() => true,
                _ = exited => false,
            }
        };
        match timeout(TIMEOUT, started).await {
            Ok(true) => Ok(Self { child, log, events }),
            Ok(false) => {
                let code = child.wait().expect("the process has exited").code();
                let log = locked(&log).clone();
                Err(FunctionExit { code, log })
            }
            Err(_) => {
                let _ = child.kill();
                panic!("{name} neither requests an event nor exits: {:#?}", locked(&log))
            }
        }
    }

    /// Invokes the function with an event. Returns its response, or the error that it reports to Lambda.
    pub async fn invoke(&self, event: Value) -> Result<Value, Value> {
        let (sender, receiver) = oneshot::channel();
        self.events.send((event, sender)).expect("the runtime API runs");
        match timeout(TIMEOUT, receiver).await {
            Ok(Ok(result)) => result,
            _ => panic!("no response: {:#?}", self.log()),
        }
    }

    /// Waits until the log has a line with this text. A line can arrive later than the response of its request.
    ///
    /// # Panics
    ///
    /// Panics after five seconds.
    pub async fn wait_for_log(&self, text: &str) {
        for _ in 0..500 {
            if self.log().iter().any(|line| line.contains(text)) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{text} is not logged: {:#?}", self.log());
    }

    /// Returns the lines of stdout and stderr so far.
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

/// Returns the variables that Lambda sets.
fn lambda_variables(name: &str) -> Environment {
    Environment::from([
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

/// Starts a process. The receiver completes when the process has closed its output.
fn spawn(name: &str, variables: &Environment) -> (Child, Log, oneshot::Receiver<()>) {
    let folder = env::var("SIGNET_TEST_FUNCTIONS").expect("tests/functions.sh sets SIGNET_TEST_FUNCTIONS");
    let (output, stdout) = io::pipe().expect("a pipe");
    let stderr = stdout.try_clone().expect("a pipe");
    // The command owns the pipe's write ends; dropping it lets the reader see the end of the output.
    let child = {
        let mut command = Command::new(PathBuf::from(folder).join(name));
        command.env_clear().envs(variables).stdout(stdout).stderr(stderr);
        command.spawn().expect("the binary exists")
    };
    let log = Log::default();
    let (sender, exited) = oneshot::channel();
    let lines = Arc::clone(&log);
    thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            locked(&lines).push(line);
        }
        let _ = sender.send(());
    });
    (child, log, exited)
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The Lambda runtime API of one function.
#[derive(Debug)]
struct RuntimeApi {
    /// Events that the function has not requested yet.
    pending: tokio::sync::Mutex<mpsc::UnboundedReceiver<Invocation>>,
    /// The invocations in progress, by request id.
    in_progress: Mutex<HashMap<String, oneshot::Sender<Result<Value, Value>>>>,
    /// Notified when the function requests its first event.
    ready: Notify,
}

impl Default for RuntimeApi {
    fn default() -> Self {
        Self { pending: mpsc::unbounded_channel().1.into(), in_progress: Mutex::default(), ready: Notify::default() }
    }
}

impl RuntimeApi {
    /// Starts the server and returns its address.
    async fn serve(self: Arc<Self>) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("a local address").to_string();
        let invocation = Router::new()
            .route("/next", get(next))
            .route("/{id}/response", post(response))
            .route("/{id}/error", post(error))
            .with_state(self);
        let app = Router::new().nest("/2018-06-01/runtime/invocation", invocation);
        tokio::spawn(async { axum::serve(listener, app).await });
        address
    }

    fn complete(&self, id: &str, result: Result<Value, Value>) -> StatusCode {
        let sender = locked(&self.in_progress).remove(id);
        sender.map_or(StatusCode::BAD_REQUEST, |sender| {
            let _ = sender.send(result);
            StatusCode::ACCEPTED
        })
    }
}

async fn next(State(api): State<Arc<RuntimeApi>>) -> Response {
    api.ready.notify_one();
    let Some((event, sender)) = api.pending.lock().await.recv().await else {
        return StatusCode::GONE.into_response();
    };
    let now = Clock::System.now().as_millisecond();
    let id = crate::random_word("invocation");
    locked(&api.in_progress).insert(id.clone(), sender);
    let headers = [
        ("lambda-runtime-aws-request-id", id),
        ("lambda-runtime-deadline-ms", (now + 15_000).to_string()),
        ("lambda-runtime-invoked-function-arn", "arn:aws:lambda:us-east-1:111122223333:function:signet".to_owned()),
        ("lambda-runtime-trace-id", "Root=1-6968d7c0-0123456789abcdef01234567;Sampled=0".to_owned()),
    ];
    (headers, Json(event)).into_response()
}

async fn response(State(api): State<Arc<RuntimeApi>>, Path(id): Path<String>, body: Bytes) -> StatusCode {
    api.complete(&id, Ok(parse(&body)))
}

async fn error(State(api): State<Arc<RuntimeApi>>, Path(id): Path<String>, error: Bytes) -> StatusCode {
    api.complete(&id, Err(parse(&error)))
}

fn parse(body: &[u8]) -> Value {
    serde_json::from_slice(body).expect("a JSON body")
}
