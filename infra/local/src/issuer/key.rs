//! The signing key of the development issuer.

use std::{fs, io, path::Path};

use jsonwebtoken::{
    Algorithm, EncodingKey, Header,
    jwk::{Jwk, PublicKeyUse, ThumbprintHash},
};
use serde::Serialize;
use shared::tokens::local::{PregeneratedKey, write_secret_file};
use zeroize::Zeroizing;

use crate::DataDirectoryError;

/// An RSA key pair. It is separate from the license signing keys.
pub(super) struct DevIssuerKey {
    signing: EncodingKey,
    pub(super) jwk: Jwk,
}

impl DevIssuerKey {
    /// Reads the key from a PEM file. If the file is missing, creates it with the pregenerated key or a new one.
    pub(super) fn in_file(path: &Path, pregenerated: Option<PregeneratedKey>) -> Result<Self, DataDirectoryError> {
        let file_error = |cause| DataDirectoryError::File { path: path.to_owned(), cause };
        match fs::read_to_string(path) {
            Ok(pem) => Self::read(&pem).map_err(file_error),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let (key, pem) = Self::generate(pregenerated)?;
                write_secret_file(path, pem.as_bytes()).map_err(file_error)?;
                Ok(key)
            }
            Err(error) => Err(file_error(error)),
        }
    }

    /// Returns the pregenerated key if there is one, otherwise a new one, and its PEM text.
    pub(super) fn generate(
        pregenerated: Option<PregeneratedKey>,
    ) -> Result<(Self, Zeroizing<String>), DataDirectoryError> {
        let file_error = |cause| DataDirectoryError::File { path: "new key".into(), cause };
        let pem = pregenerated.map_or_else(PregeneratedKey::generate, Ok).and_then(|key| key.to_pem());
        let pem = pem.map_err(|error| file_error(io::Error::other(error)))?;
        Ok((Self::read(&pem).map_err(file_error)?, pem))
    }

    fn read(pem: &str) -> io::Result<Self> {
        let signing = EncodingKey::from_rsa_pem(pem.as_bytes()).map_err(io::Error::other)?;
        let mut jwk = Jwk::from_encoding_key(&signing, Algorithm::RS256).map_err(io::Error::other)?;
        jwk.common.public_key_use = Some(PublicKeyUse::Signature);
        jwk.common.key_id = Some(jwk.thumbprint(ThumbprintHash::SHA256).map_err(io::Error::other)?);
        Ok(Self { signing, jwk })
    }

    /// Signs claims with RS256.
    pub(super) fn sign(&self, typ: Option<&str>, claims: &impl Serialize) -> jsonwebtoken::errors::Result<String> {
        let kid = self.jwk.common.key_id.clone();
        let header = Header { typ: typ.map(str::to_owned), kid, ..Header::new(Algorithm::RS256) };
        jsonwebtoken::encode(&header, claims, &self.signing)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn key_file_persists_and_only_its_owner_can_read_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("key.pem");
        let first = DevIssuerKey::in_file(&path, None).unwrap();
        assert_eq!(DevIssuerKey::in_file(&path, None).unwrap().jwk, first.jwk);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(!serde_json::to_string(&first.jwk).unwrap().contains("\"d\""));
        fs::write(&path, "no key").unwrap();
        assert!(DevIssuerKey::in_file(&path, None).is_err());
    }
}
