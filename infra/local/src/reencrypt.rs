//! `signet reencrypt`: seals anew what an older sealing key sealed, in an installation that is deployed.

use std::error::Error;

use shared::{
    AppState,
    reencryption::{ReencryptionSummary, reencrypt},
};

/// Walks all license keys of the installation that the environment's variables describe, as its functions have them.
/// Interrupted, it is started again: it passes over what is done.
pub(crate) async fn reencrypt_all() -> Result<(), Box<dyn Error>> {
    let app = AppState::from_environment().await?;
    let (mut all, mut after) = (ReencryptionSummary::default(), None);
    loop {
        let done = reencrypt(&app, after, app.clock.now()).await?;
        all.looked_at += done.looked_at;
        all.sealed_anew += done.sealed_anew;
        all.overtaken += done.overtaken;
        all.unopened += done.unopened;
        tracing::info!(all.looked_at, all.sealed_anew, all.overtaken, all.unopened, "license keys");
        let Some(next) = done.next else { break };
        after = Some(next);
    }
    match all.unopened {
        0 => Ok(()),
        some => Err(format!("what is sealed of {some} license keys opens with none of the sealing keys").into()),
    }
}
