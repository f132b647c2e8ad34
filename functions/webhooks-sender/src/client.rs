//! The HTTP client of webhooks. It follows no redirects, uses no proxy, and connects only to addresses that are allowed.

use std::{
    error::Error,
    sync::{Arc, OnceLock},
    time::Duration,
};

use reqwest::{Client, Response, header::CONTENT_TYPE, redirect::Policy};
use shared::domain::webhooks::{
    AddressPolicy, AttemptOutcome, SendError,
    delivery::{MAX_RESPONSE_BYTES, stored_body},
    parse_url,
};

use crate::resolver::{CheckedResolver, ForbiddenAddressError, Resolve, ResolveError, SystemResolver};

/// The timeout of an attempt, from the resolution of the host name to the end of the response.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(15);
const USER_AGENT: &str = concat!("Signet/", env!("CARGO_PKG_VERSION"), " (webhooks)");

/// The settings of a client.
#[derive(Debug, Clone)]
pub struct ClientSettings {
    /// The timeout of an attempt. Shorter than the lease of a delivery.
    pub timeout: Duration,
    /// The addresses to which webhooks may be sent.
    pub addresses: AddressPolicy,
    /// Resolves host names.
    pub resolver: Arc<dyn Resolve>,
}

impl ClientSettings {
    /// Returns the settings with the default timeout and the resolver of the operating system.
    pub fn new(addresses: AddressPolicy) -> Self {
        Self { timeout: DEFAULT_TIMEOUT, addresses, resolver: Arc::new(SystemResolver) }
    }
}

/// The headers of a webhook, by the specification Standard Webhooks.
#[derive(Debug, Clone)]
pub struct WebhookHeaders {
    /// `webhook-id`: the id of the event.
    pub id: String,
    /// `webhook-timestamp`: the time of the attempt, as Unix time.
    pub timestamp: i64,
    /// `webhook-signature`.
    pub signature: String,
}

/// Sends webhooks. Clones share the client.
#[derive(Debug, Clone)]
pub struct WebhookClient {
    settings: ClientSettings,
    /// Created when the first webhook is sent, because that loads the CA certificates.
    client: Arc<OnceLock<Client>>,
}

impl WebhookClient {
    /// Creates a client.
    pub fn new(settings: ClientSettings) -> Self {
        Self { settings, client: Arc::default() }
    }

    /// Sends a webhook and reads the beginning of the response.
    ///
    /// # Errors
    ///
    /// Returns an error if the client cannot be created. All other failures are outcomes.
    pub async fn post(
        &self,
        url: &str,
        headers: WebhookHeaders,
        body: Vec<u8>,
    ) -> Result<AttemptOutcome, reqwest::Error> {
        // Also here, because no name is resolved for a URL with an address, and the policy can have become stricter.
        let Ok(url) = parse_url(url, self.settings.addresses) else {
            return Ok(AttemptOutcome::NoResponse(SendError::UrlForbidden));
        };
        let request = self
            .client()?
            .post(url)
            .header(CONTENT_TYPE, "application/json")
            .header("webhook-id", headers.id)
            .header("webhook-timestamp", headers.timestamp)
            .header("webhook-signature", headers.signature)
            .body(body);
        let received = async {
            let response = request.send().await?;
            // A response whose body does not arrive is none: the endpoint may have failed while it wrote it.
            Ok::<_, reqwest::Error>((response.status().as_u16(), read_beginning(response).await?))
        };
        Ok(match tokio::time::timeout(self.settings.timeout, received).await {
            Err(_) => AttemptOutcome::NoResponse(SendError::Timeout),
            Ok(Err(error)) => AttemptOutcome::NoResponse(classify(&error)),
            Ok(Ok((status, body))) => AttemptOutcome::Response { status, body: stored_body(&body) },
        })
    }

    fn client(&self) -> Result<&Client, reqwest::Error> {
        if let Some(client) = self.client.get() {
            return Ok(client);
        }
        let resolver = CheckedResolver { inner: Arc::clone(&self.settings.resolver), policy: self.settings.addresses };
        let client = Client::builder()
            .redirect(Policy::none())
            .no_proxy()
            .https_only(self.settings.addresses == AddressPolicy::Public)
            .dns_resolver(Arc::new(resolver))
            .user_agent(USER_AGENT)
            // Webhooks to one host are too rare for connections to be kept.
            .pool_max_idle_per_host(0)
            .build()?;
        Ok(self.client.get_or_init(|| client))
    }
}

/// Reads at most a byte more than is stored, and then closes the connection.
async fn read_beginning(mut response: Response) -> Result<Vec<u8>, reqwest::Error> {
    let mut bytes = Vec::new();
    while bytes.len() <= MAX_RESPONSE_BYTES {
        let Some(chunk) = response.chunk().await? else { break };
        bytes.extend_from_slice(&chunk[..chunk.len().min(MAX_RESPONSE_BYTES + 1 - bytes.len())]);
    }
    Ok(bytes)
}

fn classify(error: &reqwest::Error) -> SendError {
    let mut next: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(cause) = next {
        if cause.is::<ForbiddenAddressError>() {
            return SendError::AddressForbidden;
        }
        if cause.is::<ResolveError>() {
            return SendError::DnsFailed;
        }
        next = cause.source();
    }
    SendError::ConnectionFailed
}
