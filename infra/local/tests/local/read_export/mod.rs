//! `signet read-export` on the items of a running stack, written as DynamoDB writes an export.

mod contents;
mod faults;
mod writer;

use std::{
    path::Path,
    process::{Command, Output},
};

fn command(directory: &Path, more: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_signet"));
    command.arg("read-export").arg(directory).args(more);
    command
}

fn read_export(directory: &Path, more: &[&str]) -> Output {
    command(directory, more).output().unwrap()
}
