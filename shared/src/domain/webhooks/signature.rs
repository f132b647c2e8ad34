//! Signatures of webhooks, by the specification Standard Webhooks
//! (<https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>).

use std::fmt::Write;

use aws_lc_rs::hmac;
use data_encoding::BASE64;
use rand::{CryptoRng, RngExt};
use zeroize::Zeroizing;

use crate::domain::Secret;

/// The prefix of a secret.
const PREFIX: &str = "whsec_";
/// The number of random bytes in a secret. The specification requires 24 to 64.
const SECRET_BYTES: usize = 32;

/// The secret of an endpoint, `whsec_…`, with which webhooks are signed. `Debug` does not print it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookSecret(Secret);

/// The text is not the secret of a webhook endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("invalid webhook secret")]
pub struct ParseWebhookSecretError;

impl WebhookSecret {
    /// Generates a secret.
    pub fn generate(random: &mut impl CryptoRng) -> Self {
        let bytes = Zeroizing::new(random.random::<[u8; SECRET_BYTES]>());
        Self(Secret::new(format!("{PREFIX}{}", BASE64.encode(&*bytes))))
    }

    /// Parses a secret that was stored.
    pub fn parse(text: Secret) -> Result<Self, ParseWebhookSecretError> {
        key_bytes(&text).ok_or(ParseWebhookSecretError)?;
        Ok(Self(text))
    }

    /// Returns the text of the secret.
    pub fn as_secret(&self) -> &Secret {
        &self.0
    }

    /// Returns the signature of a webhook: `v1,` and the HMAC-SHA-256 of its id, its timestamp (Unix time) and its body.
    fn sign(&self, id: &str, timestamp: i64, body: &[u8]) -> String {
        let key = key_bytes(&self.0).unwrap_or_default();
        let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, &key));
        context.update(format!("{id}.{timestamp}.").as_bytes());
        context.update(body);
        format!("v1,{}", BASE64.encode(context.sign().as_ref()))
    }
}

fn key_bytes(text: &Secret) -> Option<Zeroizing<Vec<u8>>> {
    let bytes = BASE64.decode(text.expose().strip_prefix(PREFIX)?.as_bytes()).ok().map(Zeroizing::new);
    bytes.filter(|bytes| (24..=64).contains(&bytes.len()))
}

/// Returns the header `webhook-signature`: a signature with each secret, separated by spaces.
pub fn signature_header(secrets: &[WebhookSecret], id: &str, timestamp: i64, body: &[u8]) -> String {
    let mut header = String::new();
    for secret in secrets {
        let separator = if header.is_empty() { "" } else { " " };
        // Writing to a string cannot fail.
        let _ = write!(header, "{separator}{}", secret.sign(id, timestamp, body));
    }
    header
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rand::{SeedableRng, rngs::StdRng};

    use super::*;

    fn secret(text: &str) -> Result<WebhookSecret, ParseWebhookSecretError> {
        WebhookSecret::parse(Secret::new(text.to_owned()))
    }

    /// The example of the reference implementations.
    #[test]
    fn signature_is_that_of_the_specification() {
        let secret = secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let header =
            signature_header(&[secret], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, br#"{"test": 2432232314}"#);
        assert_eq!(header, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn generated_secrets_are_valid_distinct_and_not_printed() {
        let random = &mut StdRng::seed_from_u64(1);
        let [one, other] = [WebhookSecret::generate(random), WebhookSecret::generate(random)];
        assert_ne!(one, other);
        let text = one.as_secret().expose().to_owned();
        assert!(text.starts_with("whsec_") && text.len() == 50, "{text}");
        assert_eq!(secret(&text).unwrap(), one);
        assert_eq!(format!("{one:?}"), "WebhookSecret(Secret(…))");
        for invalid in ["", "whsec_", "whsec_AAAA", &text[6..], &text[..49], &format!("{text}\n")] {
            assert!(secret(invalid).is_err(), "{invalid}");
        }
    }

    proptest! {
        #[test]
        fn header_has_one_signature_per_secret(count in 0..4_usize, id in "[a-z_]{1,9}", body in any::<Vec<u8>>(), seed in any::<u64>()) {
            let random = &mut StdRng::seed_from_u64(seed);
            let secrets: Vec<_> = (0..count).map(|_| WebhookSecret::generate(random)).collect();
            let header = signature_header(&secrets, &id, 5, &body);
            let signatures: Vec<_> = header.split_whitespace().collect();
            let expected: Vec<_> = secrets.iter().map(|secret| secret.sign(&id, 5, &body)).collect();
            prop_assert_eq!(signatures, expected);
        }

        #[test]
        fn signature_depends_on_id_time_and_body(id in "[a-z]{1,9}", body in any::<Vec<u8>>(), seed in any::<u64>()) {
            let secret = WebhookSecret::generate(&mut StdRng::seed_from_u64(seed));
            let signature = secret.sign(&id, 5, &body);
            prop_assert_ne!(&signature, &secret.sign(&format!("{id}a"), 5, &body));
            prop_assert_ne!(&signature, &secret.sign(&id, 6, &body));
            prop_assert_ne!(&signature, &secret.sign(&id, 5, &[&body[..], b"a"].concat()));
        }
    }
}
