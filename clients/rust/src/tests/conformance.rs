use std::{
    collections::HashMap,
    fs,
    sync::{Arc, Mutex},
};

use base64::{prelude::BASE64_URL_SAFE_NO_PAD, Engine};
use serde_json::{json, Value};

use super::{conformance_file, conformance_folder, world::World};
use crate::{
    client::Client,
    config::AppConfig,
    error::Error,
    identity::Identity,
    requests::MachineFacts,
    state::State,
    time::{from_system_time, seconds, whole},
};

/// Returns the names of all files of scenarios.
fn groups() -> Vec<String> {
    let files = fs::read_dir(conformance_folder().join("scenarios")).unwrap();
    files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn every_scenario_passes() {
    let config = conformance_file("config.json");
    let mut count = 0;
    let mut failures = Vec::new();
    for group in groups() {
        for scenario in conformance_file(&format!("scenarios/{group}")).as_array().unwrap() {
            count += 1;
            if let Err(failure) = run_scenario(&config, scenario) {
                failures.push(format!("{group}: {}: {failure}", scenario["name"].as_str().unwrap()));
            }
        }
    }
    println!("{count} scenarios");
    assert!(failures.is_empty(), "{} of {count} failed\n{}", failures.len(), failures.join("\n"));
}

/// One client of a scenario, with the states that it has reported.
pub(super) struct TestClient {
    pub(super) client: Client,
    changes: Arc<Mutex<Vec<Value>>>,
}

fn run_scenario(config: &Value, scenario: &Value) -> Result<(), String> {
    let options = &scenario["options"];
    let world = Arc::new(World::of_scenario(scenario));
    let mut clients = HashMap::new();
    for (index, step) in scenario["steps"].as_array().unwrap().iter().enumerate() {
        run_step(config, options, &world, &mut clients, step)
            .map_err(|failure| format!("step {} ({}): {failure}", index + 1, step["do"].as_str().unwrap()))?;
    }
    Ok(())
}

fn run_step(
    config: &Value,
    options: &Value,
    world: &Arc<World>,
    clients: &mut HashMap<String, TestClient>,
    step: &Value,
) -> Result<(), String> {
    let name = step["client"].as_str().unwrap_or("a").to_owned();
    let action = step["do"].as_str().unwrap();
    *world.responses.lock().unwrap() = step["responses"].as_array().cloned().unwrap_or_default().into();
    world.requests.lock().unwrap().clear();
    match action {
        "open" => drop(clients.insert(name.clone(), open(config, options, world))),
        "restart" => drop(clients.remove(&name)),
        "advance" => world.move_clock(number(&step["seconds"]), number(&step["seconds"])),
        "set_clock" => world.move_clock(number(&step["seconds"]), 0.0),
        _ => {}
    }
    let Some(TestClient { client, changes }) = clients.get(&name) else { return Ok(()) };
    if action != "open" {
        changes.lock().unwrap().clear();
    }
    let result = perform(client, action, step);
    let code = result.as_ref().err().map_or(Value::Null, |error| json!(error.code()));
    compare("error", &step["error"], &code)?;
    if let Err(error) = &result {
        compare_message(step, &error.to_string())?;
    }
    compare("requests", step.get("requests").unwrap_or(&json!([])), &json!(*world.requests.lock().unwrap()))?;
    compare("unused responses", &json!(0), &json!(world.responses.lock().unwrap().len()))?;
    if step.get("result").is_some() {
        compare("result", &step["result"], &result.unwrap_or_default())?;
    }
    if !step["changes"].is_null() {
        compare("changes", &step["changes"], &json!(*changes.lock().unwrap()))?;
    }
    if !step["state"].is_null() {
        compare("state", &step["state"], &state_to_json(&client.state()))?;
    }
    compare_next(step, client)?;
    compare_storage(&step["storage"], world)
}

pub(super) fn open(config: &Value, options: &Value, world: &Arc<World>) -> TestClient {
    let app: AppConfig = config.to_string().parse().unwrap();
    let text = |name: &str| options[name].as_str().map(str::to_owned);
    let identity = Identity {
        issuer: app.issuer.clone(),
        product: app.product.clone(),
        api_url: app.api_url().unwrap().to_owned(),
        root_keys: app.root_keys().unwrap(),
        machine_id: config["machine_id"].as_str().unwrap().to_owned(),
        is_ephemeral: options["ephemeral"] == true,
        instance_id: text("instance_id"),
    };
    let facts = MachineFacts {
        machine_name: text("machine_name"),
        app_version: text("app_version"),
        os: text("os"),
        hostname: text("hostname"),
    }
    .cut();
    let client = Client::open(identity, facts, options["keep_license_key"] != false, world.ports());
    let changes = Arc::new(Mutex::new(Vec::new()));
    let reported = changes.clone();
    client.on_change(Arc::new(move |state| reported.lock().unwrap().push(state_to_json(state))));
    TestClient { client, changes }
}

/// Performs the operation of a step. Returns its result, or null.
fn perform(client: &Client, action: &str, step: &Value) -> Result<Value, Error> {
    let text = |name: &str| step[name].as_str().unwrap();
    match action {
        "run" => client.run(),
        "activate" => drop(client.activate(text("license_key"))?),
        "deactivate" => drop(client.deactivate()?),
        "release" => drop(client.release()),
        "close" => client.close(),
        "refresh" => drop(client.refresh()),
        "borrow" => drop(client.borrow(number(&step["until"]))?),
        "import_license_file" => drop(client.import_license_file(text("file").as_bytes())?),
        "offline_request" => {
            let request = client.offline_request()?;
            let object = BASE64_URL_SAFE_NO_PAD.decode(request.strip_prefix("signet-request/1:").unwrap()).unwrap();
            return Ok(serde_json::from_slice(&object).unwrap());
        }
        "has" => return Ok(json!(client.has(text("feature")))),
        "limit" => {
            let limit = client.limit(text("feature"));
            return Ok(if limit == u64::MAX { json!("unlimited") } else { json!(limit) });
        }
        "diagnose" => {
            let report = client.diagnose();
            let contains = |list: &str, is_expected: bool| {
                for part in step[list].as_array().into_iter().flatten() {
                    assert_eq!(report.contains(part.as_str().unwrap()), is_expected, "{part} in {report}");
                }
            };
            contains("contains", true);
            contains("excludes", false);
        }
        _ => {}
    }
    Ok(Value::Null)
}

pub(super) fn state_to_json(state: &State) -> Value {
    let time = |time: &std::time::SystemTime| whole(from_system_time(*time));
    let mut json = json!({"state": state.name()});
    match state {
        State::Unactivated { has_license_key, reason } => {
            json["has_license_key"] = json!(has_license_key);
            json["reason"] = json!(reason.map(|reason| reason.to_string()));
        }
        State::ClockTampered => {}
        State::Active { until, in_grace, grace_ends_at } => {
            json["until"] = json!(time(until));
            json["in_grace"] = json!(in_grace);
            json["grace_ends_at"] = json!(grace_ends_at.as_ref().map(time));
        }
        State::Offline { until, reason } => {
            json["until"] = json!(time(until));
            json["reason"] = json!(reason.to_string());
        }
        State::Expired { since } => json["since"] = json!(time(since)),
        State::Refused { code, retry_at } => {
            json["code"] = json!(code);
            json["retry_at"] = json!(retry_at.as_ref().map(time));
        }
    }
    json
}

/// Compares the message of an error: one line, without a secret.
fn compare_message(step: &Value, message: &str) -> Result<(), String> {
    for (list, is_expected) in [("message", true), ("message_excludes", false)] {
        for part in step[list].as_array().into_iter().flatten() {
            if message.contains(part.as_str().unwrap()) != is_expected {
                return Err(format!("{list}: {part}, got {message}"));
            }
        }
    }
    // A shorter text is no secret.
    let license_key = step["license_key"].as_str().unwrap_or("ATLAS-").trim();
    let has_license_key = license_key.len() >= 8 && message.contains(license_key);
    if message.contains(char::is_control) || has_license_key || message.contains("eyJ") {
        return Err(format!("message: {message}"));
    }
    Ok(())
}

fn compare_next(step: &Value, client: &Client) -> Result<(), String> {
    let Some(expected) = step.get("next") else { return Ok(()) };
    let next = client.seconds_until_request();
    let is_equal = match (expected.as_f64(), next) {
        (Some(expected), Some(next)) => (expected - next).abs() <= 1.0,
        (expected, next) => expected.is_none() && next.is_none(),
    };
    if is_equal {
        Ok(())
    } else {
        Err(format!("next: expected {expected}, got {next:?}"))
    }
}

fn compare_storage(expected: &Value, world: &World) -> Result<(), String> {
    let Some(expected) = expected.as_object() else { return Ok(()) };
    let storage = world.storage.lock().unwrap();
    for (name, content) in expected {
        let stored = storage.get(name);
        match content {
            Value::Object(fields) => {
                let stored = stored.map(|text| serde_json::from_str::<Value>(text).unwrap()).unwrap_or_default();
                for (field, value) in fields {
                    compare(&format!("{name}, {field}"), value, &stored[field])?;
                }
            }
            _ => compare(name, content, &json!(stored))?,
        }
    }
    Ok(())
}

fn compare(what: &str, expected: &Value, actual: &Value) -> Result<(), String> {
    if expected == actual {
        return Ok(());
    }
    Err(format!("{what}: expected {expected}, got {actual}"))
}

fn number(value: &Value) -> f64 {
    seconds(value.as_i64().unwrap())
}
