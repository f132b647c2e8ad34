use std::{
    collections::{BTreeMap, VecDeque},
    io,
    sync::{Arc, Mutex, MutexGuard},
};

use serde_json::Value;

use crate::ports::{ClockReading, NetworkError, Ports, Random, Request, Response, Storage, TimeSource, Transport};

fn network_error(kind: &str) -> NetworkError {
    NetworkError(Arc::new(io::Error::other(format!("fault: {kind}"))))
}

/// Everything outside of the clients: clocks, storage, random numbers and the server.
#[derive(Default)]
pub(super) struct World {
    pub(super) clock: Mutex<Option<ClockReading>>,
    pub(super) storage: Mutex<BTreeMap<String, String>>,
    pub(super) is_read_only: bool,
    pub(super) random: f64,
    pub(super) ids: Mutex<u32>,
    pub(super) responses: Mutex<VecDeque<Value>>,
    pub(super) requests: Mutex<Vec<Value>>,
}

impl World {
    /// Creates the world at the start of a scenario.
    pub(super) fn of_scenario(scenario: &Value) -> Self {
        let storage = scenario["storage"].as_object().unwrap().iter();
        let storage = storage.map(|(name, text)| (name.clone(), text.as_str().unwrap().to_owned()));
        let world = Self {
            storage: Mutex::new(storage.collect()),
            is_read_only: scenario["options"]["read_only"] == true,
            random: scenario["random"].as_f64().unwrap(),
            ..Self::default()
        };
        world.move_clock(scenario["start"].as_f64().unwrap(), 0.0);
        world
    }

    pub(super) fn ports(self: &Arc<Self>) -> Ports {
        Ports { storage: self.clone(), transport: self.clone(), time: self.clone(), random: self.clone() }
    }

    pub(super) fn move_clock(&self, wall: f64, monotonic: f64) {
        let mut clock = self.clock.lock().unwrap();
        let reading = clock.unwrap_or(ClockReading { wall: 0.0, monotonic: 0.0 });
        *clock = Some(ClockReading { wall: reading.wall + wall, monotonic: reading.monotonic + monotonic });
    }

    fn files(&self) -> MutexGuard<'_, BTreeMap<String, String>> {
        self.storage.lock().unwrap()
    }

    fn check_writable(&self) -> io::Result<()> {
        if self.is_read_only {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        Ok(())
    }
}

impl TimeSource for World {
    fn read(&self) -> ClockReading {
        self.clock.lock().unwrap().expect("the clock is set")
    }
}

impl Random for World {
    fn fraction(&self) -> f64 {
        self.random
    }

    fn id(&self) -> String {
        let mut ids = self.ids.lock().unwrap();
        *ids += 1;
        format!("id-{ids}")
    }
}

impl Storage for World {
    fn read(&self, name: &str) -> io::Result<Option<Vec<u8>>> {
        Ok(self.files().get(name).map(|text| text.clone().into_bytes()))
    }

    fn write(&self, name: &str, content: &[u8]) -> io::Result<()> {
        self.check_writable()?;
        self.files().insert(name.to_owned(), String::from_utf8(content.to_vec()).unwrap());
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.check_writable()?;
        self.files().remove(name);
        Ok(())
    }
}

impl Transport for World {
    fn for_forked_child(&self) -> Arc<dyn Transport> {
        unreachable!("scenarios do not fork")
    }

    fn send(&self, request: &Request) -> Result<Response, NetworkError> {
        let method = if request.body.is_some() { "POST" } else { "GET" };
        let mut sent = serde_json::json!({"method": method, "path": request.path});
        if let Some(body) = &request.body {
            sent["body"] = body.clone();
        }
        self.requests.lock().unwrap().push(sent);
        let Some(response) = self.responses.lock().unwrap().pop_front() else { return Err(network_error("none")) };
        if let Some(changes) = response["during"].as_object() {
            for (name, content) in changes {
                match content.as_str() {
                    Some(text) => self.files().insert(name.clone(), text.to_owned()),
                    None => self.files().remove(name),
                };
            }
        }
        if let Some(kind) = response["fault"].as_str() {
            return Err(network_error(kind));
        }
        let header = |name: &str| response["headers"][name].as_str().map(str::to_owned);
        Ok(Response {
            status: u16::try_from(response["status"].as_u64().unwrap()).unwrap(),
            content_type: header("content-type"),
            retry_after: header("retry-after"),
            body: response["body"].as_str().map_or_else(|| response["body"].to_string(), str::to_owned).into_bytes(),
        })
    }
}
