//! License files, by which a machine that never reaches the API is licensed.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// For how long after its `iat` the key set of a license file verifies the file's token, in seconds: 400 days. It covers
/// the longest time for which a file is valid, 365 days.
pub const MAX_KEY_SET_AGE_SECONDS: i64 = 400 * 86_400;

/// The format of a license file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum LicenseFileFormat {
    /// The only version.
    #[serde(rename = "signet-license/1")]
    V1,
}

/// A license file: what an app needs to run on a machine that never reaches the API.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LicenseFile {
    /// Always `signet-license/1`.
    #[schema(value_type = String, example = "signet-license/1")]
    pub format: LicenseFileFormat,
    /// The URL of the issuer.
    #[schema(example = "https://licenses.example.com")]
    pub issuer: String,
    /// The code of the product.
    #[schema(example = "atlas")]
    pub product: String,
    /// License token of the machine, encrypted if the request has a public key.
    #[schema(
        example = "eyJhbGciOiJSUzI1NiIsInR5cCI6ImxpY2Vuc2Urand0In0.eyJzdWIiOiJsaWNfMDFKRDhXMFY1WEs2UTNSN1QyTjRNOFA5WkIifQ.c2lnbmF0dXJl"
    )]
    pub token: String,
    /// The set of signing keys, signed by a root key. It verifies only the token of this file.
    #[schema(example = "eyJhbGciOiJSUzI1NiIsInR5cCI6Imp3ay1zZXQrand0Iiwia2lkIjoi…")]
    pub signed_jwks: String,
}

impl LicenseFile {
    /// Returns the name under which the file is downloaded. A product code has only letters, digits and dashes.
    pub fn file_name(&self) -> String {
        format!("{}.signet-license", self.product)
    }
}

impl fmt::Debug for LicenseFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LicenseFile({}, {})", self.issuer, self.product)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{from_value, json};

    use super::*;

    #[test]
    fn license_file_is_json_with_its_format_and_does_not_print_its_token() {
        let json = json!({
            "format": "signet-license/1", "issuer": "https://licenses.example.com", "product": "atlas",
            "token": "secret", "signed_jwks": "keys",
        });
        let file: LicenseFile = from_value(json.clone()).unwrap();
        assert_eq!(json!(file), json);
        assert_eq!(file.file_name(), "atlas.signet-license");
        assert_eq!(format!("{file:?}"), "LicenseFile(https://licenses.example.com, atlas)");
        let later = json!({"format": "signet-license/2", "issuer": "", "product": "", "token": "", "signed_jwks": ""});
        assert!(from_value::<LicenseFile>(later).is_err());
    }
}
