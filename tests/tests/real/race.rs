use shared::domain::rate_limit::RateLimits;
use signet_local::Options;
use signet_tests::Stack;
use tokio::task::JoinSet;

use crate::parts::Parts;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "tests/real.sh runs it"]
async fn a_hundred_machines_race_for_ten_seats_and_ten_get_them() {
    let parts = Parts::new();
    let stack = Stack::start_with(Options { rate_limits: RateLimits::NONE, ..parts.options() }).await;
    let sold = stack.operator.issue_new_license(10).await;
    let mut backoff = JoinSet::new();
    for machine in 0..100 {
        let (app, key) = (stack.anonymous.clone(), sold.license_key.clone());
        backoff.spawn(async move {
            // As an app does: what is unavailable, or lost to others again and again, is asked for once more.
            loop {
                let answer = app.activate(&key, &format!("machine {machine}")).await;
                match answer.status {
                    503 => {}
                    200 | 201 => return Some(answer.body["token"].clone()),
                    _ => {
                        answer.expect_problem(409, "seat_limit_reached");
                        return None;
                    }
                }
            }
        });
    }
    let tokens: Vec<_> = backoff.join_all().await.into_iter().flatten().collect();
    assert_eq!(tokens.len(), 10);
    for token in &tokens {
        stack.claims(token).await;
    }
    let seats = stack.check_seats(&sold.license_id).await;
    assert_eq!((seats.held.len(), seats.max_users), (10, Some(10)));
}
