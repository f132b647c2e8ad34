//! Processes: exits, forks, and the environment. Without the harness of cargo, because a process with one thread forks.
#![allow(clippy::unwrap_used, reason = "clippy.toml allows it only in functions of the harness")]

mod common;

use std::{
    env, fs,
    net::TcpListener,
    path::Path,
    process::{exit, Child, Command, Stdio},
    sync::mpsc::channel,
    thread,
    time::{Duration, Instant},
};

use common::{api, options, Server, LICENSE_KEY};
use nix::unistd::{fork, ForkResult};
use signet_client::License;
use tempfile::tempdir;

fn main() {
    let arguments: Vec<String> = env::args().collect();
    if let [_, "process", mode, folder] = arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        return run_process(mode, Path::new(folder));
    }
    let tests: [(&str, fn()); 5] = [
        ("a_process_exits_at_once_although_a_request_is_on_its_way", exits_at_once),
        ("the_background_thread_starts_again_in_a_forked_child", forks),
        ("a_closed_license_stays_closed_in_a_forked_child", forks_after_close),
        ("the_proxy_of_the_environment_is_used_unless_no_proxy_names_the_host", uses_the_proxy_of_the_environment),
        ("the_proxy_of_the_environment_is_not_used_for_a_loopback_host", uses_no_proxy_for_a_loopback_host),
    ];
    for (name, test) in tests {
        test();
        println!("test {name} ... ok");
    }
}

/// What a process of a test does.
fn run_process(mode: &str, folder: &Path) {
    let config = fs::read_to_string(folder.join("signet-app.json")).unwrap().parse().unwrap();
    let license = License::open(config, options(folder.join("storage"))).unwrap();
    match mode {
        "exit" => wait_for_file(&folder.join("stop")),
        "fork" => fork_and_exit(&license, folder),
        "close-and-fork" => {
            license.close();
            fork_and_exit(&license, folder);
        }
        "activate" => exit(i32::from(license.activate(LICENSE_KEY).is_err())),
        _ => panic!("unknown mode {mode}"),
    }
}

/// Forks, and ends the parent. The child uses the license until the test ends.
fn fork_and_exit(license: &License, folder: &Path) {
    // SAFETY: the child only reads files, and uses the license, which is what is tested.
    #[expect(unsafe_code, reason = "fork is unsafe")]
    let forked = unsafe { fork() };
    match forked.unwrap() {
        ForkResult::Parent { .. } => exit(0),
        ForkResult::Child => {
            assert!(license.state().may_run());
            wait_for_file(&folder.join("stop"));
            exit(0);
        }
    }
}

/// Waits until the file exists, but not without end.
fn wait_for_file(path: &Path) {
    let start = Instant::now();
    while !path.exists() && start.elapsed() < Duration::from_secs(60) {
        thread::sleep(Duration::from_millis(50));
    }
}

/// Starts a process of a test, with an environment without proxies.
fn start(mode: &str, folder: &Path, environment: &[(&str, &str)]) -> Child {
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["process".as_ref(), mode.as_ref(), folder.as_os_str()]).stdin(Stdio::null());
    for name in ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy"] {
        command.env_remove(name);
    }
    command.envs(environment.iter().copied()).spawn().unwrap()
}

/// Creates a folder with the configuration for a server and an activated license.
fn activated(server: &Server) -> tempfile::TempDir {
    let folder = tempdir().unwrap();
    fs::write(folder.path().join("signet-app.json"), server.config_json().to_string()).unwrap();
    let license = License::open(server.config(), options(folder.path().join("storage"))).unwrap();
    license.activate(LICENSE_KEY).unwrap();
    license.close();
    folder
}

fn exits_at_once() {
    let handler = |request: &common::Request| if request.path.ends_with("/heartbeat") { None } else { api(request) };
    let server = Server::start(handler);
    let folder = activated(&server);
    let mut process = start("exit", folder.path(), &[]);
    wait_for_heartbeat(&server);
    let stopped = Instant::now();
    fs::write(folder.path().join("stop"), "").unwrap();
    assert!(process.wait().unwrap().success());
    // The time-out of the heartbeat is 30 seconds.
    assert!(stopped.elapsed() < Duration::from_secs(10));
}

fn wait_for_heartbeat(server: &Server) {
    while !server.requests.recv_timeout(Duration::from_secs(30)).unwrap().path.ends_with("/heartbeat") {}
}

fn forks() {
    let server = Server::start(api);
    let folder = activated(&server);
    assert!(start("fork", folder.path(), &[]).wait().unwrap().success());
    drop(server.paths());
    // The first one may be the last one of the parent.
    wait_for_heartbeat(&server);
    wait_for_heartbeat(&server);
    fs::write(folder.path().join("stop"), "").unwrap();
}

fn forks_after_close() {
    let server = Server::start(api);
    let folder = activated(&server);
    assert!(start("close-and-fork", folder.path(), &[]).wait().unwrap().success());
    drop(server.paths());
    assert!(server.requests.recv_timeout(Duration::from_secs(7)).is_err());
    fs::write(folder.path().join("stop"), "").unwrap();
}

fn uses_the_proxy_of_the_environment() {
    let folder = tempdir().unwrap();
    let mut config = Server::start(api).config_json();
    // There is no such host.
    config["api_url"] = "https://licenses.invalid".into();
    fs::write(folder.path().join("signet-app.json"), config.to_string()).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let proxy = format!("http://{}", listener.local_addr().unwrap());
    let (sender, requests) = channel();
    thread::spawn(move || {
        for mut client in listener.incoming().flatten() {
            sender.send(common::read_request(&mut client).unwrap().path).unwrap();
        }
    });
    let is_used = |environment: &[_]| {
        assert!(!start("activate", folder.path(), environment).wait().unwrap().success());
        requests.try_iter().any(|host| host == "licenses.invalid:443")
    };
    assert!(is_used(&[("HTTPS_PROXY", &proxy)]));
    assert!(is_used(&[("https_proxy", &proxy), ("NO_PROXY", "example.com")]));
    assert!(!is_used(&[("HTTP_PROXY", &proxy)]));
    assert!(!is_used(&[("HTTPS_PROXY", &proxy), ("NO_PROXY", "example.com, licenses.invalid")]));
}

fn uses_no_proxy_for_a_loopback_host() {
    let server = Server::start(api);
    let folder = activated(&server);
    for name in ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY"] {
        // Port 1 refuses connections.
        assert!(start("activate", folder.path(), &[(name, "http://127.0.0.1:1")]).wait().unwrap().success(), "{name}");
    }
}
