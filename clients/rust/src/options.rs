use std::{fmt, path::PathBuf, sync::Arc, time::Duration};

use crate::{error::Error, ports::Storage};

/// The largest length of a machine id, and of a machine id and an instance id together, in bytes.
const MAX_MACHINE_ID: usize = 256;
/// The largest length of an instance id, in bytes.
const MAX_INSTANCE_ID: usize = 64;

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
    pub(crate) ca_certificates: Option<Vec<u8>>,
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
            ca_certificates: None,
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

    /// Sets the id of the machine, 1 to 256 bytes without control characters that stay the same across restarts. Put the product into
    /// it: apps with the same machine id could free each other's seats. Default: a hash of the product and the identifier of the
    /// operating system's installation, or an ephemeral id in containers and CI jobs.
    #[must_use]
    pub fn machine_id(mut self, machine_id: impl Into<String>) -> Self {
        self.machine_id = Some(machine_id.into());
        self
    }

    /// Sets the id of this process, for licenses whose seats are held by processes: 1 to 64 bytes without control characters, and
    /// with the machine id at most 256 bytes. The seat is freed by [`License::close`](crate::License::close).
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

    /// Whether to store the license key, with which the client activates again: after a restart in a container, when the seat was
    /// lost, and when a refusal ends. Without it, the app asks for the license key then, and a stored one is removed. Default: true.
    #[must_use]
    pub fn keep_license_key(mut self, keep: bool) -> Self {
        self.keep_license_key = keep;
        self
    }

    /// Sets the `http` or `https` URL of a proxy, such as `http://proxy.example.com:3128`. Default: the environment variables
    /// `HTTPS_PROXY` and `NO_PROXY`, except for an API on a loopback host.
    #[must_use]
    pub fn proxy(mut self, url: impl Into<String>) -> Self {
        self.proxy = Some(url.into());
        self
    }

    /// Trusts these CA certificates, one or more in PEM format, in addition to those of the system.
    #[must_use]
    pub fn ca_certificates(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.ca_certificates = Some(pem.into());
        self
    }

    /// Sets the time-out of connecting, more than 0 seconds. Default: 10 seconds.
    #[must_use]
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// Sets the time-out of a whole request, more than 0 seconds. Default: 30 seconds.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Appends a text of visible ASCII characters and spaces to the header `User-Agent`, such as `atlas/4.2.0`.
    #[must_use]
    pub fn user_agent_suffix(mut self, suffix: impl Into<String>) -> Self {
        self.user_agent_suffix = Some(suffix.into());
        self
    }
}

impl Options {
    /// Checks what the types allow and the API or the HTTP library does not. The proxy and the certificates are checked
    /// where they are parsed.
    pub(crate) fn check(&self) -> Result<(), Error> {
        check_id("machine_id", self.machine_id.as_deref(), MAX_MACHINE_ID)?;
        check_id("instance_id", self.instance_id.as_deref(), MAX_INSTANCE_ID)?;
        let timeouts = [("connect_timeout", self.connect_timeout), ("timeout", self.timeout)];
        if let Some((name, _)) = timeouts.into_iter().find(|(_, timeout)| timeout.is_zero()) {
            return Err(Error::invalid_config(format_args!("{name} must be more than 0 seconds")));
        }
        let suffix = self.user_agent_suffix.as_deref().unwrap_or_default();
        if !suffix.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
            return Err(Error::invalid_config("user_agent_suffix must be visible ASCII characters and spaces"));
        }
        Ok(())
    }

    /// Checks that the API accepts the id of the process on the machine with this id.
    pub(crate) fn check_length(&self, machine_id: &str) -> Result<(), Error> {
        match &self.instance_id {
            Some(instance_id) if machine_id.len() + instance_id.len() > MAX_MACHINE_ID => Err(Error::invalid_config(
                format_args!("instance_id and machine_id must be at most {MAX_MACHINE_ID} bytes together"),
            )),
            _ => Ok(()),
        }
    }
}

fn check_id(name: &str, id: Option<&str>, max: usize) -> Result<(), Error> {
    match id {
        Some(id) if id.is_empty() || id.len() > max || id.contains(char::is_control) => {
            Err(Error::invalid_config(format_args!("{name} must be 1 to {max} bytes without control characters")))
        }
        _ => Ok(()),
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
