use shared::reencryption::{ReencryptionSummary, reencrypt};
use signet_tests::{Client, IssuedLicense, Value, json, text};

use crate::parts::Parts;

const KEYS: usize = 20;

/// Regenerates some license keys and activates machines of others, as long as the walk goes on.
async fn traffic(client: &Client, sold: &[IssuedLicense]) -> Vec<Value> {
    let mut regenerated = Vec::new();
    for one in sold {
        let path = format!("license-keys/{}/regenerate", one.license_id);
        regenerated.push(client.post(&path, json!({})).await.expect_status(200));
    }
    regenerated
}

async fn walk(app: &shared::AppState) -> ReencryptionSummary {
    reencrypt(app, None, app.clock.now()).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "tests/real.sh runs it"]
async fn the_sealing_key_is_changed_while_everything_goes_on() {
    let parts = Parts::new();
    let stack = parts.stack().await;
    let mut sold = Vec::new();
    for _ in 0..KEYS {
        sold.push(stack.operator.issue_new_license(1).await);
    }
    let old = parts.sealing_key().await;
    let new = parts.change_sealing_key().await;

    // Functions with the new key, that know the old one, serve people; the stack still has its data key of the old one.
    let app = parts.function(&[("SIGNET_OLD_SEALING_KEYS", &old)]).await;
    let (of_operator, regenerate) = (stack.operator.clone(), sold[..KEYS / 2].to_vec());
    let serving = tokio::spawn(async move { traffic(&of_operator, &regenerate).await });
    let first = walk(&app).await;
    let regenerated = serving.await.unwrap();
    assert_eq!((first.looked_at, first.unopened), (KEYS, 0));
    assert!(first.sealed_anew >= KEYS / 2, "{first:?}");

    // The stack's data key has come to its end, and so the new key seals. What was overtaken is the next walk's.
    stack.advance(300);
    let said = parts.signet("rewrap", &[("SIGNET_OLD_SEALING_KEYS", &old)]);
    assert!(said.contains("20") && !said.contains("ERROR"), "{said}");
    assert_eq!(walk(&app).await, ReencryptionSummary { looked_at: KEYS, ..ReencryptionSummary::default() });

    // The old key is gone for good, and everything opens with the new one alone.
    parts.kms().disable_key().key_id(&old).send().await.unwrap();
    let alone = parts.function(&[("SIGNET_SEALING_KEY", &new)]).await;
    let now_valid = regenerated.iter().map(|answer| (text(&answer["license"]["id"]), text(&answer["license_key"])));
    let unchanged = sold[KEYS / 2..].iter().map(|one| (&*one.license_id, &*one.license_key));
    for (id, key) in now_valid.chain(unchanged) {
        let license = id.parse().unwrap();
        let sealed = alone.table.sealed(license).await.unwrap().unwrap();
        let (opened, token) = shared::key_issuance::open_key(&alone, license, &sealed).await.unwrap();
        assert_eq!(opened.expose(), key);
        stack.claims(&token.expose().into()).await;
        let audit = stack.operator.post(&format!("license-keys/{id}/audit"), json!({})).await.expect_status(200);
        assert_eq!(audit["findings"][1]["ok"], true, "{audit}");
    }
    stack.operator.issue_new_license(1).await;
}
