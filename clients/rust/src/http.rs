use std::{
    env,
    sync::{Arc, OnceLock},
    time::Duration,
};

use ureq::{
    http::Uri,
    tls::{parse_pem, Certificate, PemItem, RootCerts, TlsConfig},
    Agent, Proxy,
};

use crate::{
    config::is_loopback,
    error::Error,
    options::Options,
    ports::{NetworkError, Request, Response, Transport},
};

/// Longer responses are not read.
const MAX_RESPONSE_BYTES: u64 = 1_000_000;

/// Sends requests with ureq. Redirects are not followed, and no connection is kept open.
#[derive(Clone)]
pub(crate) struct HttpTransport {
    api_url: String,
    user_agent: String,
    proxy: Option<Proxy>,
    ca_certificates: Vec<Certificate<'static>>,
    connect_timeout: Duration,
    timeout: Duration,
    /// Created for the first request, because reading the certificates of the system takes time.
    agent: OnceLock<Agent>,
}

impl HttpTransport {
    pub(crate) fn new(api_url: &str, options: &Options) -> Result<Self, Error> {
        let suffix = options.user_agent_suffix.as_ref().map(|suffix| format!(" {suffix}")).unwrap_or_default();
        Ok(Self {
            api_url: api_url.to_owned(),
            user_agent: format!("signet-client-rust/{}{suffix}", env!("CARGO_PKG_VERSION")),
            proxy: proxy(api_url, options)?,
            ca_certificates: options.ca_certificates.as_deref().map_or(Ok(Vec::new()), parse_certificates)?,
            connect_timeout: options.connect_timeout,
            timeout: options.timeout,
            agent: OnceLock::new(),
        })
    }

    fn agent(&self) -> &Agent {
        self.agent.get_or_init(|| {
            let tls = TlsConfig::builder().root_certs(self.root_certificates()).build();
            Agent::config_builder()
                .tls_config(tls)
                .proxy(self.proxy.clone())
                .user_agent(&self.user_agent)
                .http_status_as_error(false)
                .max_redirects(0)
                .max_redirects_will_error(false)
                .max_idle_connections(0)
                .timeout_connect(Some(self.connect_timeout))
                .timeout_global(Some(self.timeout))
                .build()
                .new_agent()
        })
    }

    /// Returns the certificates of the system and those of the app.
    fn root_certificates(&self) -> RootCerts {
        if !self.api_url.starts_with("https:") {
            return RootCerts::new_with_certs(&self.ca_certificates);
        }
        let system = rustls_native_certs::load_native_certs().certs;
        let system = system.iter().map(|certificate| Certificate::from_der(certificate).to_owned());
        let all: Vec<_> = system.chain(self.ca_certificates.iter().cloned()).collect();
        RootCerts::new_with_certs(&all)
    }

    fn try_send(&self, request: &Request) -> Result<Response, ureq::Error> {
        let url = format!("{}{}", self.api_url, request.path);
        let agent = self.agent();
        let response = match &request.body {
            Some(body) => {
                let post = agent.post(url).content_type("application/json");
                match request.timeout {
                    Some(timeout) => post.config().timeout_global(Some(timeout)).build(),
                    None => post,
                }
                .send(body.to_string())
            }
            None => agent.get(url).call(),
        }?;
        let header = |name| response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let (content_type, retry_after) = (header("content-type"), header("retry-after"));
        let status = response.status().as_u16();
        let body = response.into_body().into_with_config().limit(MAX_RESPONSE_BYTES).read_to_vec()?;
        Ok(Response { status, content_type, retry_after, body })
    }
}

impl Transport for HttpTransport {
    fn send(&self, request: &Request) -> Result<Response, NetworkError> {
        self.try_send(request).map_err(|error| NetworkError(Arc::new(error)))
    }

    fn for_forked_child(&self) -> Arc<dyn Transport> {
        Arc::new(Self { agent: OnceLock::new(), ..self.clone() })
    }
}

fn parse_certificates(pem: &[u8]) -> Result<Vec<Certificate<'static>>, Error> {
    let invalid = || Error::invalid_config("ca_certificates must be at least one certificate in PEM format");
    let mut certificates = Vec::new();
    for item in parse_pem(pem) {
        if let PemItem::Certificate(certificate) = item.map_err(|_| invalid())? {
            certificates.push(certificate);
        }
    }
    if certificates.is_empty() {
        return Err(invalid());
    }
    Ok(certificates)
}

/// Returns the proxy of the options, or else that of the environment, which is not used for a loopback host.
fn proxy(api_url: &str, options: &Options) -> Result<Option<Proxy>, Error> {
    if let Some(url) = &options.proxy {
        let has_scheme = ["http://", "https://"].iter().any(|scheme| url.to_lowercase().starts_with(scheme));
        let proxy = Proxy::new(url).ok().filter(|proxy| has_scheme && !proxy.host().is_empty());
        let invalid = || Error::invalid_config("proxy must be an http or https URL with a host");
        return proxy.map(Some).ok_or_else(invalid);
    }
    let uri: Uri = api_url.parse().map_err(Error::invalid_config)?;
    let host = uri.host().unwrap_or_default();
    let excluded = environment("NO_PROXY").unwrap_or_default();
    if is_loopback(host) || is_excluded(host, &excluded) {
        return Ok(None);
    }
    Ok(environment("HTTPS_PROXY").and_then(|url| Proxy::new(&url).ok()))
}

/// Returns the value of an environment variable in lower or upper case.
fn environment(name: &str) -> Option<String> {
    let value = |name: &str| env::var(name).ok().filter(|value| !value.is_empty());
    value(&name.to_lowercase()).or_else(|| value(name))
}

/// Returns whether `NO_PROXY` contains a host or a domain of it.
pub(crate) fn is_excluded(host: &str, excluded: &str) -> bool {
    let host = host.trim_matches(['[', ']']).to_lowercase();
    excluded.split(',').map(|entry| entry.trim().trim_start_matches('*').trim_start_matches('.').to_lowercase()).any(
        |entry| match host.strip_suffix(&entry) {
            _ if entry.is_empty() => false,
            Some(rest) => rest.is_empty() || rest.ends_with('.'),
            None => false,
        },
    ) || excluded.split(',').any(|entry| entry.trim() == "*")
}
