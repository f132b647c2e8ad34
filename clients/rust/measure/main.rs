//! Measures opening a license that is stored in the folder that is the first argument: the median time in milliseconds, and the
//! resident memory of the first handle in bytes.

use std::{env, error::Error, fs, path::PathBuf, thread, time::Duration, time::Instant};

use signet_client::{License, Options, State};

fn main() -> Result<(), Box<dyn Error>> {
    let folder = PathBuf::from(env::args().nth(1).ok_or("the folder is missing")?);
    let config = fs::read_to_string(folder.join("signet-app.json"))?;
    let open = || -> Result<License, Box<dyn Error>> {
        let options = Options::new().storage_folder(folder.join("storage")).machine_id("machine-1");
        Ok(License::open(config.parse()?, options)?)
    };
    let before = resident_bytes()?;
    let license = open()?;
    // A token that was not verified leads to `Unactivated`.
    assert!(!matches!(license.state(), State::Unactivated { .. }));
    thread::sleep(Duration::from_millis(200));
    let idle = resident_bytes()?.saturating_sub(before);
    let mut times = Vec::new();
    for _ in 0..101 {
        let start = Instant::now();
        let license = open()?;
        times.push(start.elapsed());
        drop(license);
    }
    times.sort();
    println!("{:.3} {idle}", times[times.len() / 2].as_secs_f64() * 1000.0);
    Ok(())
}

fn resident_bytes() -> Result<u64, Box<dyn Error>> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).ok_or("no VmRSS")?;
    Ok(line.split_whitespace().nth(1).ok_or("no number")?.parse::<u64>()? * 1024)
}
