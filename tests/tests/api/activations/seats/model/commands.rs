//! The requests of commands, what they may return, and what must be possible when nothing runs any more.

use std::{panic::AssertUnwindSafe, pin::Pin};

use futures_util::FutureExt;
use jiff::SignedDuration;
use signet_tests::{TestResponse, Value, json, text};

use super::{
    scenario::{BORROW, Command, LicenseKind},
    table::TableState,
    world::{Clients, INSTANCE_ID, World, machine_id},
};

type Request = Pin<Box<dyn Future<Output = TestResponse> + Send>>;

/// Returns the request of a command; `None` if the machine has no token to send, and for a step of the clock.
pub(super) fn request(
    world: &World,
    (clients, kind): (&Clients, LicenseKind),
    license_id: &str,
    command: Command,
) -> Option<Request> {
    let (app, operator) = (world.stack.anonymous.clone(), world.stack.operator.clone());
    let change = |body: Value| -> Request {
        let (operator, path) = (operator.clone(), format!("license-keys/{license_id}/change"));
        Box::pin(async move { operator.post(&path, body).await })
    };
    let transition = |action: &str| -> Request {
        let (operator, path) = (operator.clone(), format!("license-keys/{license_id}/{action}"));
        Box::pin(async move { operator.post(&path, json!({})).await })
    };
    let borrow_until = || (world.stack.clock.now() + SignedDuration::from_secs(BORROW)).to_string();
    let activate = |number, borrow_until: Option<String>| -> Request {
        let mut body = activation(kind, &clients.license_key.1, &machine_id(number));
        if let Some(until) = borrow_until {
            body["borrow_until"] = until.into();
        }
        let app = app.clone();
        Box::pin(async move { app.post("license-activations/activate", body).await })
    };
    let heartbeat = |number, token: String, borrow_until: Option<String>| -> Request {
        let mut body = json!({"token": token, "machine_id": machine_id(number)});
        if let Some(until) = borrow_until {
            body["borrow_until"] = until.into();
        }
        if kind == LicenseKind::Processes {
            body["instance_id"] = INSTANCE_ID.into();
        }
        let app = app.clone();
        Box::pin(async move { app.post("license-keys/heartbeat", body).await })
    };
    Some(match command {
        Command::Activate(number) => activate(number, None),
        Command::ActivateAndBorrow(number) => activate(number, Some(borrow_until())),
        Command::Heartbeat(number) => heartbeat(number, clients.machines[number].clone()?.1, None),
        Command::Borrow(number) => heartbeat(number, clients.machines[number].clone()?.1, Some(borrow_until())),
        Command::OldHeartbeat(number) => heartbeat(number, clients.old_tokens[number].clone()?, None),
        Command::Deactivate(number) => {
            let (id, token) = clients.machines[number].clone()?;
            let path = format!("license-activations/{id}/deactivate");
            let app = app.clone();
            Box::pin(async move { app.post(&path, json!({"token": token})).await })
        }
        Command::SetSeats(seats) => change(json!({"max_users": seats})),
        Command::SetTier(tier) => change(json!({"tier_id": world.tier_id(tier)})),
        Command::Regenerate => transition("regenerate"),
        Command::Revoke => transition("revoke"),
        Command::Advance(_) => return None,
    })
}

/// Returns the body of a request to activate.
fn activation(kind: LicenseKind, license_key: &str, machine_id: &str) -> Value {
    let mut body = json!({"license_key": license_key, "machine_id": machine_id});
    if kind == LicenseKind::Processes {
        body["instance_id"] = INSTANCE_ID.into();
    }
    body
}

/// Checks the status of a response. Returns the token of an activation in it, if any.
pub(super) fn token(command: Command, response: &TestResponse) -> Result<Option<&str>, String> {
    let license_errors = ["generation_outdated", "revoked", "expired"];
    let code = response.body["code"].as_str().unwrap_or_default();
    let is_expected = match (command, response.status) {
        (Command::Activate(_) | Command::ActivateAndBorrow(_), 200 | 201) | (_, 200) => true,
        (Command::Activate(_) | Command::ActivateAndBorrow(_), 409) => code == "seat_limit_reached",
        (Command::Activate(_) | Command::ActivateAndBorrow(_), 403) => license_errors.contains(&code),
        (Command::Heartbeat(_) | Command::OldHeartbeat(_) | Command::Borrow(_), 403) => {
            code == "not_activated" || license_errors.contains(&code)
        }
        (Command::Deactivate(_), 409) => code == "borrow_return_limit",
        (Command::SetSeats(_) | Command::SetTier(_), 409) => ["state_conflict", "seats_borrowed"].contains(&code),
        (Command::Regenerate, 409) => code == "state_conflict",
        _ => false,
    };
    if !is_expected {
        return Err(format!("unexpected response to {command:?}: {} {}", response.status, response.text));
    }
    Ok(response.body["token"].as_str().filter(|_| command.machine().is_some()))
}

