//! Sealing anew what an older key sealed, beside requests that go on.
#![expect(clippy::unwrap_used, reason = "what is not there fails the test")]

use std::{pin::Pin, sync::Arc};

use shared::{
    AppState,
    domain::{LicenseId, SealingContext, Secret},
    key_issuance::open_key,
    reencryption::{ReencryptionSummary, reencrypt},
    tokens::{SealError, Sealer, local::LocalSealer},
};
use signet_tests::{Fault, IssuedLicense, Rule, Stack, json, text};

type Done<'a, T> = Pin<Box<dyn Future<Output = Result<T, SealError>> + Send + 'a>>;

const OF_NEW: &[u8] = b"new ";

/// Seals with the newer of two keys, and opens with the one that sealed.
#[derive(Debug)]
struct TwoKeys {
    old: Arc<dyn Sealer>,
    new: LocalSealer,
}

impl Sealer for TwoKeys {
    fn seal<'a>(&'a self, context: &'a SealingContext, text: &'a Secret) -> Done<'a, Vec<u8>> {
        Box::pin(async { Ok([OF_NEW, &self.new.seal(context, text).await?].concat()) })
    }

    fn open<'a>(&'a self, context: &'a SealingContext, sealed: &'a [u8]) -> Done<'a, Secret> {
        match sealed.strip_prefix(OF_NEW) {
            Some(sealed) => self.new.open(context, sealed),
            None => self.old.open(context, sealed),
        }
    }

    fn reseal<'a>(&'a self, context: &'a SealingContext, sealed: &'a [u8]) -> Done<'a, Option<Vec<u8>>> {
        Box::pin(async move {
            if sealed.starts_with(OF_NEW) {
                return Ok(None);
            }
            self.seal(context, &self.old.open(context, sealed).await?).await.map(Some)
        })
    }
}

/// The stack's parts as they are after the change of the key.
fn changed(stack: &Stack) -> AppState {
    let app = stack.local.app.clone();
    let new = LocalSealer::new(&[7; 32]).unwrap();
    AppState { sealer: Arc::new(TwoKeys { old: Arc::clone(&app.sealer), new }), ..app }
}

async fn walk(app: &AppState) -> ReencryptionSummary {
    reencrypt(app, None, app.clock.now()).await.unwrap()
}

fn id(sold: &IssuedLicense) -> LicenseId {
    sold.license_id.parse().unwrap()
}

/// The key string that is sealed of a license key, and whether the new key sealed it.
async fn sealed(app: &AppState, license: LicenseId) -> (Secret, bool) {
    let sealed = app.table.sealed(license).await.unwrap().unwrap();
    let (key, _) = open_key(app, license, &sealed).await.unwrap();
    (key, sealed.license_key.starts_with(OF_NEW) && sealed.token.starts_with(OF_NEW))
}

#[tokio::test]
async fn what_an_old_key_sealed_is_sealed_anew_once() {
    let stack = Stack::start().await;
    let (one, two) = (stack.operator.issue_new_license(1).await, stack.operator.issue_new_license(1).await);
    let app = changed(&stack);
    assert_eq!(
        walk(&app).await,
        ReencryptionSummary { looked_at: 2, sealed_anew: 2, ..ReencryptionSummary::default() }
    );
    assert_eq!(walk(&app).await, ReencryptionSummary { looked_at: 2, ..ReencryptionSummary::default() });
    for sold in [&one, &two] {
        let (key, is_new) = sealed(&app, id(sold)).await;
        assert_eq!((key.expose(), is_new), (&*sold.license_key, true));
    }
}

