use std::{
    env, fs,
    process::{self, Command, Stdio},
    time::{Instant, SystemTime, UNIX_EPOCH},
};

use ring::rand::SecureRandom;

use crate::{
    ports::{ClockReading, Random, TimeSource},
    time::from_system_time,
};

/// The clocks of the system.
pub(crate) struct SystemTimeSource {
    start: Instant,
}

impl SystemTimeSource {
    pub(crate) fn new() -> Self {
        Self { start: Instant::now() }
    }
}

impl TimeSource for SystemTimeSource {
    fn read(&self) -> ClockReading {
        ClockReading { wall: from_system_time(SystemTime::now()), monotonic: self.start.elapsed().as_secs_f64() }
    }
}

/// The random number generator of the system.
pub(crate) struct SystemRandom;

impl Random for SystemRandom {
    fn fraction(&self) -> f64 {
        let [a, b, c, d, ..] = random_bytes();
        f64::from(u32::from_le_bytes([a, b, c, d])) / (f64::from(u32::MAX) + 1.0)
    }

    fn id(&self) -> String {
        format!("{:032x}", u128::from_le_bytes(random_bytes()))
    }
}

/// Returns random bytes. On a system without a generator, the time and the process id have to do.
fn random_bytes() -> [u8; 16] {
    let mut bytes = [0; 16];
    if ring::rand::SystemRandom::new().fill(&mut bytes).is_err() {
        let time = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        bytes = (time.as_nanos() << 32 | u128::from(process::id())).to_le_bytes();
    }
    bytes
}

/// Returns the system and the architecture, such as `linux x86_64`.
pub(crate) fn os() -> String {
    format!("{} {}", env::consts::OS, env::consts::ARCH)
}

/// Returns the host name.
pub(crate) fn hostname() -> Option<String> {
    if cfg!(windows) {
        env::var("COMPUTERNAME").ok()
    } else {
        fs::read_to_string("/proc/sys/kernel/hostname").ok().or_else(|| run("uname", &["-n"]))
    }
}

/// Runs a program, and returns its standard output if it succeeds.
pub(crate) fn run(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).stderr(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}
