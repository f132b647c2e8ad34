use std::{
    fmt,
    sync::{Arc, PoisonError, RwLock},
    time::SystemTime,
};

use crate::{
    background,
    client::Client,
    config::AppConfig,
    error::Error,
    file_storage::FileStorage,
    http::HttpTransport,
    identity::Identity,
    machine_id::{self, ThisMachine},
    options::{Options, Report},
    ports::{Ports, Storage},
    requests::MachineFacts,
    state::State,
    system::{self, SystemRandom, SystemTimeSource},
    time::from_system_time,
};

/// The license of this machine or process. A clone is the same license.
///
/// The methods that send requests block until the time-out at most: [`activate`](Self::activate),
/// [`deactivate`](Self::deactivate), [`release`](Self::release), [`close`](Self::close) and [`borrow`](Self::borrow).
/// The others return at once.
///
/// Dropping the last clone stops the background thread, but frees no seat: call [`close`](Self::close) for that.
#[derive(Clone)]
pub struct License {
    handle: Arc<Handle>,
}

/// Owns the background thread.
struct Handle {
    /// Replaced in a forked child.
    client: RwLock<Arc<Client>>,
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.client.get_mut().unwrap_or_else(PoisonError::into_inner).signal.close();
    }
}

impl License {
    /// Reads the stored license and starts the background thread, without a request. Fails only if the configuration
    /// or an option is not valid.
    pub fn open(config: AppConfig, options: Options) -> Result<Self, Error> {
        options.check()?;
        let transport = HttpTransport::new(config.api_url()?, &options)?;
        let identity = identity(config, &options)?;
        let storage = storage(&identity.product, &options);
        let facts = MachineFacts {
            machine_name: report(options.machine_name, system::hostname),
            app_version: options.app_version,
            os: report(options.os, || Some(system::os())),
            hostname: options.hostname,
        }
        .cut();
        let ports = Ports {
            storage,
            transport: Arc::new(transport),
            time: Arc::new(SystemTimeSource::new()),
            random: Arc::new(SystemRandom),
        };
        let client = Arc::new(Client::open(identity, facts, options.keep_license_key, ports));
        background::start(client.clone());
        Ok(Self { handle: Arc::new(Handle { client: RwLock::new(client) }) })
    }

    /// Returns the client of this process. In a forked child, whose only thread is the one that forked, it starts the
    /// background thread again.
    fn client(&self) -> Arc<Client> {
        let client = self.handle.client.read().unwrap_or_else(PoisonError::into_inner).clone();
        if client.is_of_this_process() {
            return client;
        }
        let mut current = self.handle.client.write().unwrap_or_else(PoisonError::into_inner);
        if !current.is_of_this_process() {
            let is_closed = current.signal.is_closed();
            *current = Arc::new(current.fork());
            if is_closed {
                current.signal.close();
            } else {
                background::start(current.clone());
            }
        }
        current.clone()
    }

    /// Returns the state, without a request.
    pub fn state(&self) -> State {
        self.client().state()
    }

    /// Returns whether the app may run and the license grants the feature.
    pub fn has(&self, feature: &str) -> bool {
        self.client().has(feature)
    }

    /// Returns the limit that the license grants: 0 if it grants none or the app may not run, [`u64::MAX`] if it is
    /// unlimited.
    pub fn limit(&self, feature: &str) -> u64 {
        self.client().limit(feature)
    }

    /// Calls `callback` with the new state after each change, until [`close`](Self::close) is called: in the thread that called an
    /// operation, before it returns, and otherwise in the background thread. A renewed token is not a change. A panic of the
    /// callback is ignored.
    ///
    /// Calls do not overlap, and are in the order of the states: a change that comes during a call is reported after it, in the same
    /// thread. The callback may call the license, or wait for a thread that does.
    pub fn on_change(&self, callback: impl Fn(&State) + Send + Sync + 'static) {
        self.client().on_change(Arc::new(callback));
    }