#[tokio::test]
async fn a_walk_goes_on_where_it_ended() {
    let stack = Stack::start().await;
    let product = stack.operator.create_product_with(&json!({"one_key_per_customer": false})).await;
    let (tier, customer) =
        (stack.operator.create_tier(&product, &json!({})).await, stack.operator.create_customer().await);
    for _ in 0..101 {
        stack.operator.issue(&customer, &tier, &json!({})).await;
    }
    let app = changed(&stack);
    let first = walk(&app).await;
    assert_eq!((first.looked_at, first.sealed_anew), (100, 100));
    let rest = reencrypt(&app, first.next, app.clock.now()).await.unwrap();
    assert_eq!(rest, ReencryptionSummary { looked_at: 1, sealed_anew: 1, ..ReencryptionSummary::default() });
    assert!(reencrypt(&app, Some("no cursor".to_owned()), app.clock.now()).await.is_err());
}

#[tokio::test]
async fn a_regeneration_that_comes_first_is_not_undone() {
    let stack = Stack::start().await;
    let sold = stack.operator.issue_new_license(1).await;
    let (app, license) = (changed(&stack), id(&sold));
    let slow = {
        let app = app.clone();
        async move { walk(&app).await }
    };
    let mut regenerated = String::new();
    let meanwhile = async {
        let path = format!("license-keys/{license}/regenerate");
        let answer = stack.operator.post(&path, json!({})).await.expect_status(200);
        text(&answer["license_key"]).clone_into(&mut regenerated);
    };
    let done = stack.faults.interleave(("UpdateItem", "SEALED"), slow, meanwhile).await;
    assert_eq!(done, ReencryptionSummary { looked_at: 1, overtaken: 1, ..ReencryptionSummary::default() });
    // The stack itself still seals with the old key.
    let (key, is_new) = sealed(&app, license).await;
    assert_eq!((key.expose(), is_new), (&*regenerated, false));
    assert_eq!(walk(&app).await.sealed_anew, 1);
    assert_eq!(sealed(&app, license).await.0.expose(), regenerated);
}

#[tokio::test]
async fn a_walk_that_fails_is_made_good_by_the_next() {
    let stack = Stack::start().await;
    let all = [
        stack.operator.issue_new_license(1).await,
        stack.operator.issue_new_license(1).await,
        stack.operator.issue_new_license(1).await,
    ];
    let app = changed(&stack);
    stack.faults.add(Rule::new("UpdateItem", Fault::LoseResponse).nth(2));
    stack.faults.add(Rule::new("UpdateItem", Fault::RefuseConnection).nth(3).always());
    assert!(reencrypt(&app, None, app.clock.now()).await.is_err());
    stack.faults.clear();
    let done = walk(&app).await;
    assert_eq!((done.looked_at, done.overtaken, done.unopened), (3, 0, 0));
    for sold in &all {
        let (key, is_new) = sealed(&app, id(sold)).await;
        assert_eq!((key.expose(), is_new), (&*sold.license_key, true));
    }
}

#[tokio::test]
async fn an_answer_that_is_lost_is_no_overtaking() {
    let stack = Stack::start().await;
    stack.operator.issue_new_license(1).await;
    stack.faults.add(Rule::new("UpdateItem", Fault::LoseResponse));
    let done = walk(&changed(&stack)).await;
    assert_eq!(done, ReencryptionSummary { looked_at: 1, sealed_anew: 1, ..ReencryptionSummary::default() });
}

#[tokio::test]
async fn what_does_not_open_is_told_and_passed_over() {
    let stack = Stack::start().await;
    let (damaged, good) = (stack.operator.issue_new_license(1).await, stack.operator.issue_new_license(1).await);
    let ask = json!({
        "Key": {"PK": {"S": format!("LICENSE#{}", damaged.license_id)}, "SK": {"S": "SEALED"}},
        "UpdateExpression": "SET #token = :token",
        "ExpressionAttributeNames": {"#token": "token"},
        "ExpressionAttributeValues": {":token": {"B": "AAAA"}},
    });
    stack.call_dynamodb("UpdateItem", ask).await;
    let app = changed(&stack);
    let done = walk(&app).await;
    assert_eq!(
        done,
        ReencryptionSummary { looked_at: 2, sealed_anew: 1, unopened: 1, ..ReencryptionSummary::default() }
    );
    assert!(sealed(&app, id(&good)).await.1);
}
