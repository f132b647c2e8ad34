use std::{fmt, path::PathBuf, sync::Arc, time::Duration};

use crate::ports::Storage;

/// Options of [`License::open`](crate::License::open). All have defaults.
#[derive(Clone)]
pub struct Options {
    pub(crate) storage_folder: Option<PathBuf>,
    pub(crate) storage: Option<Arc<dyn Storage>>,
    pub(crate) machine_id: Option<String>,
    pub(crate) instance_id: Option<String>,
    pub(crate) machine_name: Report,
    pub(crate) os: Report,
    pub(crate) app_version: Option<String>,
    pub(crate) hostname: Option<String>,
    pub(crate) keep_license_key: bool,
    pub(crate) proxy: Option<String>,
    pub(crate) ca_certificates: Vec<u8>,
    pub(crate) connect_timeout: Duration,
    pub(crate) timeout: Duration,
    pub(crate) user_agent_suffix: Option<String>,
}

/// What to report of the machine.
#[derive(Debug, Clone)]
pub(crate) enum Report {
    Default,
    Nothing,
    Text(String),
}

impl Default for Options {
    fn default() -> Self {
        Self {
            storage_folder: None,
            storage: None,
            machine_id: None,
            instance_id: None,
            machine_name: Report::Default,
            os: Report::Default,
            app_version: None,
            hostname: None,
            keep_license_key: true,
            proxy: None,
            ca_certificates: Vec::new(),
            connect_timeout: Duration::from_secs(10),
            timeout: Duration::from_secs(30),
            user_agent_suffix: None,
        }
    }
}

impl Options {
    /// Creates options with the defaults.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the folder for the stored files. Default: `signet/PRODUCT` in the data folder of the user.
    #[must_use]
    pub fn storage_folder(mut self, folder: impl Into<PathBuf>) -> Self {
        self.storage_folder = Some(folder.into());
        self
    }

    /// Stores the files in a storage of the app instead of a folder.
    #[must_use]
    pub fn storage(mut self, storage: impl Storage + 'static) -> Self {
        self.storage = Some(Arc::new(storage));
        self
    }

    /// Sets the id of the machine, 1 to 256 bytes that stay the same across restarts. Default: a hash of the identifier
    /// of the operating system's installation, or an ephemeral id in containers and CI jobs.
    #[must_use]
    pub fn machine_id(mut self, machine_id: impl Into<String>) -> Self {
        self.machine_id = Some(machine_id.into());
        self
    }

    /// Sets the id of this process, for licenses whose seats are held by processes. The seat is freed by
    /// [`License::close`](crate::License::close).
    #[must_use]
    pub fn instance_id(mut self, instance_id: impl Into<String>) -> Self {
        self.instance_id = Some(instance_id.into());
        self
    }

    /// Sets the name of the machine for people. Default: the host name.
    #[must_use]
    pub fn machine_name(mut self, name: impl Into<String>) -> Self {
        self.machine_name = Report::Text(name.into());
        self
    }

    /// Does not report a name of the machine.
    #[must_use]
    pub fn without_machine_name(mut self) -> Self {
        self.machine_name = Report::Nothing;
        self
    }

    /// Sets the operating system to report. Default: system and architecture, such as `linux x86_64`.
    #[must_use]
    pub fn os(mut self, os: impl Into<String>) -> Self {
        self.os = Report::Text(os.into());
        self
    }

    /// Does not report the operating system.
    #[must_use]
    pub fn without_os(mut self) -> Self {
        self.os = Report::Nothing;
        self
    }

    /// Sets the version of the app to report. Default: none.
    #[must_use]
    pub fn app_version(mut self, version: impl Into<String>) -> Self {
        self.app_version = Some(version.into());
        self
    }

    /// Sets the host name to report. Default: none.
    #[must_use]
    pub fn hostname(mut self, hostname: impl Into<String>) -> Self {
        self.hostname = Some(hostname.into());
        self
    }

    /// Whether to store the license key, with which the client activates again. Default: true.
    #[must_use]
    pub fn keep_license_key(mut self, keep: bool) -> Self {
        self.keep_license_key = keep;
        self
    }

    /// Sets the URL of an HTTP proxy, such as `http://proxy.example.com:3128`. Default: the environment variables
    /// `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY`.
    #[must_use]
    pub fn proxy(mut self, url: impl Into<String>) -> Self {
        self.proxy = Some(url.into());
        self
    }

    /// Trusts these CA certificates, in PEM format, in addition to those of the system.
    #[must_use]
    pub fn ca_certificates(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.ca_certificates = pem.into();
        self
    }

    /// Sets the time-out of connecting. Default: 10 seconds.
    #[must_use]
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// Sets the time-out of a whole request. Default: 30 seconds.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Appends a text to the header `User-Agent`, such as `atlas/4.2.0`.
    #[must_use]
    pub fn user_agent_suffix(mut self, suffix: impl Into<String>) -> Self {
        self.user_agent_suffix = Some(suffix.into());
        self
    }
}

/// Prints no proxy URL, which may contain a password.
impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("storage_folder", &self.storage_folder)
            .field("machine_id", &self.machine_id)
            .field("instance_id", &self.instance_id)
            .field("keep_license_key", &self.keep_license_key)
            .finish_non_exhaustive()
    }
}
