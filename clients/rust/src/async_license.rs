use std::time::SystemTime;

use tokio::task::{self, JoinError};

use crate::{AppConfig, Error, License, Options, State};

/// The license of this machine or process, for apps that use Tokio. It does the same as [`License`]; the methods that send
/// requests or write files run on Tokio's threads for blocking operations. A clone is the same license.
#[derive(Debug, Clone)]
pub struct AsyncLicense {
    license: License,
}

impl AsyncLicense {
    /// See [`License::open`].
    pub async fn open(config: AppConfig, options: Options) -> Result<Self, Error> {
        let license = blocking(move || License::open(config, options)).await?;
        Ok(Self { license })
    }

    /// See [`License::state`].
    pub fn state(&self) -> State {
        self.license.state()
    }

    /// See [`License::has`].
    pub fn has(&self, feature: &str) -> bool {
        self.license.has(feature)
    }

    /// See [`License::limit`].
    pub fn limit(&self, feature: &str) -> u64 {
        self.license.limit(feature)
    }

    /// See [`License::on_change`].
    pub fn on_change(&self, callback: impl Fn(&State) + Send + Sync + 'static) {
        self.license.on_change(callback);
    }

    /// See [`License::activate`]. If the future is dropped, the activation may still take effect.
    pub async fn activate(&self, license_key: impl Into<String>) -> Result<State, Error> {
        let license_key = license_key.into();
        self.run(move |license| license.activate(&license_key)).await
    }

    /// See [`License::deactivate`]. If the future is dropped, the deactivation may still take effect.
    pub async fn deactivate(&self) -> Result<State, Error> {
        self.run(License::deactivate).await
    }

    /// See [`License::release`].
    pub async fn release(&self) -> State {
        self.run(License::release).await
    }

    /// See [`License::close`].
    pub async fn close(&self) {
        self.run(License::close).await;
    }

    /// See [`License::refresh`].
    pub async fn refresh(&self) -> State {
        self.run(License::refresh).await
    }

    /// See [`License::borrow`].
    pub async fn borrow(&self, until: SystemTime) -> Result<State, Error> {
        self.run(move |license| license.borrow(until)).await
    }

    /// See [`License::offline_request`].
    pub fn offline_request(&self) -> Result<String, Error> {
        self.license.offline_request()
    }

    /// See [`License::import_license_file`].
    pub async fn import_license_file(&self, content: impl Into<Vec<u8>>) -> Result<State, Error> {
        let content = content.into();
        self.run(move |license| license.import_license_file(content)).await
    }

    /// See [`License::diagnose`].
    pub fn diagnose(&self) -> String {
        self.license.diagnose()
    }

    async fn run<T: Send + 'static>(&self, operation: impl FnOnce(&License) -> T + Send + 'static) -> T {
        let license = self.license.clone();
        blocking(move || operation(&license)).await
    }
}

/// Runs an operation on a thread for blocking operations.
async fn blocking<T: Send + 'static>(operation: impl FnOnce() -> T + Send + 'static) -> T {
    match task::spawn_blocking(operation).await.map_err(JoinError::into_panic) {
        Ok(result) => result,
        Err(panic) => std::panic::resume_unwind(panic),
    }
}
