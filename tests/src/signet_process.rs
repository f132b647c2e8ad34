//! The real binary, as a child of a test.

use std::{
    fs,
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
};

use serde_json::Value;

use crate::text;

/// A running one, killed in the end.
#[derive(Debug)]
pub struct SignetProcess {
    child: Child,
    /// What is in its `local.json`.
    pub local: Value,
}

impl SignetProcess {
    /// Starts one with this folder, as the command says, and waits until it says that it answers.
    pub fn spawn(folder: &Path, command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().expect("the binary is there");
        let mut said = BufReader::new(child.stdout.take().expect("it was asked for"));
        let mut first = String::new();
        said.read_line(&mut first).expect("it speaks");
        assert!(first.starts_with("Signet is running at http://127.0.0.1:"), "{first}");
        let file = fs::read(folder.join("local.json")).expect("local.json is there while it answers");
        let local = serde_json::from_slice(&file).expect("JSON");
        Self { child, local }
    }

    /// Where a path is.
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", text(&self.local["base_url"]))
    }

    /// The operator's API key.
    pub fn key(&self) -> String {
        text(&self.local["operator_api_key"]).to_owned()
    }

    /// Asks it to end, and waits until it has.
    pub fn signal(mut self, name: &str) -> i32 {
        // The shell has one of its own, where there is no such program.
        let kill = format!("kill -s {name} {}", self.child.id());
        let sent = Command::new("sh").args(["-c", &kill]).status().expect("there is a shell");
        assert!(sent.success());
        self.child.wait().expect("it ends").code().expect("by itself")
    }

    /// kill -9
    pub fn kill(&mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it ends");
    }
}

impl Drop for SignetProcess {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
