//! Re-encryption of stored tokens and key strings after a key change, while requests continue.

use std::{pin::Pin, sync::Arc};

use axum::extract::FromRef;
use shared::{
    AppState,
    domain::{LicenseId, SealingContext, Secret},
    tokens::{
        KeyStrings, SealError, Sealer,
        local::LocalSealer,
        reencryption::{ReencryptionError, ReencryptionSummary, reencrypt},
    },
};
use signet_tests::{Fault, IssuedLicense, Rule, Stack, json, text};

type SealResult<'a, T> = Pin<Box<dyn Future<Output = Result<T, SealError>> + Send + 'a>>;

const NEW_PREFIX: &[u8] = b"new ";

/// Seals with the new key, and opens with the key that sealed.
#[derive(Debug)]
struct TwoKeys {
    old: Arc<dyn Sealer>,
    new: LocalSealer,
}

impl Sealer for TwoKeys {
    fn seal<'a>(&'a self, context: &'a SealingContext, text: &'a Secret) -> SealResult<'a, Vec<u8>> {
        Box::pin(async { Ok([NEW_PREFIX, &self.new.seal(context, text).await?].concat()) })
    }

    fn open<'a>(&'a self, context: &'a SealingContext, sealed: &'a [u8]) -> SealResult<'a, Secret> {
        match sealed.strip_prefix(NEW_PREFIX) {
            Some(sealed) => self.new.open(context, sealed),
            None => self.old.open(context, sealed),
        }
    }

    fn reseal<'a>(&'a self, context: &'a SealingContext, sealed: &'a [u8]) -> SealResult<'a, Option<Vec<u8>>> {
        Box::pin(async move {
            if sealed.starts_with(NEW_PREFIX) {
                return Ok(None);
            }
            self.seal(context, &self.old.open(context, sealed).await?).await.map(Some)
        })
    }
}

/// Returns the stack's application state after a change of the key.
fn with_new_key(stack: &Stack) -> AppState {
    let app = stack.local.app.clone();
    let new = LocalSealer::new(&[7; 32]).unwrap();
    AppState { sealer: Arc::new(TwoKeys { old: Arc::clone(&app.sealer), new }), ..app }
}

async fn reencrypt_from(app: &AppState, after: Option<String>) -> Result<ReencryptionSummary, ReencryptionError> {
    let key = app.cursor_secret.as_ref().unwrap().cached().cursor_key();
    reencrypt(&app.table, &*app.sealer, (after, key), app.clock.now()).await
}

async fn reencrypt_all(app: &AppState) -> ReencryptionSummary {
    reencrypt_from(app, None).await.unwrap()
}

fn id(license: &IssuedLicense) -> LicenseId {
    license.license_id.parse().unwrap()
}

/// Returns the stored key string of a license, and whether it is sealed with the new key.
async fn stored_key_string(app: &AppState, license: LicenseId) -> (Secret, bool) {
    let sealed = app.table.sealed(license).await.unwrap().unwrap();
    let (key, _) = KeyStrings::from_ref(app).open(license, &sealed).await.unwrap();
    (key, sealed.license_key.starts_with(NEW_PREFIX) && sealed.token.unwrap().starts_with(NEW_PREFIX))
}

#[tokio::test]
async fn values_sealed_with_the_old_key_are_reencrypted_once() {
    let stack = Stack::start().await;
    let (one, two) = (stack.operator.issue_new_license(1).await, stack.operator.issue_new_license(1).await);
    let app = with_new_key(&stack);
    assert_eq!(
        reencrypt_all(&app).await,
        ReencryptionSummary { examined: 2, reencrypted: 2, ..ReencryptionSummary::default() }
    );
    assert_eq!(reencrypt_all(&app).await, ReencryptionSummary { examined: 2, ..ReencryptionSummary::default() });
    for license in [&one, &two] {
        let (key, is_new) = stored_key_string(&app, id(license)).await;
        assert_eq!((key.expose(), is_new), (&*license.license_key, true));
    }
}

