use shared::domain::rate_limit::RateLimits;
use signet_local::Options;
use signet_tests::Stack;
use tokio::task::JoinSet;

use crate::services::TestServices;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "run by tests/real.sh"]
async fn hundred_concurrent_activations_assign_exactly_ten_seats() {
    let services = TestServices::new();
    let stack = Stack::start_with(Options { rate_limits: RateLimits::UNLIMITED, ..services.options() }).await;
    let license = stack.operator.issue_new_license(10).await;
    let mut tasks = JoinSet::new();
    for machine in 0..100 {
        let (app, key) = (stack.anonymous.clone(), license.license_key.clone());
        tasks.spawn(async move {
            // Retries 503 as an app does: the service is unavailable or too many attempts lost a race.
            loop {
                let response = app.activate(&key, &format!("machine {machine}")).await;
                match response.status {
                    503 => {}
                    200 | 201 => return Some(response.body["token"].clone()),
                    _ => {
                        response.expect_problem(409, "seat_limit_reached");
                        return None;
                    }
                }
            }
        });
    }
    let tokens: Vec<_> = tasks.join_all().await.into_iter().flatten().collect();
    assert_eq!(tokens.len(), 10);
    for token in &tokens {
        stack.claims(token).await;
    }
    let seats = stack.check_seats(&license.license_id).await;
    assert_eq!((seats.held.len(), seats.max_users), (10, Some(10)));
}
