//! `signet reencrypt`: re-encrypts the values that an older sealing key sealed, in a deployment.

use std::error::Error;

use rand::RngExt;
use shared::{
    AppState,
    store::pagination::CursorKey,
    tokens::reencryption::{ReencryptionSummary, reencrypt, reencrypt_webhook_secrets},
};

/// Re-encrypts the sealed values of all license keys and the secrets of all webhook endpoints in the deployment that the `SIGNET_*` environment variables
/// describe. Can be interrupted and run again: values that the current sealing key sealed are skipped.
pub(crate) async fn reencrypt_all() -> Result<(), Box<dyn Error>> {
    let app = AppState::from_environment().await?;
    let (mut all, mut after) = (ReencryptionSummary::default(), None);
    // The cursors never leave this process.
    let cursors = CursorKey::new(&rand::rng().random::<[u8; 32]>(), None);
    loop {
        let batch = reencrypt(&app.table, &*app.sealer, (after, cursors.clone()), app.clock.now()).await?;
        all.examined += batch.examined;
        all.reencrypted += batch.reencrypted;
        all.skipped += batch.skipped;
        all.failed += batch.failed;
        tracing::info!(all.examined, all.reencrypted, all.skipped, all.failed, "license keys");
        let Some(next) = batch.next else { break };
        after = Some(next);
    }
    let webhooks = reencrypt_webhook_secrets(&app.table, &*app.sealer).await?;
    tracing::info!(webhooks.examined, webhooks.reencrypted, webhooks.skipped, webhooks.failed, "webhook endpoints");
    match (all.failed, webhooks.failed) {
        (0, 0) => Ok(()),
        (licenses, endpoints) => Err(format!(
            "the sealed values of {licenses} license keys and {endpoints} webhook endpoints can't be decrypted with any of the \
             sealing keys"
        )
        .into()),
    }
}
