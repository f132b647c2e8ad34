use std::{env, fmt::Write, fs, path::Path};

use ring::digest;

use crate::{
    ports::Random,
    system::{self, SystemRandom},
};

/// Files with the identifier of an installation of Linux.
const LINUX_FILES: [&str; 2] = ["/etc/machine-id", "/var/lib/dbus/machine-id"];
/// Files that exist in containers.
const CONTAINER_FILES: [&str; 2] = ["/.dockerenv", "/run/.containerenv"];
/// Environment variables that are set in containers and functions.
const CONTAINER_VARIABLES: [&str; 4] =
    ["KUBERNETES_SERVICE_HOST", "container", "AWS_LAMBDA_FUNCTION_NAME", "ECS_CONTAINER_METADATA_URI_V4"];

/// What the machine id is derived from.
pub(crate) trait Machine {
    /// Returns the name of the operating system: `linux`, `macos`, `windows` or another one.
    fn system(&self) -> &str;
    fn read_file(&self, path: &str) -> Option<String>;
    fn exists(&self, path: &str) -> bool;
    fn variable(&self, name: &str) -> Option<String>;
    /// Runs a program, and returns its output.
    fn run(&self, program: &str, arguments: &[&str]) -> Option<String>;
}

/// Returns an id that stays the same across restarts, or `None` in a container or a CI job, and if the system has no identifier.
pub(crate) fn derive(product: &str, machine: &impl Machine) -> Option<String> {
    if is_ephemeral(machine) {
        return None;
    }
    let identifier = match machine.system() {
        "macos" => {
            let output = machine.run("ioreg", &["-rd1", "-c", "IOPlatformExpertDevice"])?;
            let line = output.lines().find(|line| line.contains("\"IOPlatformUUID\""))?;
            normalize(line.split('"').nth(3)?)
        }
        "windows" => {
            let key = r"HKLM\SOFTWARE\Microsoft\Cryptography";
            let output = machine.run("reg", &["query", key, "/v", "MachineGuid", "/reg:64"])?;
            let line = output.lines().find(|line| line.contains("MachineGuid"))?;
            normalize(line.split_whitespace().last()?)
        }
        _ => LINUX_FILES.iter().find_map(|path| normalize(&machine.read_file(path)?)),
    }?;
    Some(hash(product, &identifier))
}

/// Returns a random id for this process.
pub(crate) fn ephemeral() -> String {
    format!("ephemeral-{}", SystemRandom.id())
}

fn is_ephemeral(machine: &impl Machine) -> bool {
    let is_ci = machine.variable("CI").is_some_and(|value| !value.is_empty() && value != "false");
    is_ci
        || CONTAINER_FILES.iter().any(|path| machine.exists(path))
        || CONTAINER_VARIABLES.iter().any(|name| machine.variable(name).is_some_and(|value| !value.is_empty()))
}

fn normalize(identifier: &str) -> Option<String> {
    let identifier = identifier.trim().to_lowercase();
    (!identifier.is_empty() && identifier != "uninitialized").then_some(identifier)
}

fn hash(product: &str, identifier: &str) -> String {
    let text = format!("signet-machine-id/1\n{product}\n{identifier}");
    let hash = digest::digest(&digest::SHA256, text.as_bytes());
    hash.as_ref().iter().fold(String::with_capacity(64), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// The machine on which the app runs.
pub(crate) struct ThisMachine;

impl Machine for ThisMachine {
    fn system(&self) -> &str {
        env::consts::OS
    }

    fn read_file(&self, path: &str) -> Option<String> {
        fs::read_to_string(path).ok()
    }

    fn exists(&self, path: &str) -> bool {
        Path::new(path).exists()
    }

    fn variable(&self, name: &str) -> Option<String> {
        env::var_os(name).map(|value| value.to_string_lossy().into_owned())
    }

    fn run(&self, program: &str, arguments: &[&str]) -> Option<String> {
        system::run(program, arguments)
    }
}
