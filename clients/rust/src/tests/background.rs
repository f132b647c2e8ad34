use std::{sync::Arc, time::Duration};

use serde_json::json;

use super::{conformance::open, conformance_file, world::World};
use crate::{background::pause, client::Client};

/// Opens a client at the start of a scenario.
fn open_scenario(group: &str, name: &str) -> (Client, Arc<World>) {
    let scenarios = conformance_file(&format!("scenarios/{group}.json"));
    let mut scenarios = scenarios.as_array().unwrap().iter();
    let world = Arc::new(World::of_scenario(scenarios.find(|scenario| scenario["name"] == name).unwrap()));
    (open(&conformance_file("config.json"), &json!({}), &world).client, world)
}

#[test]
fn the_background_thread_runs_as_soon_as_the_token_has_ended() {
    let name = "a run at the end of a token reports the change without a request";
    let (client, world) = open_scenario("states", name);
    let (exp, offline_until) = (3_600.0, 3_600.0 + 3.0 * 86_400.0);
    let mut elapsed = 0.0;
    for (at, expected) in [
        (0.0, 60.0),
        (exp - 10.0, 11.0),
        (exp + 0.5, 0.5),
        (exp + 1.0, 60.0),
        (offline_until - 10.0, 11.0),
        (offline_until + 1.0, 60.0),
    ] {
        world.move_clock(at - elapsed, at - elapsed);
        elapsed = at;
        assert_eq!(pause(&client), Duration::from_secs_f64(expected), "after {at} s");
    }
}

#[test]
fn a_refused_license_is_not_asked_about_after_a_release() {
    let (client, _) = open_scenario("activation", "a stored refusal with suspended is asked about once after a start");
    assert_eq!(client.seconds_until_request(), Some(2.5));
    client.release();
    assert_eq!(client.seconds_until_request(), None);
}
