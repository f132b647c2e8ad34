//! Requests for offline activation: the text that an app shows on a machine without a network.
//!
//! `signet-request/1:` and a JSON object in base64url without padding (RFC 4648, section 5). The text is short enough for
//! a QR code and survives copying: white space in it is ignored.

use data_encoding::BASE64URL_NOPAD;
use serde::{Deserialize, Serialize};

use super::{
    catalog::is_code,
    encryption_key::{EncryptionKeyError, PublicKeyInput},
    seat::{is_machine_id, is_machine_name},
};

/// What a request starts with, before its version.
const PREFIX: &str = "signet-request/";
/// The only version.
const VERSION: &str = "1";
/// The maximum length of a request, without white space. The longest machine ID and name and a public key of 4096 bits,
/// as PEM text, need three quarters of it.
pub const MAX_CHARS: usize = 4096;

/// A request for offline activation of one machine.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OfflineRequest {
    /// The code of the product.
    pub product: String,
    /// The machine ID that the app chose.
    pub machine_id: String,
    /// The display name of the machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub machine_name: Option<String>,
    /// The app's public key that the token is encrypted to. It is valid: [`PublicKeyInput::read`] succeeds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_key: Option<PublicKeyInput>,
}

/// Why a text is not a request for offline activation. The messages are for the person who copied the text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseOfflineRequestError {
    /// The text is too long.
    #[error("The request is longer than {MAX_CHARS} characters. Copy only the request that the app shows.")]
    TooLong,
    /// The text is something else.
    #[error("This is not a request. Copy the whole text that the app shows, from {PREFIX}{VERSION}: to its end.")]
    MissingPrefix,
    /// The app uses a later version.
    #[error("The request has another version than {VERSION}, which this installation does not support.")]
    UnknownVersion,
    /// The text is cut off, or a character was changed or lost.
    #[error("The request is cut off or damaged. Copy the whole text that the app shows.")]
    Damaged,
    /// The JSON object has missing, unknown or duplicate fields, or fields of another type.
    #[error("The request has unexpected content: {0}.")]
    Fields(String),
    /// The product is not a product code.
    #[error("The request has an invalid product: it must be a product code.")]
    Product,
    /// The machine ID is empty or too long, or has control characters.
    #[error("The request has an invalid machine ID: it must be 1 to 256 bytes without control characters.")]
    MachineId,
    /// The machine name is empty or too long, or has control or invisible characters.
    #[error(
        "The request has an invalid machine name: it must be 1 to 100 bytes without control or invisible characters."
    )]
    MachineName,
    /// The public key cannot be used.
    #[error("The request has an invalid public key: it {0}.")]
    PublicKey(EncryptionKeyError),
}

impl OfflineRequest {
    /// Parses the text that an app shows. Ignores white space and byte order marks, which copying and text files add.
    pub fn parse(text: &str) -> Result<Self, ParseOfflineRequestError> {
        let is_text = |c: &char| !c.is_whitespace() && *c != '\u{feff}';
        let text: String = text.chars().filter(is_text).take(MAX_CHARS + 1).collect();
        let Some((version, encoded)) = text.strip_prefix(PREFIX).map(|rest| rest.split_once(':').unwrap_or((rest, "")))
        else {
            return Err(ParseOfflineRequestError::MissingPrefix);
        };
        if text.chars().count() > MAX_CHARS {
            return Err(ParseOfflineRequestError::TooLong);
        }
        if !version.is_empty() && version != VERSION {
            return Err(ParseOfflineRequestError::UnknownVersion);
        }
        let json = BASE64URL_NOPAD.decode(encoded.as_bytes()).map_err(|_| ParseOfflineRequestError::Damaged)?;
        let request: Self = serde_json::from_slice(&json).map_err(|error| match error.classify() {
            serde_json::error::Category::Data => ParseOfflineRequestError::Fields(without_position(&error)),
            _ => ParseOfflineRequestError::Damaged,
        })?;
        if !json.trim_ascii_start().starts_with(b"{") {
            // serde reads a list as the fields in their order.
            return Err(ParseOfflineRequestError::Fields("expected an object".to_owned()));
        }
        request.check()?;
        Ok(request)
    }

    /// Returns the text that an app shows.
    pub fn format(&self) -> Result<String, serde_json::Error> {
        Ok(format!("{PREFIX}{VERSION}:{}", BASE64URL_NOPAD.encode(&serde_json::to_vec(self)?)))
    }

    fn check(&self) -> Result<(), ParseOfflineRequestError> {
        if !is_code(&self.product) {
            return Err(ParseOfflineRequestError::Product);
        }
        if !is_machine_id(&self.machine_id) {
            return Err(ParseOfflineRequestError::MachineId);
        }
        if !self.machine_name.as_deref().is_none_or(is_machine_name) {
            return Err(ParseOfflineRequestError::MachineName);
        }
        if let Some(key) = &self.public_key {
            key.read().map_err(ParseOfflineRequestError::PublicKey)?;
        }
        Ok(())
    }
}

