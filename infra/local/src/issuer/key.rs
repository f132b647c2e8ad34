//! The key that signs the issuer's tokens.

use std::{fs, io, path::Path};

use jsonwebtoken::{
    Algorithm, EncodingKey, Header,
    jwk::{Jwk, PublicKeyUse, ThumbprintHash},
};
use serde::Serialize;
use shared::tokens::local::{SpareKey, write_secret_file};
use zeroize::Zeroizing;

use crate::FolderError;

/// An RSA key: its own, and no license token's.
pub(super) struct IssuerKey {
    signing: EncodingKey,
    pub(super) jwk: Jwk,
}

impl IssuerKey {
    /// The key in a file, which is made if it is missing.
    pub(super) fn in_file(path: &Path) -> Result<Self, FolderError> {
        let at = |cause| FolderError::File { path: path.to_owned(), cause };
        match fs::read_to_string(path) {
            Ok(pem) => Self::read(&pem).map_err(at),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let (key, pem) = Self::generate(None)?;
                write_secret_file(path, pem.as_bytes()).map_err(at)?;
                Ok(key)
            }
            Err(error) => Err(at(error)),
        }
    }

    /// A new key, or the spare one, and its PEM text.
    pub(super) fn generate(spare: Option<SpareKey>) -> Result<(Self, Zeroizing<String>), FolderError> {
        let at = |cause| FolderError::File { path: "a new key".into(), cause };
        let pem = spare.map_or_else(SpareKey::make, Ok).and_then(|key| key.to_pem());
        let pem = pem.map_err(|error| at(io::Error::other(error)))?;
        Ok((Self::read(&pem).map_err(at)?, pem))
    }

    fn read(pem: &str) -> io::Result<Self> {
        let signing = EncodingKey::from_rsa_pem(pem.as_bytes()).map_err(io::Error::other)?;
        let mut jwk = Jwk::from_encoding_key(&signing, Algorithm::RS256).map_err(io::Error::other)?;
        jwk.common.public_key_use = Some(PublicKeyUse::Signature);
        jwk.common.key_id = Some(jwk.thumbprint(ThumbprintHash::SHA256).map_err(io::Error::other)?);
        Ok(Self { signing, jwk })
    }

    /// A signed token.
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
    fn a_key_outlives_the_process_and_is_its_owners_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key.pem");
        let first = IssuerKey::in_file(&path).unwrap();
        assert_eq!(IssuerKey::in_file(&path).unwrap().jwk, first.jwk);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(!serde_json::to_string(&first.jwk).unwrap().contains("\"d\""));
        fs::write(&path, "no key").unwrap();
        assert!(IssuerKey::in_file(&path).is_err());
    }
}
