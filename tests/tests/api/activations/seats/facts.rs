//! The conditions of the writes of facts about machines.

use shared::{
    domain::{Activation, ReportedFacts},
    store::seats::ActivationOutcome,
};

use signet_tests::license_event;

use super::conditions::{SeatFixture, new_activation};

/// Returns the app's version among the facts about the machine of an activation.
async fn app_version(fixture: &SeatFixture, activation: &Activation) -> Option<String> {
    fixture.table().machine_facts(&activation.id).await.unwrap().and_then(|facts| facts.app_version)
}

#[tokio::test]
async fn facts_are_recorded_only_for_the_live_activation_that_reported_them() {
    let fixture = SeatFixture::with_seats(2).await;
    let license = fixture.read_license().await;
    let first = fixture.activate("one").await;
    let reported = ReportedFacts { app_version: Some("1.0"), ..ReportedFacts::default() };
    let record = async |activation: &Activation| {
        fixture.table().record_facts(activation, Some("late"), reported).await.unwrap();
    };
    record(&first).await;
    assert_eq!(app_version(&fixture, &first).await.as_deref(), Some("1.0"));
    let digest = fixture.activation("one").await.unwrap().facts_digest;
    assert!(digest.is_some() && digest == reported.digest(), "{digest:?}");

    // The activation has ended since it was read.
    let two = fixture.activate("two").await;
    fixture.deactivate(&two, &license_event(license.id)).await;
    record(&two).await;
    assert_eq!(app_version(&fixture, &two).await, None);
    assert_eq!(fixture.activation("two").await.unwrap().facts_digest, None);

    // The machine was activated again since it was read.
    fixture.deactivate(&first, &license_event(license.id)).await;
    let second = fixture.activate("one").await;
    record(&first).await;
    let facts = fixture.table().machine_facts(&second.id).await.unwrap().unwrap();
    assert_eq!((facts.name, facts.app_version), (None, None), "nothing of the earlier activation");
    assert_eq!(fixture.table().machine_facts(&first.id).await.unwrap(), None);
    assert_eq!(fixture.activation("one").await, Some(second));
}

#[tokio::test]
async fn a_repeated_activation_does_not_overwrite_facts_that_were_reported_since() {
    let fixture = SeatFixture::with_seats(1).await;
    let license = fixture.read_license().await;
    let activation = new_activation(&license, "one", Some(0));
    fixture.take_free_seat(&license, &activation, None).await;
    let reported = ReportedFacts { app_version: Some("1.0"), ..ReportedFacts::default() };
    fixture.table().record_facts(&activation, None, reported).await.unwrap();
    assert!(matches!(fixture.take_free_seat(&license, &activation, None).await, ActivationOutcome::Done(_)));
    assert_eq!(app_version(&fixture, &activation).await.as_deref(), Some("1.0"));
}