/// Returns the message of an error, without the line and column, which mean nothing to a reader of the encoded text.
fn without_position(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.split(" at line ").next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn encode(json: &str) -> String {
        format!("signet-request/1:{}", BASE64URL_NOPAD.encode(json.as_bytes()))
    }

    fn parse_error(text: &str) -> ParseOfflineRequestError {
        OfflineRequest::parse(text).unwrap_err()
    }

    /// A public key with a modulus of `bits`.
    fn public_key(bits: usize) -> Value {
        let n = BASE64URL_NOPAD.encode(&vec![0xff; bits / 8]);
        json!({"kty": "RSA", "n": n, "e": "AQAB"})
    }

    fn requests() -> impl Strategy<Value = OfflineRequest> {
        let key = prop_oneof![Just(None), Just(Some(2048)), Just(Some(4096))];
        let names = (
            "[a-z0-9][a-z0-9-]{1,39}",
            any::<String>().prop_filter("machine ID", |id| is_machine_id(id)),
            proptest::option::of("[ -~é世]{1,25}"),
            key,
        );
        names.prop_map(|(product, machine_id, machine_name, bits)| {
            let public_key = bits.map(|bits| serde_json::from_value(public_key(bits)).unwrap());
            OfflineRequest { product, machine_id, machine_name, public_key }
        })
    }

    proptest! {
        #[test]
        fn request_round_trips_with_white_space(request in requests(), at in any::<proptest::sample::Index>()) {
            let text = request.format().unwrap();
            prop_assert!(text.len() <= MAX_CHARS);
            let (start, end) = text.split_at(at.index(text.len()));
            let pasted = format!("\u{feff} {start}\r\n\t {end}\n");
            let parsed = OfflineRequest::parse(&pasted).unwrap();
            prop_assert_eq!(json!(parsed), json!(request));
        }

        #[test]
        fn truncated_request_is_an_error(request in requests()) {
            let text = request.format().unwrap();
            for end in 0..text.len() {
                let error = parse_error(&text[..end]);
                let expected = [ParseOfflineRequestError::MissingPrefix, ParseOfflineRequestError::Damaged];
                prop_assert!(expected.contains(&error), "{}: {error:?}", &text[..end]);
            }
        }

        #[test]
        fn parse_does_not_panic(text in any::<String>(), json in any::<String>(), bytes in any::<Vec<u8>>()) {
            let _ = OfflineRequest::parse(&text);
            let _ = OfflineRequest::parse(&encode(&json));
            let _ = OfflineRequest::parse(&format!("{PREFIX}1:{}", BASE64URL_NOPAD.encode(&bytes)));
        }
    }

    #[test]
    fn longest_request_is_within_the_limit() {
        let pem = format!("-----BEGIN PUBLIC KEY-----\r\n{}\r\n-----END PUBLIC KEY-----\r\n", "A".repeat(760));
        let longest = json!({
            "product": "p".repeat(40), "machine_id": "\"".repeat(256), "machine_name": "\"".repeat(100), "public_key": pem,
        });
        assert!(encode(&longest.to_string()).len() < MAX_CHARS * 3 / 4);
    }

    #[test]
    fn parse_says_what_is_wrong() {
        let valid = encode(r#"{"product": "atlas", "machine_id": "machine-1"}"#);
        assert_eq!(parse_error(""), ParseOfflineRequestError::MissingPrefix);
        assert_eq!(parse_error(r#"{"product": "atlas"}"#), ParseOfflineRequestError::MissingPrefix);
        assert_eq!(parse_error(&valid.to_uppercase()), ParseOfflineRequestError::MissingPrefix);
        assert_eq!(parse_error(&valid.replace("/1:", "/2:")), ParseOfflineRequestError::UnknownVersion);
        assert_eq!(parse_error(&valid.replace("/1:", "/10:")), ParseOfflineRequestError::UnknownVersion);
        assert_eq!(parse_error(&format!("{valid}=")), ParseOfflineRequestError::Damaged);
        assert_eq!(parse_error(&format!("{valid}{valid}")), ParseOfflineRequestError::Damaged);
        assert_eq!(
            parse_error(&encode("{}{}")),
            ParseOfflineRequestError::Fields("missing field `product`".to_owned())
        );
        assert_eq!(parse_error(&encode("not JSON")), ParseOfflineRequestError::Damaged);
        assert_eq!(parse_error(&encode(&" ".repeat(4000))), ParseOfflineRequestError::TooLong);
        assert!(OfflineRequest::parse(&format!("{}{valid}", " \n".repeat(9000))).is_ok());
    }

    #[test]
    fn parse_checks_every_field() {
        let with = |fields: Value| {
            let mut request = json!({"product": "atlas", "machine_id": "machine-1"});
            request.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
            OfflineRequest::parse(&encode(&request.to_string()))
        };
        assert!(with(json!({"machine_name": null, "public_key": null})).is_ok());
        assert!(with(json!({"machine_name": "build-07", "public_key": public_key(2048)})).is_ok());
        assert_eq!(with(json!({"product": "At las"})).unwrap_err(), ParseOfflineRequestError::Product);
        assert_eq!(with(json!({"machine_id": ""})).unwrap_err(), ParseOfflineRequestError::MachineId);
        assert_eq!(with(json!({"machine_id": "a\nb"})).unwrap_err(), ParseOfflineRequestError::MachineId);
        assert_eq!(with(json!({"machine_name": "x".repeat(101)})).unwrap_err(), ParseOfflineRequestError::MachineName);
        let short = with(json!({"public_key": public_key(1024)})).unwrap_err();
        assert_eq!(short, ParseOfflineRequestError::PublicKey(EncryptionKeyError::Size(1024)));
        let private = with(json!({"public_key": {"kty": "RSA", "n": "AQAB", "e": "AQAB", "d": "secret"}}));
        assert!(!format!("{private:?} {}", private.as_ref().unwrap_err()).contains("secret"));
        let unknown = with(json!({"color": "red"})).unwrap_err().to_string();
        assert!(unknown.contains("unknown field `color`") && !unknown.contains("line"), "{unknown}");
        let twice = encode(r#"{"product": "atlas", "machine_id": "a", "machine_id": "b"}"#);
        assert_eq!(
            parse_error(&twice).to_string(),
            "The request has unexpected content: duplicate field `machine_id`."
        );
    }
}
