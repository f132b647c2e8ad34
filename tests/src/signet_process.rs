//! The `signet` binary as a child process of a test.

use std::{
    fs,
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use serde_json::Value;

use crate::text;

/// Time between two looks at a file that a process is about to write.
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// A running `signet` process, killed on drop.
#[derive(Debug)]
pub struct SignetProcess {
    child: Child,
    /// The contents of its `local.json`.
    pub local: Value,
}

impl SignetProcess {
    /// Starts the command, whose data directory is `directory`, and waits until it accepts requests.
    pub fn spawn(directory: &Path, command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().expect("the binary exists");
        let mut output = BufReader::new(child.stdout.take().expect("stdout is piped"));
        let mut first = String::new();
        output.read_line(&mut first).expect("stdout is readable");
        assert!(first.starts_with("Signet is running at http://127.0.0.1:"), "{first}");
        let local = read_local_json(directory).expect("local.json exists while the process runs");
        Self { child, local }
    }

    /// Starts a command that sets stdout and stderr itself, and waits until it has written `local.json`.
    pub fn spawn_with_own_output(directory: &Path, command: &mut Command) -> Self {
        let mut child = command.spawn().expect("the binary exists");
        loop {
            if let Some(local) = read_local_json(directory) {
                return Self { child, local };
            }
            let exited = child.try_wait().expect("a child process");
            assert!(exited.is_none(), "the process ended: {exited:?}");
            thread::sleep(POLL_INTERVAL);
        }
    }

    /// Returns the URL of a path.
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", text(&self.local["base_url"]))
    }

    /// Returns the operator's API key.
    pub fn key(&self) -> String {
        text(&self.local["operator_api_key"]).to_owned()
    }

    /// Sends a signal, such as `TERM`, waits until the process has exited and returns its exit code.
    pub fn signal(mut self, name: &str) -> i32 {
        // Shells have `kill` built in; the program may be missing.
        let kill = format!("kill -s {name} {}", self.child.id());
        let sent = Command::new("sh").args(["-c", &kill]).status().expect("sh exists");
        assert!(sent.success());
        self.child.wait().expect("the process exits").code().expect("an exit code, not a signal")
    }

    /// Kills the process (`SIGKILL`) and waits until it has exited.
    pub fn kill(&mut self) {
        self.child.kill().expect("the process runs");
        self.child.wait().expect("the process exits");
    }
}

/// Returns the content of `local.json`, if the file exists. The process creates it in one step.
fn read_local_json(directory: &Path) -> Option<Value> {
    let file = fs::read(directory.join("local.json")).ok()?;
    Some(serde_json::from_slice(&file).expect("JSON"))
}

impl Drop for SignetProcess {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
