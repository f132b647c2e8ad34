//! The resolution of host names. The client connects only to addresses that this resolver returns, so that a name cannot
//! resolve to another address after it was checked.

use std::{
    fmt, io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use futures_util::{FutureExt, future::BoxFuture};
use reqwest::dns::{Addrs, Name, Resolving};
use shared::domain::webhooks::AddressPolicy;

/// Resolves host names.
pub trait Resolve: fmt::Debug + Send + Sync {
    /// Returns the addresses of a host name.
    fn resolve(&self, host: &str) -> BoxFuture<'static, io::Result<Vec<IpAddr>>>;
}

/// The resolver of the operating system.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemResolver;

impl Resolve for SystemResolver {
    fn resolve(&self, host: &str) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> {
        let host = host.to_owned();
        async move { Ok(tokio::net::lookup_host((host, 0)).await?.map(|address| address.ip()).collect()) }.boxed()
    }
}

/// A host name could not be resolved.
#[derive(Debug, thiserror::Error)]
#[error("the host name could not be resolved: {0}")]
pub(crate) struct ResolveError(io::Error);

/// A host has no address that webhooks may be sent to.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("the host has no address that webhooks may be sent to")]
pub(crate) struct ForbiddenAddressError;

/// Returns only addresses that the policy allows.
#[derive(Debug)]
pub(crate) struct CheckedResolver {
    pub(crate) inner: Arc<dyn Resolve>,
    pub(crate) policy: AddressPolicy,
}

impl reqwest::dns::Resolve for CheckedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let (resolved, policy) = (self.inner.resolve(name.as_str()), self.policy);
        Box::pin(async move {
            let addresses = resolved.await.map_err(ResolveError)?;
            let allowed = addresses.into_iter().filter(|address| policy.allows(*address));
            // The client replaces the port by that of the URL.
            let allowed: Vec<_> = allowed.map(|address| SocketAddr::new(address, 0)).collect();
            if allowed.is_empty() {
                return Err(ForbiddenAddressError.into());
            }
            Ok::<Addrs, Box<dyn std::error::Error + Send + Sync>>(Box::new(allowed.into_iter()))
        })
    }
}
