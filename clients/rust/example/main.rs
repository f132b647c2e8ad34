//! A licensed program.
//!
//! ```text
//! cargo run --example app -- status            print the state of the license
//! cargo run --example app -- activate KEY      activate this machine
//! cargo run --example app -- run               do licensed work until the license ends
//! cargo run --example app -- offline-request   print a request for a license file
//! cargo run --example app -- import FILE       import a license file
//! cargo run --example app -- deactivate        free the seat
//! cargo run --example app -- diagnose          print a report for support
//! ```
//!
//! It reads `signet-app.json` from the working directory; a real program compiles it in with `include_str!`.

use std::{env, error::Error, fs, process::ExitCode, thread, time::Duration};

use signet_client::{License, OfflineReason, Options, State};

const USAGE: &str = "usage: app status | activate KEY | run | offline-request | import FILE | deactivate | diagnose";

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let config = fs::read_to_string("signet-app.json")?.parse()?;
    let license = License::open(config, Options::new().app_version(env!("CARGO_PKG_VERSION")))?;
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["status"] => println!("{}", describe(&license.state())),
        ["activate", key] => println!("{}", describe(&license.activate(key)?)),
        ["run"] => work(&license)?,
        ["offline-request"] => println!("{}", license.offline_request()?),
        ["import", file] => println!("{}", describe(&license.import_license_file(fs::read(file)?)?)),
        ["deactivate"] => println!("{}", describe(&license.deactivate()?)),
        ["diagnose"] => println!("{}", license.diagnose()),
        _ => return Err(USAGE.into()),
    }
    license.close();
    Ok(())
}

/// Does licensed work. Asks before each piece whether the app may still run.
fn work(license: &License) -> Result<(), Box<dyn Error>> {
    license.on_change(|state| println!("license: {}", describe(state)));
    println!("license: {}", describe(&license.state()));
    for piece in 1.. {
        let state = license.state();
        if !state.may_run() {
            return Err(describe(&state).into());
        }
        println!("piece {piece}, at most {} rows", license.limit("export.rows"));
        if license.has("export.pdf") {
            println!("piece {piece}, as PDF");
        }
        thread::sleep(Duration::from_secs(2));
    }
    Ok(())
}

/// Says to the user what the state means.
fn describe(state: &State) -> String {
    match state {
        State::Unactivated { reason: Some(OfflineReason::NotContacted), .. } => "activating…".to_owned(),
        State::Unactivated { reason: Some(reason), .. } => format!("no connection ({reason}): tried again by itself"),
        State::Unactivated { reason: None, .. } => "not activated: enter a license key".to_owned(),
        State::Active { in_grace: true, .. } => "active, but the license key has expired: renew it soon".to_owned(),
        State::Active { .. } => "active".to_owned(),
        State::Offline { reason, .. } => format!("the license could not be renewed ({reason}): connect to the network"),
        State::Expired { .. } => {
            "the license has ended: connect to the network, or import a new license file".to_owned()
        }
        State::Refused { code, .. } if code == "wrong_product" => "this license key is for another product".to_owned(),
        State::Refused { code, .. } => format!("the license was refused: {code}"),
        State::ClockTampered => "the clock was set back: set it right, and connect to the network".to_owned(),
    }
}