    /// Activates this machine with a license key, and returns the new state.
    ///
    /// An error has the code of the refusal, or `unreachable`; then the background thread tries again. While another license is
    /// in use, an error changes nothing. A license key that does not exist, `not_found`, or is for another product, `wrong_product`, changes
    /// nothing unless it is the stored one.
    pub fn activate(&self, license_key: &str) -> Result<State, Error> {
        self.client().activate(license_key)
    }

    /// Gives the license up on this machine: frees the seat, and removes everything, also the license key. After a refusal it
    /// activates first, because the seat may still be taken. If the API does not free the seat or cannot be reached, nothing changes.
    pub fn deactivate(&self) -> Result<State, Error> {
        self.client().deactivate()
    }

    /// Frees the seat, but keeps the license key: the next [`License::open`] activates again. Failures are ignored. Until there is a
    /// new token, or [`activate`](Self::activate) stores the license key, the background thread sends nothing.
    /// Takes two seconds at most. Does nothing with a license file, whose seat an app cannot free.
    pub fn release(&self) -> State {
        self.client().release()
    }

    /// Stops the background thread. With an instance id or an ephemeral machine id, it frees the seat as
    /// [`release`](Self::release) does. An operation after that fails with the code `closed`, and so does one that is in flight:
    /// a token that comes later is not stored.
    pub fn close(&self) {
        self.client().close();
    }

    /// Asks the API now, and returns the new state, which is no `Result`: sends a heartbeat, or activates with the stored license key
    /// if there is no token, after a refusal, and in [`State::ClockTampered`]. Programs that end within seconds call it, because the background thread sends its first request only later. A failure of
    /// the network is no error: the state says what is known.
    pub fn refresh(&self) -> State {
        self.client().refresh()
    }

    /// Borrows the seat until this time, which must be later than now, so that the license is valid until then without a network.
    /// Fails with the code `ephemeral_machine_id` if the machine id lasts only as long as this process.
    pub fn borrow(&self, until: SystemTime) -> Result<State, Error> {
        self.client().borrow(from_system_time(until))
    }

    /// Returns the text with which an operator or the customer creates a license file for this machine. Fails with the code
    /// `ephemeral_machine_id` if the machine id lasts only as long as this process.
    pub fn offline_request(&self) -> Result<String, Error> {
        self.client().offline_request()
    }

    /// Imports a license file, for a machine without a network. `content` is the whole file that the dashboard downloads, or the
    /// whole response body. The message of `license_file_invalid` says what is wrong with it.
    pub fn import_license_file(&self, content: impl AsRef<[u8]>) -> Result<State, Error> {
        self.client().import_license_file(content.as_ref())
    }

    /// Returns lines of text for support. They contain no token and no license key.
    pub fn diagnose(&self) -> String {
        self.client().diagnose()
    }
}

impl fmt::Debug for License {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("License").field("state", &self.state()).finish_non_exhaustive()
    }
}

fn identity(config: AppConfig, options: &Options) -> Result<Identity, Error> {
    let machine_id = match &options.machine_id {
        Some(id) => Some(id.clone()),
        None => machine_id::derive(&config.product, &ThisMachine),
    };
    let is_ephemeral = machine_id.is_none();
    let machine_id = machine_id.unwrap_or_else(machine_id::ephemeral);
    options.check_length(&machine_id)?;
    Ok(Identity {
        root_keys: config.root_keys()?,
        api_url: config.api_url()?.to_owned(),
        issuer: config.issuer,
        product: config.product,
        is_ephemeral,
        machine_id,
        instance_id: options.instance_id.clone(),
    })
}

fn storage(product: &str, options: &Options) -> Arc<dyn Storage> {
    match (&options.storage, &options.storage_folder) {
        (Some(storage), _) => storage.clone(),
        (None, Some(folder)) => Arc::new(FileStorage::new(folder.clone())),
        (None, None) => Arc::new(FileStorage::for_product(product)),
    }
}

fn report(report: Report, default: impl FnOnce() -> Option<String>) -> Option<String> {
    match report {
        Report::Default => default(),
        Report::Nothing => None,
        Report::Text(text) => Some(text),
    }
}
