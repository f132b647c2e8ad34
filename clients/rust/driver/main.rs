//! Runs operations of the client that arrive as JSON lines on standard input, and answers each with a JSON line.
//! A test harness for all client libraries uses it.

use std::{
    error::Error as StdError,
    fs, io,
    process::exit,
    sync::{Arc, Mutex},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde_json::{json, Value};
use signet_client::{AppConfig, Error, License, Options, State};

/// The license, once it is open, and the states that it has reported.
#[derive(Default)]
struct Driver {
    license: Option<License>,
    changes: Arc<Mutex<Vec<Value>>>,
}

fn main() -> Result<(), Box<dyn StdError>> {
    let mut driver = Driver::default();
    for line in io::stdin().lines() {
        let command: Value = serde_json::from_str(&line?)?;
        if command["do"] == "exit" {
            exit(0);
        }
        println!("{}", driver.answer(&command)?);
    }
    exit(0);
}

impl Driver {
    fn answer(&mut self, command: &Value) -> Result<Value, Box<dyn StdError>> {
        let action = command["do"].as_str().ok_or("do must be a text")?;
        if action == "open" {
            return Ok(match self.open(command)? {
                Ok(license) => with_state(&license, None),
                Err(error) => json!({"error": error.code()}),
            });
        }
        let license = self.license.as_ref().ok_or("open comes first")?;
        let text = |name: &str| command[name].as_str().ok_or_else(|| format!("{name} must be a text"));
        let result = match action {
            "state" => Ok(()),
            "activate" => license.activate(text("license_key")?).map(drop),
            "deactivate" => license.deactivate().map(drop),
            "release" => {
                license.release();
                Ok(())
            }
            "close" => {
                license.close();
                Ok(())
            }
            "borrow" => {
                let until = command["until"].as_u64().ok_or("until must be a number")?;
                license.borrow(UNIX_EPOCH + Duration::from_secs(until)).map(drop)
            }
            "import_license_file" => license.import_license_file(text("file")?).map(drop),
            "offline_request" => match license.offline_request() {
                Ok(request) => return Ok(json!({"result": request})),
                Err(error) => Err(error),
            },
            "has" => return Ok(json!({"result": license.has(text("feature")?)})),
            "limit" => {
                let limit = license.limit(text("feature")?);
                return Ok(json!({"result": if limit == u64::MAX { json!("unlimited") } else { json!(limit) }}));
            }
            "diagnose" => return Ok(json!({"result": license.diagnose()})),
            "changes" => {
                let changes = std::mem::take(&mut *self.changes.lock().map_err(|error| error.to_string())?);
                return Ok(json!({"result": changes}));
            }
            _ => return Err(format!("unknown operation {action}").into()),
        };
        Ok(with_state(license, result.err().as_ref()))
    }

    fn open(&mut self, command: &Value) -> Result<Result<License, Error>, Box<dyn StdError>> {
        let config = match command["config"].to_string().parse::<AppConfig>() {
            Ok(config) => config,
            Err(error) => return Ok(Err(error)),
        };
        let opened = License::open(config, options(&command["options"])?);
        if let Ok(license) = &opened {
            let changes = self.changes.clone();
            license.on_change(move |state| {
                if let Ok(mut changes) = changes.lock() {
                    changes.push(to_json(state));
                }
            });
            self.license = Some(license.clone());
        }
        Ok(opened)
    }
}

fn options(options: &Value) -> Result<Options, io::Error> {
    let mut result = Options::new();
    let text = |name: &str| options[name].as_str();
    if let Some(folder) = text("folder") {
        result = result.storage_folder(folder);
    }
    if let Some(machine_id) = text("machine_id") {
        result = result.machine_id(machine_id);
    }
    if let Some(instance_id) = text("instance_id") {
        result = result.instance_id(instance_id);
    }
    if let Some(name) = text("machine_name") {
        result = result.machine_name(name);
    }
    if let Some(version) = text("app_version") {
        result = result.app_version(version);
    }
    if let Some(os) = text("os") {
        result = result.os(os);
    }
    if let Some(hostname) = text("hostname") {
        result = result.hostname(hostname);
    }
    if let Some(keep) = options["keep_license_key"].as_bool() {
        result = result.keep_license_key(keep);
    }
    if let Some(proxy) = text("proxy") {
        result = result.proxy(proxy);
    }
    if let Some(file) = text("ca_file") {
        result = result.ca_certificates(fs::read(file)?);
    }
    if let Some(seconds) = options["timeout_seconds"].as_f64() {
        result = result.timeout(Duration::from_secs_f64(seconds)).connect_timeout(Duration::from_secs_f64(seconds));
    }
    Ok(result)
}

fn with_state(license: &License, error: Option<&Error>) -> Value {
    let mut answer = json!({"state": to_json(&license.state())});
    if let Some(error) = error {
        answer["error"] = json!(error.code());
    }
    answer
}

fn to_json(state: &State) -> Value {
    let mut json = json!({"state": state.name()});
    match state {
        State::Unactivated { has_license_key, reason } => {
            json["has_license_key"] = json!(has_license_key);
            json["reason"] = json!(reason.map(|reason| reason.to_string()));
        }
        State::ClockTampered => {}
        State::Active { until, in_grace, grace_ends_at } => {
            json["until"] = seconds(*until);
            json["in_grace"] = json!(in_grace);
            json["grace_ends_at"] = grace_ends_at.map_or(Value::Null, seconds);
        }
        State::Offline { until, reason } => {
            json["until"] = seconds(*until);
            json["reason"] = json!(reason.to_string());
        }
        State::Expired { since } => json["since"] = seconds(*since),
        State::Refused { code, retry_at } => {
            json["code"] = json!(code);
            json["retry_at"] = retry_at.map_or(Value::Null, seconds);
        }
    }
    json
}

fn seconds(time: SystemTime) -> Value {
    json!(time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs())
}
