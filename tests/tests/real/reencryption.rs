use axum::extract::FromRef;
use shared::tokens::{
    KeyStrings,
    reencryption::{ReencryptionSummary, reencrypt},
};
use signet_tests::{Client, IssuedLicense, Value, json, text};

use crate::services::TestServices;

const KEYS: usize = 20;

/// Regenerates license keys while the re-encryption runs.
async fn regenerate_all(client: &Client, licenses: &[IssuedLicense]) -> Vec<Value> {
    let mut regenerated = Vec::new();
    for license in licenses {
        let path = format!("license-keys/{}/regenerate", license.license_id);
        regenerated.push(client.post(&path, json!({})).await.expect_status(200));
    }
    regenerated
}

async fn run_reencryption(app: &shared::AppState) -> ReencryptionSummary {
    let key = app.cursor_secret.as_ref().unwrap().cached().cursor_key();
    reencrypt(&app.table, &*app.sealer, (None, key), app.clock.now()).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "run by tests/real.sh"]
async fn sealing_key_is_replaced_while_requests_are_served() {
    let services = TestServices::new();
    let stack = services.stack().await;
    let mut licenses = Vec::new();
    for _ in 0..KEYS {
        licenses.push(stack.operator.issue_new_license(1).await);
    }
    let old = services.sealing_key().await;
    let new = services.change_sealing_key().await;

    // A function is configured with the new key and the old one. The stack still uses a data key of the old one.
    let app = services.function(&[("SIGNET_OLD_SEALING_KEYS", &old)]).await;
    let (operator, regenerated_licenses) = (stack.operator.clone(), licenses[..KEYS / 2].to_vec());
    let serving = tokio::spawn(async move { regenerate_all(&operator, &regenerated_licenses).await });
    let first = run_reencryption(&app).await;
    let regenerated = serving.await.unwrap();
    assert_eq!((first.examined, first.failed), (KEYS, 0));
    assert!(first.reencrypted >= KEYS / 2, "{first:?}");

    // The stack's data key expires, so it seals with the new key. The next run re-encrypts what changed concurrently.
    stack.advance(300);
    let output = services.signet("reencrypt", &[("SIGNET_OLD_SEALING_KEYS", &old)]);
    assert!(output.contains("20") && !output.contains("ERROR"), "{output}");
    assert_eq!(run_reencryption(&app).await, ReencryptionSummary { examined: KEYS, ..ReencryptionSummary::default() });

    // With the old key disabled, everything can be decrypted with the new key alone.
    services.kms().disable_key().key_id(&old).send().await.unwrap();
    let with_new_key = services.function(&[("SIGNET_SEALING_KEY", &new)]).await;
    let regenerated =
        regenerated.iter().map(|response| (text(&response["license"]["id"]), text(&response["license_key"])));
    let unchanged = licenses[KEYS / 2..].iter().map(|license| (&*license.license_id, &*license.license_key));
    for (id, key) in regenerated.chain(unchanged) {
        let license_id = id.parse().unwrap();
        let sealed = with_new_key.table.sealed(license_id).await.unwrap().unwrap();
        let (opened, token) = KeyStrings::from_ref(&with_new_key).open(license_id, &sealed).await.unwrap();
        assert_eq!(opened.expose(), key);
        stack.claims(&token.unwrap().expose().into()).await;
        let audit = stack.operator.post(&format!("license-keys/{id}/audit"), json!({})).await.expect_status(200);
        assert_eq!(audit["findings"][1]["ok"], true, "{audit}");
    }
    stack.operator.issue_new_license(1).await;
}
