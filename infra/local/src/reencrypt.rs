//! `signet reencrypt`: re-encrypts the values that an older sealing key sealed, in a deployment.

use std::error::Error;

use shared::{
    AppState,
    tokens::reencryption::{ReencryptionSummary, reencrypt},
};

/// Re-encrypts the sealed values of all license keys in the deployment that the `SIGNET_*` environment variables
/// describe. Can be interrupted and run again: values that the current sealing key sealed are skipped.
pub(crate) async fn reencrypt_all() -> Result<(), Box<dyn Error>> {
    let app = AppState::from_environment().await?;
    let (mut all, mut after) = (ReencryptionSummary::default(), None);
    loop {
        let batch =
            reencrypt(&app.table, &*app.sealer, (after, app.secrets.cached().cursor_key()), app.clock.now()).await?;
        all.examined += batch.examined;
        all.reencrypted += batch.reencrypted;
        all.skipped += batch.skipped;
        all.failed += batch.failed;
        tracing::info!(all.examined, all.reencrypted, all.skipped, all.failed, "license keys");
        let Some(next) = batch.next else { break };
        after = Some(next);
    }
    match all.failed {
        0 => Ok(()),
        some => {
            Err(format!("the sealed values of {some} license keys can't be decrypted with any of the sealing keys")
                .into())
        }
    }
}
