//! Takes the Rust lines out of the README, so that the tests run what stands there.

use std::{env, error::Error, fs, path::Path};

fn main() -> Result<(), Box<dyn Error>> {
    let readme = Path::new(&env::var("CARGO_MANIFEST_DIR")?).join("../README.md");
    println!("cargo::rerun-if-changed={}", readme.display());
    let text = fs::read_to_string(readme)?;
    let lines = text.split("```rust\n").nth(1).and_then(|rest| rest.split("```").next());
    let lines = lines.ok_or("the README has no Rust lines")?;
    Ok(fs::write(Path::new(&env::var("OUT_DIR")?).join("verify.rs"), lines)?)
}