#[tokio::test]
async fn reencryption_continues_from_its_cursor() {
    let stack = Stack::start().await;
    let product = stack.operator.create_product_with(&json!({"one_key_per_customer": false})).await;
    let (tier, customer) =
        (stack.operator.create_tier(&product, &json!({})).await, stack.operator.create_customer().await);
    for _ in 0..101 {
        stack.operator.issue(&customer, &tier, &json!({})).await;
    }
    let app = with_new_key(&stack);
    let first = reencrypt_all(&app).await;
    assert_eq!((first.examined, first.reencrypted), (100, 100));
    let rest = reencrypt_from(&app, first.next).await.unwrap();
    assert_eq!(rest, ReencryptionSummary { examined: 1, reencrypted: 1, ..ReencryptionSummary::default() });
    assert!(reencrypt_from(&app, Some("no cursor".to_owned())).await.is_err());
}

#[tokio::test]
async fn a_concurrent_regeneration_is_not_undone() {
    let stack = Stack::start().await;
    let license = stack.operator.issue_new_license(1).await;
    let (app, license_id) = (with_new_key(&stack), id(&license));
    let slow = {
        let app = app.clone();
        async move { reencrypt_all(&app).await }
    };
    let mut regenerated = String::new();
    let concurrent = async {
        let path = format!("license-keys/{license_id}/regenerate");
        let body = stack.operator.post(&path, json!({})).await.expect_status(200);
        text(&body["license_key"]).clone_into(&mut regenerated);
    };
    let summary = stack.faults.interleave(("UpdateItem", "SEALED"), slow, concurrent).await;
    assert_eq!(summary, ReencryptionSummary { examined: 1, skipped: 1, ..ReencryptionSummary::default() });
    // The running stack still seals with the old key.
    let (key, is_new) = stored_key_string(&app, license_id).await;
    assert_eq!((key.expose(), is_new), (&*regenerated, false));
    assert_eq!(reencrypt_all(&app).await.reencrypted, 1);
    assert_eq!(stored_key_string(&app, license_id).await.0.expose(), regenerated);
}

#[tokio::test]
async fn a_failed_reencryption_is_completed_by_the_next() {
    let stack = Stack::start().await;
    let all = [
        stack.operator.issue_new_license(1).await,
        stack.operator.issue_new_license(1).await,
        stack.operator.issue_new_license(1).await,
    ];
    let app = with_new_key(&stack);
    stack.faults.add(Rule::new("UpdateItem", Fault::LoseResponse).nth(2));
    stack.faults.add(Rule::new("UpdateItem", Fault::RefuseConnection).nth(3).always());
    assert!(reencrypt_from(&app, None).await.is_err());
    stack.faults.clear();
    let summary = reencrypt_all(&app).await;
    assert_eq!((summary.examined, summary.skipped, summary.failed), (3, 0, 0));
    for license in &all {
        let (key, is_new) = stored_key_string(&app, id(license)).await;
        assert_eq!((key.expose(), is_new), (&*license.license_key, true));
    }
}

#[tokio::test]
async fn a_lost_response_is_not_counted_as_a_conflict() {
    let stack = Stack::start().await;
    stack.operator.issue_new_license(1).await;
    stack.faults.add(Rule::new("UpdateItem", Fault::LoseResponse));
    let summary = reencrypt_all(&with_new_key(&stack)).await;
    assert_eq!(summary, ReencryptionSummary { examined: 1, reencrypted: 1, ..ReencryptionSummary::default() });
}

#[tokio::test]
async fn values_that_cannot_be_opened_are_counted_and_skipped() {
    let stack = Stack::start().await;
    let (corrupted, intact) = (stack.operator.issue_new_license(1).await, stack.operator.issue_new_license(1).await);
    let input = json!({
        "Key": {"PK": {"S": format!("LICENSE#{}", corrupted.license_id)}, "SK": {"S": "SEALED"}},
        "UpdateExpression": "SET #token = :token",
        "ExpressionAttributeNames": {"#token": "token"},
        "ExpressionAttributeValues": {":token": {"B": "AAAA"}},
    });
    stack.call_dynamodb("UpdateItem", input).await;
    let app = with_new_key(&stack);
    let summary = reencrypt_all(&app).await;
    assert_eq!(
        summary,
        ReencryptionSummary { examined: 2, reencrypted: 1, failed: 1, ..ReencryptionSummary::default() }
    );
    assert!(stored_key_string(&app, id(&intact)).await.1);
}
