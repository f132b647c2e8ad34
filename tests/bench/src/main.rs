//! Measures the cryptography of a release build: how often per second one thread signs a token, verifies one, and agrees on
//! the key of a TLS connection. `just bench` runs it. It depends on nothing else, so that it is built within a minute.

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use aws_lc_rs::{
    agreement::{self, ECDH_P256, PrivateKey},
    error::Unspecified,
    rand::SystemRandom,
    rsa::{KeyPair, KeySize},
    signature::{KeyPair as _, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, UnparsedPublicKey},
};

/// The best round counts: other processes make the others slower.
const ROUNDS: u32 = 5;
const ROUND: Duration = Duration::from_millis(500);
/// About the size of a license token.
const MESSAGE: [u8; 800] = [7; 800];

fn main() -> Result<(), Unspecified> {
    let (random, key) = (SystemRandom::new(), KeyPair::generate(KeySize::Rsa2048)?);
    let mut signature = vec![0; key.public_modulus_len()];
    measure("RSA-2048 signatures", || key.sign(&RSA_PKCS1_SHA256, &random, &MESSAGE, &mut signature))?;
    let public_key = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key.public_key());
    measure("RSA-2048 verifications", || public_key.verify(&MESSAGE, &signature))?;

    let (own, other) = (PrivateKey::generate(&ECDH_P256)?, PrivateKey::generate(&ECDH_P256)?.compute_public_key()?);
    let other = agreement::UnparsedPublicKey::new(&ECDH_P256, other);
    measure("P-256 key agreements", || {
        agreement::agree(&own, &other, Unspecified, |secret| {
            black_box(secret);
            Ok(())
        })
    })
}

/// Prints how often per second an operation runs.
#[expect(clippy::print_stdout, reason = "the result")]
fn measure(name: &str, mut operation: impl FnMut() -> Result<(), Unspecified>) -> Result<(), Unspecified> {
    let mut best = 0.0_f64;
    for _ in 0..ROUNDS {
        let (begun, mut count) = (Instant::now(), 0_u32);
        while begun.elapsed() < ROUND {
            operation()?;
            count += 1;
        }
        best = best.max(f64::from(count) / begun.elapsed().as_secs_f64());
    }
    println!("{name:24} {best:8.0} per second");
    Ok(())
}
