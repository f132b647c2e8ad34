//! `signet reencrypt`: re-encrypts the values that an older sealing key sealed, in a deployment.

use std::error::Error;

use rand::RngExt;
use shared::{
    AppState,
    store::pagination::CursorKey,
    tokens::reencryption::{ReencryptionSummary, reencrypt},
};

/// Re-encrypts the sealed values of all license keys in the deployment that the `SIGNET_*` environment variables
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
    match all.failed {
        0 => Ok(()),
        some => {
            Err(format!("the sealed values of {some} license keys can't be decrypted with any of the sealing keys")
                .into())
        }
    }
}
