//! Secrets of endpoints are readable nowhere, and are encrypted again when the sealing key is replaced.

use std::sync::Arc;

use shared::tokens::{Sealer, local::LocalSealer, reencryption::reencrypt_webhook_secrets};
use signet_tests::{Behavior, Logs, SecretSearch, json, text};

use super::Installation;

#[tokio::test]
async fn secrets_are_not_in_the_table_logs_or_other_responses() {
    let logs = Logs::capture();
    let installation = Installation::start().await;
    let operator = &installation.stack.operator;
    let path = format!("webhook-endpoints/{}", installation.endpoint_id());
    let once = operator.with_header("idempotency-key", "once");
    let rotated = once.post(&format!("{path}/rotate-secret"), json!({})).await.expect_status(200);
    let mut responses = Vec::new();
    for behavior in [Behavior::Status(204), Behavior::Status(500), Behavior::Status(410)] {
        installation.receiver.set_behavior(behavior);
        installation.create_event().await;
        installation.send().await;
        for path in [&path, &format!("{path}/deliveries"), "webhook-endpoints", "events"] {
            responses.push(operator.get(path).await.text);
        }
    }
    responses.push(operator.patch(&path, json!({"description": "a"})).await.text);
    let secrets = [&installation.endpoint["secret"], &rotated["secret"]];
    let search = SecretSearch::new(secrets.map(|secret| text(secret).trim_start_matches("whsec_").to_owned()).into());
    assert_eq!(search.find_in_items(&installation.stack.items().await), None, "in the table");
    assert_eq!(search.find(logs.text()), None, "in the log");
    assert_eq!(search.find(responses.join("\n")), None, "in a response");
    assert!(logs.text().contains("webhook endpoint disabled"), "the log has the attempts: {}", logs.text());
    assert!(!logs.text().contains(&installation.receiver.url), "URLs can contain secrets");
}

#[tokio::test]
async fn secret_of_another_endpoint_cannot_be_used_by_copying_it() {
    let installation = Installation::start().await;
    let app = &installation.stack.local.app;
    let other = installation.stack.operator.create_webhook_endpoint("https://example.com/").await;
    let stored = app.table.webhook_endpoint(text(&other["id"]).parse().unwrap()).await.unwrap().unwrap();
    let own = app.table.webhook_secret_context(installation.endpoint_id().parse().unwrap());
    assert!(app.sealer.open(&own, &stored.sealed.current).await.is_err());
    let context = app.table.webhook_secret_context(stored.endpoint.id);
    let opened = app.sealer.open(&context, &stored.sealed.current).await.unwrap();
    assert_eq!(opened.expose(), text(&other["secret"]));
}

/// A sealer that seals with a new key and opens with both.
#[derive(Debug)]
struct TwoKeys {
    old: Arc<dyn Sealer>,
    new: LocalSealer,
}

impl Sealer for TwoKeys {
    fn seal<'a>(
        &'a self,
        context: &'a shared::domain::SealingContext,
        text: &'a shared::domain::Secret,
    ) -> futures_util::future::BoxFuture<'a, Result<Vec<u8>, shared::tokens::SealError>> {
        self.new.seal(context, text)
    }

    fn open<'a>(
        &'a self,
        context: &'a shared::domain::SealingContext,
        sealed: &'a [u8],
    ) -> futures_util::future::BoxFuture<'a, Result<shared::domain::Secret, shared::tokens::SealError>> {
        Box::pin(async move {
            match self.new.open(context, sealed).await {
                Ok(opened) => Ok(opened),
                Err(_) => self.old.open(context, sealed).await,
            }
        })
    }

    fn reseal<'a>(
        &'a self,
        context: &'a shared::domain::SealingContext,
        sealed: &'a [u8],
    ) -> futures_util::future::BoxFuture<'a, Result<Option<Vec<u8>>, shared::tokens::SealError>> {
        Box::pin(async move {
            if self.new.open(context, sealed).await.is_ok() {
                return Ok(None);
            }
            let opened = self.old.open(context, sealed).await?;
            self.new.seal(context, &opened).await.map(Some)
        })
    }
}

#[tokio::test]
async fn secrets_are_reencrypted_with_a_new_sealing_key() {
    let installation = Installation::start().await;
    let app = &installation.stack.local.app;
    let path = format!("webhook-endpoints/{}/rotate-secret", installation.endpoint_id());
    installation.stack.operator.post(&path, json!({})).await.expect_status(200);
    let new = || LocalSealer::new(&[7; 32]).unwrap();
    let both = TwoKeys { old: Arc::clone(&app.sealer), new: new() };
    let summary = reencrypt_webhook_secrets(&app.table, &both).await.unwrap();
    assert_eq!((summary.examined, summary.reencrypted, summary.failed), (1, 1, 0));
    let summary = reencrypt_webhook_secrets(&app.table, &both).await.unwrap();
    assert_eq!((summary.examined, summary.reencrypted, summary.failed), (1, 0, 0));
    let stored = app.table.webhook_endpoint(installation.endpoint_id().parse().unwrap()).await.unwrap().unwrap();
    let context = app.table.webhook_secret_context(stored.endpoint.id);
    let previous = new().open(&context, stored.sealed.previous.as_ref().unwrap()).await.unwrap();
    assert_eq!(previous.expose(), text(&installation.endpoint["secret"]));
    assert!(new().open(&context, &stored.sealed.current).await.is_ok());
}
