//! Seats are exact under any race: machines that come, stay, go and lapse at once, again and again.
#![expect(clippy::unwrap_used, reason = "what is not there fails the test")]

use std::{collections::BTreeSet, sync::Arc};

use rand::{RngExt, SeedableRng, rngs::StdRng};
use signet_tests::{Sold, Stack, Value, json, text};

/// The live machines of a license, as the list shows them; checks that the count and the table agree with it.
async fn at_rest(stack: &Stack, sold: &Sold, max_users: Option<usize>, seed: u64) -> BTreeSet<String> {
    let mut live = BTreeSet::new();
    let mut path = format!("license-activations?license_id={}&limit=100", sold.license_id);
    loop {
        let page = stack.operator.get(&path).await.expect(200);
        for activation in page["items"].as_array().unwrap() {
            assert!(live.insert(text(&activation["machine_id"]).to_owned()), "a machine is listed twice, seed {seed}");
        }
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        path = format!("license-activations?license_id={}&limit=100&cursor={cursor}", sold.license_id);
    }
    let license = stack.operator.get(&format!("license-keys/{}", sold.license_id)).await.expect(200);
    assert_eq!(license["seats_used"], live.len(), "seats_used is not the number of live machines, seed {seed}");
    assert!(max_users.is_none_or(|most| live.len() <= most), "{} live machines, seed {seed}", live.len());
    let audit = stack.operator.post(&format!("license-keys/{}/audit", sold.license_id), json!({})).await.expect(200);
    assert_eq!(
        audit["findings"][0],
        json!({
            "code": "seats", "ok": true, "detail": "every seat has its machine, and every machine its seat",
        }),
        "seed {seed}"
    );
    live
}

/// What one machine does in one round: comes, comes again, gives a sign of life, goes.
async fn live_a_little(stack: Arc<Stack>, key: String, machine: String, seed: u64) {
    let mut random = StdRng::seed_from_u64(seed);
    let mut last: Option<Value> = None;
    for _ in 0..random.random_range(2..6) {
        match (random.random_range(0..4), &last) {
            (0, Some(activated)) => {
                let answer = stack.anonymous.heartbeat(text(&activated["token"]), &machine).await;
                assert!(matches!(answer.status, 200 | 403), "heartbeat: {}", answer.text);
            }
            (1, Some(activated)) => {
                let id = text(&activated["activation"]["id"]);
                let body = json!({ "token": activated["token"] });
                stack.anonymous.post(&format!("license-activations/{id}/deactivate"), body).await.expect(200);
            }
            _ => {
                let answer = stack.anonymous.activate(&key, &machine).await;
                assert!(matches!(answer.status, 200 | 201 | 409), "activate: {}", answer.text);
                if answer.status != 409 {
                    last = Some(answer.body);
                }
            }
        }
    }
}

/// Fills what is free and finds that exactly that many machines get in: nobody is refused while a seat is free.
async fn fill(stack: &Stack, sold: &Sold, free: usize, seed: u64) {
    for n in 0..free {
        let answer = stack.anonymous.activate(&sold.license_key, &format!("late-{seed}-{n}")).await;
        assert_eq!(answer.status, 201, "a free seat is refused, seed {seed}: {}", answer.text);
    }
    stack.anonymous.activate(&sold.license_key, &format!("too-late-{seed}")).await.problem(409, "seat_limit_reached");
}

#[tokio::test(flavor = "multi_thread")]
async fn machines_that_come_and_go_at_once_leave_exact_seats() {
    let stack = Arc::new(Stack::start().await);
    for (round, seats) in [1, 3, 3, 8, 20].into_iter().enumerate() {
        let seed: u64 = rand::rng().random();
        let sold = stack.operator.sell(seats).await;
        let machines = usize::try_from(seats).unwrap() * 2 + 3;
        for wave in 0..3 {
            let tasks: Vec<_> = (0..machines)
                .map(|n| {
                    let (stack, key) = (Arc::clone(&stack), sold.license_key.clone());
                    tokio::spawn(live_a_little(stack, key, format!("m{n}"), seed ^ (wave * 1000 + n as u64)))
                })
                .collect();
            for task in tasks {
                task.await.unwrap_or_else(|error| panic!("seed {seed}, round {round}: {error}"));
            }
            at_rest(&stack, &sold, usize::try_from(seats).ok(), seed).await;
            // In some waves every lease has lapsed when the next begins, so that seats change hands.
            if wave == 1 {
                stack.advance(3600);
            }
        }
        let most = usize::try_from(seats).unwrap();
        let live = at_rest(&stack, &sold, Some(most), seed).await;
        fill(&stack, &sold, most - live.len(), seed).await;
        assert_eq!(at_rest(&stack, &sold, Some(most), seed).await.len(), most);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_200_machines_at_once_on_20_seats_20_get_in() {
    let stack = Arc::new(Stack::start().await);
    let sold = stack.operator.sell(20).await;
    let tasks: Vec<_> = (0..200)
        .map(|n| {
            let (stack, key) = (Arc::clone(&stack), sold.license_key.clone());
            tokio::spawn(async move { stack.anonymous.activate(&key, &format!("m{n}")).await.status })
        })
        .collect();
    let mut statuses = Vec::new();
    for task in tasks {
        statuses.push(task.await.unwrap());
    }
    let counted = |status| statuses.iter().filter(|one| **one == status).count();
    // One that lost races until its tries were used up is told to come again, never that there is no seat.
    assert_eq!(counted(201), 20, "{statuses:?}");
    assert_eq!(counted(409) + counted(503), 180, "{statuses:?}");
    assert_eq!(at_rest(&stack, &sold, Some(20), 0).await.len(), 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lapsed_seat_goes_to_one_of_those_who_want_it() {
    let stack = Arc::new(Stack::start().await);
    let sold = stack.operator.sell(2).await;
    for machine in ["old-1", "old-2"] {
        assert_eq!(stack.anonymous.activate(&sold.license_key, machine).await.status, 201);
    }
    stack.advance(3600);
    let tasks: Vec<_> = (0..12)
        .map(|n| {
            let (stack, key) = (Arc::clone(&stack), sold.license_key.clone());
            tokio::spawn(async move { stack.anonymous.activate(&key, &format!("new-{n}")).await.status })
        })
        .collect();
    let mut got = 0;
    for task in tasks {
        let status = task.await.unwrap();
        assert!(matches!(status, 201 | 409 | 503));
        got += usize::from(status == 201);
    }
    assert_eq!(got, 2);
    let live = at_rest(&stack, &sold, Some(2), 0).await;
    assert!(live.iter().all(|machine| machine.starts_with("new-")));
}

#[tokio::test(flavor = "multi_thread")]
async fn one_machine_that_activates_many_times_at_once_takes_one_seat() {
    let stack = Arc::new(Stack::start().await);
    let sold = stack.operator.sell(3).await;
    let tasks: Vec<_> = (0..20)
        .map(|_| {
            let (stack, key) = (Arc::clone(&stack), sold.license_key.clone());
            tokio::spawn(async move { stack.anonymous.activate(&key, "one").await })
        })
        .collect();
    let mut ids = BTreeSet::new();
    for task in tasks {
        let answer = task.await.unwrap();
        assert!(matches!(answer.status, 200 | 201), "{}", answer.text);
        ids.insert(text(&answer.body["activation"]["id"]).to_owned());
    }
    assert_eq!(ids.len(), 1, "one machine, one life");
    assert_eq!(at_rest(&stack, &sold, Some(3), 0).await.len(), 1);
}