/// Updates what the clients know.
pub(super) fn remember(clients: &mut Clients, command: Command, response: &TestResponse) {
    let body = &response.body;
    let (Some(token), Some(number)) = (body["token"].as_str(), command.machine()) else {
        if let (Command::Regenerate, 200) = (command, response.status) {
            let generation = body["license"]["generation"].as_u64().expect("a generation");
            if generation > clients.license_key.0 {
                clients.license_key = (generation, text(&body["license_key"]).to_owned());
            }
        }
        return;
    };
    let last = clients.machines[number].as_ref().map(|(id, _)| id.clone());
    // A response to a heartbeat can arrive after that of a later activation.
    let id = body["activation"]["id"].as_str().map(str::to_owned).or_else(|| last.clone());
    let is_heartbeat = matches!(command, Command::Heartbeat(_) | Command::OldHeartbeat(_) | Command::Borrow(_));
    let is_late = is_heartbeat && !is_token_of(token, last.as_deref());
    if let (Some(id), false) = (id, is_late) {
        if let Some((_, old)) = clients.machines[number].take_if(|(last, _)| *last != id) {
            clients.old_tokens[number] = Some(old);
        }
        clients.machines[number] = Some((id, token.to_owned()));
    }
}

/// Returns whether a token names this activation.
fn is_token_of(token: &str, activation: Option<&str>) -> bool {
    let payload = token.split('.').nth(1).and_then(|part| data_encoding::BASE64URL_NOPAD.decode(part.as_bytes()).ok());
    let claims: Value = payload.and_then(|payload| serde_json::from_slice(&payload).ok()).unwrap_or_default();
    claims["activation"]["id"].as_str() == activation
}

/// Checks that seats are consistent and that none is lost: when all leases have lapsed and the limit is raised, as many new
/// machines can activate as there are seats.
pub(super) async fn check_end(
    world: &World,
    (clients, kind): (&Clients, LicenseKind),
    license_id: &str,
    table: &TableState,
) -> Result<(), String> {
    let checked = AssertUnwindSafe(fill(world, (clients, kind), license_id, table)).catch_unwind().await;
    checked.map_err(|panic| {
        let message = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
        format!("a seat is lost: {}", message.unwrap_or_default())
    })
}

async fn fill(world: &World, (clients, kind): (&Clients, LicenseKind), license_id: &str, table: &TableState) {
    const SEATS: u64 = 3;
    let (operator, id) = (&world.stack.operator, license_id);
    if table.license.status != "active" {
        return;
    }
    world.stack.check_seats(id).await;
    world.stack.advance(24 * 3600);
    if table.license.honoured_until.is_some() {
        let end = json!({"expires_at": "2027-01-15T12:00:00Z"});
        operator.post(&format!("license-keys/{id}/renew"), end).await.expect_status(200);
    }
    let mut key = clients.license_key.1.clone();
    if clients.license_key.0 < table.license.generation {
        // The response with the key string was lost.
        let response = operator.post(&format!("license-keys/{id}/regenerate"), json!({})).await.expect_status(200);
        text(&response["license_key"]).clone_into(&mut key);
    }
    operator.post(&format!("license-keys/{id}/change"), json!({"max_users": SEATS})).await.expect_status(200);
    let activate = async |machine_id: String| {
        let body = activation(kind, &key, &machine_id);
        world.stack.anonymous.post("license-activations/activate", body).await
    };
    for number in 0..SEATS {
        activate(format!("new-{number}")).await.expect_status(201);
    }
    activate("one-more".to_owned()).await.expect_problem(409, "seat_limit_reached");
    world.stack.check_seats(id).await;
}
