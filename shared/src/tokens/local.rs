//! Keys in files, for local installations and tests: one PEM file per signing key, and a file for each symmetric key.
//! Only the owner can read them. Deployed installations use KMS.

use std::{
    collections::HashMap,
    fmt, fs,
    future::ready,
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey},
    encoding::{AsDer, Pkcs8V1Der},
    rand::SystemRandom,
    rsa::{KeyPair, KeySize},
    signature::{KeyPair as _, RSA_PKCS1_SHA256},
};
use futures_util::{FutureExt, future::BoxFuture};
use rand::RngExt;
use zeroize::Zeroizing;

use super::{PublicKey, SealError, Sealer, SignError, Signer, sealer::associated_data, signer::NewKey};
use crate::{
    domain::{SealingContext, Secret, secret::SecretKey},
    secrets::{CursorSecret, SessionSecret, SessionValues},
};

const PEM_TAG: &str = "PRIVATE KEY";

/// Signs with RSA keys in the memory of this process, optionally stored in files. A key's handle is its kid.
pub struct LocalSigner {
    /// The directory of the PEM files. With `None`, keys exist only in memory.
    directory: Option<PathBuf>,
    keys: Mutex<HashMap<String, Arc<KeyPair>>>,
    pregenerated: Mutex<Vec<PregeneratedKey>>,
}

/// An RSA key that was generated in advance. Generating one takes a tenth of a second, and tests start hundreds of
/// signers.
#[derive(Clone)]
pub struct PregeneratedKey(Arc<KeyPair>);

impl PregeneratedKey {
    /// Generates an RSA key of 2048 bits.
    pub fn generate() -> Result<Self, SignError> {
        Ok(Self(Arc::new(KeyPair::generate(KeySize::Rsa2048).map_err(|_| rejected("failed to generate a key"))?)))
    }

    /// Reads a private key in PKCS #8 from PEM.
    pub fn from_pem(text: &[u8]) -> Result<Self, SignError> {
        let parsed = pem::parse(text).map_err(|_| rejected("not PEM"))?;
        let pair = KeyPair::from_pkcs8(parsed.contents()).map_err(|_| rejected("not an RSA private key"))?;
        Ok(Self(Arc::new(pair)))
    }

    /// Returns the private key as PEM.
    pub fn to_pem(&self) -> Result<Zeroizing<String>, SignError> {
        let der: Pkcs8V1Der<'_> = self.0.as_der().map_err(|_| rejected("failed to encode the key"))?;
        Ok(Zeroizing::new(pem::encode(&pem::Pem::new(PEM_TAG, der.as_ref()))))
    }
}

impl fmt::Debug for PregeneratedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PregeneratedKey(…)")
    }
}

impl LocalSigner {
    /// Creates a signer with PEM files in a directory. Creates the directory if it does not exist.
    pub fn in_directory(directory: &Path) -> io::Result<Self> {
        fs::create_dir_all(directory)?;
        let directory = Some(directory.to_owned());
        Ok(Self { directory, keys: Mutex::default(), pregenerated: Mutex::default() })
    }

    /// Creates a signer with keys in memory. It uses the pregenerated keys before it generates others.
    pub fn in_memory(pregenerated: Vec<PregeneratedKey>) -> Self {
        Self { directory: None, keys: Mutex::default(), pregenerated: Mutex::new(pregenerated) }
    }

    fn create_key(&self) -> Result<NewKey, SignError> {
        let pregenerated = self.pregenerated.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let key = pregenerated.map_or_else(PregeneratedKey::generate, Ok)?;
        let public = public_key(&key.0);
        let kid = public.kid();
        if let Some(directory) = &self.directory {
            write_secret_file(&pem_path(directory, &kid), key.to_pem()?.as_bytes())
                .map_err(|error| SignError::Rejected(format!("{}: {error}", directory.display())))?;
        }
        self.keys.lock().unwrap_or_else(PoisonError::into_inner).insert(kid.clone(), key.0);
        Ok(NewKey { handle: kid, public })
    }

    fn key(&self, handle: &str) -> Result<Arc<KeyPair>, SignError> {
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pair) = keys.get(handle) {
            return Ok(Arc::clone(pair));
        }
        let path =
            self.path(handle)?.ok_or_else(|| rejected("unknown key: it was in the memory of another process"))?;
        let text = fs::read(&path).map(Zeroizing::new);
        let text = text.map_err(|error| SignError::Rejected(format!("{}: {error}", path.display())))?;
        let invalid = |error: SignError| SignError::Rejected(format!("{}: {error}", path.display()));
        let PregeneratedKey(pair) = PregeneratedKey::from_pem(&text).map_err(invalid)?;
        keys.insert(handle.to_owned(), Arc::clone(&pair));
        Ok(pair)
    }

    fn remove(&self, handle: &str) -> Result<(), SignError> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner).remove(handle);
        let Some(path) = self.path(handle)? else { return Ok(()) };
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(SignError::Rejected(format!("{}: {error}", path.display())))
            }
            _ => Ok(()),
        }
    }

    /// Returns the path of a key's file; `None` for keys in memory. Handles come from the table, so they are validated
    /// to prevent path traversal.
    fn path(&self, handle: &str) -> Result<Option<PathBuf>, SignError> {
        if !handle.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_')) {
            return Err(rejected("the key's handle is not a kid"));
        }
        Ok(self.directory.as_deref().map(|directory| pem_path(directory, handle)))
    }
}

impl Signer for LocalSigner {
    fn create<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<NewKey, SignError>> {
        ready(self.create_key()).boxed()
    }

    fn find<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<Option<NewKey>, SignError>> {
        // An unused key file costs nothing.
        ready(Ok(None)).boxed()
    }

    fn public_key<'a>(&'a self, handle: &'a str) -> BoxFuture<'a, Result<PublicKey, SignError>> {
        ready(self.key(handle).map(|pair| public_key(&pair))).boxed()
    }

    fn check<'a>(&'a self, handle: &'a str) -> BoxFuture<'a, Result<(), SignError>> {
        ready(self.key(handle).map(drop)).boxed()
    }

    fn sign<'a>(&'a self, handle: &'a str, message: &'a [u8]) -> BoxFuture<'a, Result<Vec<u8>, SignError>> {
        let signature = self.key(handle).and_then(|pair| {
            let mut signature = vec![0; pair.public_modulus_len()];
            let result = pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut signature);
            result.map(|()| signature).map_err(|_| rejected("failed to sign with the key"))
        });
        ready(signature).boxed()
    }

    fn schedule_deletion<'a>(&'a self, handle: &'a str) -> BoxFuture<'a, Result<(), SignError>> {
        ready(self.remove(handle)).boxed()
    }
}

impl fmt::Debug for LocalSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalSigner").field("directory", &self.directory).finish_non_exhaustive()
    }
}

fn public_key(pair: &KeyPair) -> PublicKey {
    PublicKey {
        n: pair.public_key().modulus().big_endian_without_leading_zero().to_vec(),
        e: pair.public_key().exponent().big_endian_without_leading_zero().to_vec(),
    }
}

fn rejected(reason: &str) -> SignError {
    SignError::Rejected(reason.to_owned())
}

fn pem_path(directory: &Path, kid: &str) -> PathBuf {
    directory.join(format!("{kid}.pem"))
}

/// The keys of a local installation.
#[derive(Debug, Clone)]
pub struct LocalKeys {
    /// Signs license tokens.
    pub signer: Arc<LocalSigner>,
    /// Encrypts values that are stored in the table.
    pub sealer: Arc<LocalSealer>,
    /// Encrypts pagination cursors.
    pub cursor_secret: CursorSecret,
    /// Encrypts sessions.
    pub session_secret: SessionSecret,
    /// The handles of the root keys; the first signs.
    pub root_keys: Vec<String>,
}

impl LocalKeys {
    /// Loads the keys from a directory: `signing-keys/`, `sealing.key`, `cursor.key` and `session.key`. Creates those
    /// that do not exist. The file `root-keys` lists the handles of the root keys, one per line; the first signs.
    ///
    /// The pregenerated keys are used before others are generated.
    pub fn in_directory(directory: &Path, pregenerated: Vec<PregeneratedKey>) -> io::Result<Self> {
        let signer = LocalSigner::in_directory(&directory.join("signing-keys"))?;
        let signer = LocalSigner { pregenerated: Mutex::new(pregenerated), ..signer };
        let sealer = LocalSealer::new(&load_or_create_secret(&directory.join("sealing.key"))?)?;
        let cursor_secret = CursorSecret::fixed(load_or_create_key(&directory.join("cursor.key"))?);
        let session_secret = session_secret(load_or_create_key(&directory.join("session.key"))?);
        let root_keys = load_or_create_root_keys(&directory.join("root-keys"), &signer)?;
        Ok(Self { signer: Arc::new(signer), sealer: Arc::new(sealer), cursor_secret, session_secret, root_keys })
    }

    /// Generates keys that exist only in the memory of this process.
    pub fn in_memory(pregenerated: Vec<PregeneratedKey>) -> io::Result<Self> {
        let sealer = LocalSealer::new(&*random_bytes())?;
        let signer = LocalSigner::in_memory(pregenerated);
        let root_keys = vec![signer.create_key().map_err(io::Error::other)?.handle];
        let cursor_secret = CursorSecret::fixed(SecretKey::new(random_bytes()));
        let session_secret = session_secret(SecretKey::new(random_bytes()));
        Ok(Self { signer: Arc::new(signer), sealer: Arc::new(sealer), cursor_secret, session_secret, root_keys })
    }
}

fn session_secret(key: SecretKey) -> SessionSecret {
    SessionSecret::fixed(SessionValues { key, oidc_client_secret: None })
}

fn load_or_create_key(path: &Path) -> io::Result<SecretKey> {
    let bytes = load_or_create_secret(path)?;
    let bytes = bytes.as_slice().try_into().map(Zeroizing::new);
    let invalid = |_| io::Error::other(format!("{}: must have 32 bytes", path.display()));
    bytes.map(SecretKey::new).map_err(invalid)
}

fn random_bytes() -> Zeroizing<[u8; 32]> {
    Zeroizing::new(rand::rng().random())
}

/// Reads the handles of the root keys, one per line. Creates the file with a new key if it does not exist.
fn load_or_create_root_keys(path: &Path, signer: &LocalSigner) -> io::Result<Vec<String>> {
    match fs::read_to_string(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let handle = signer.create_key().map_err(io::Error::other)?.handle;
            write_secret_file(path, format!("{handle}\n").as_bytes())?;
            Ok(vec![handle])
        }
        read => Ok(read?.split_whitespace().map(str::to_owned).collect()),
    }
}

/// Reads a secret file. Creates it with 32 random bytes if it does not exist.
fn load_or_create_secret(path: &Path) -> io::Result<Zeroizing<Vec<u8>>> {
    match fs::read(path).map(Zeroizing::new) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let bytes = random_bytes();
            write_secret_file(path, &*bytes)?;
            Ok(Zeroizing::new(bytes.to_vec()))
        }
        read => read,
    }
}

/// Seals with an AES-256 key in the memory of this process.
pub struct LocalSealer {
    key: RandomizedNonceKey,
}

impl LocalSealer {
    /// Creates a sealer with a key of 32 bytes.
    pub fn new(key: &[u8]) -> io::Result<Self> {
        let key = RandomizedNonceKey::new(&AES_256_GCM, key);
        Ok(Self { key: key.map_err(|_| io::Error::other("the sealing key must have 32 bytes"))? })
    }
}

impl Sealer for LocalSealer {
    fn seal<'a>(&'a self, context: &'a SealingContext, text: &'a Secret) -> BoxFuture<'a, Result<Vec<u8>, SealError>> {
        let mut sealed = text.expose().as_bytes().to_vec();
        let nonce = self.key.seal_in_place_append_tag(Aad::from(associated_data(context)), &mut sealed);
        let sealed = nonce.map_err(|_| SealError::CannotSeal).map(|nonce| {
            let mut out = nonce.as_ref().to_vec();
            out.append(&mut sealed);
            out
        });
        ready(sealed).boxed()
    }

    fn open<'a>(&'a self, context: &'a SealingContext, sealed: &'a [u8]) -> BoxFuture<'a, Result<Secret, SealError>> {
        let opened = sealed.split_at_checked(NONCE_LEN).and_then(|(nonce, rest)| {
            let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
            let mut rest = Zeroizing::new(rest.to_vec());
            let text = self.key.open_in_place(nonce, Aad::from(associated_data(context)), &mut rest).ok()?;
            Some(Secret::new(str::from_utf8(text).ok()?.to_owned()))
        });
        ready(opened.ok_or(SealError::CannotOpen)).boxed()
    }

    fn reseal<'a>(&'a self, _: &'a SealingContext, _: &'a [u8]) -> BoxFuture<'a, Result<Option<Vec<u8>>, SealError>> {
        // There is only one key.
        ready(Ok(None)).boxed()
    }
}

impl fmt::Debug for LocalSealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LocalSealer(…)")
    }
}

/// Atomically creates a file that only its owner can read. Fails if it exists. A process that crashes midway leaves
/// only a temporary file.
pub fn write_secret_file(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}", rand::rng().random::<u64>()));
    let temporary = path.with_file_name(name);
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
    let written = file.write_all(bytes).and_then(|()| file.sync_all()).and_then(|()| fs::hard_link(&temporary, path));
    fs::remove_file(&temporary)?;
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    fn context(item: &str) -> SealingContext {
        SealingContext { table: "signet".to_owned(), item: item.to_owned(), purpose: "token" }
    }

    #[tokio::test]
    async fn sealed_values_open_only_in_their_context() {
        let sealer = LocalSealer::new(&[1; 32]).unwrap();
        let secret = Secret::new("ATLAS-7K3QM".to_owned());
        let sealed = sealer.seal(&context("a"), &secret).await.unwrap();
        assert!(!sealed.windows(5).any(|bytes| bytes == b"ATLAS"));
        assert_eq!(sealer.open(&context("a"), &sealed).await.unwrap(), secret);
        assert!(sealer.open(&context("b"), &sealed).await.is_err());
        assert!(sealer.open(&SealingContext { purpose: "license_key", ..context("a") }, &sealed).await.is_err());
        assert!(LocalSealer::new(&[2; 32]).unwrap().open(&context("a"), &sealed).await.is_err());
        for at in 0..sealed.len() {
            let mut damaged = sealed.clone();
            damaged[at] ^= 1;
            assert!(sealer.open(&context("a"), &damaged).await.is_err());
            assert!(sealer.open(&context("a"), &sealed[..at]).await.is_err());
        }
        assert_eq!(format!("{sealer:?}"), "LocalSealer(…)");
    }

    #[tokio::test]
    async fn key_files_are_persistent_and_readable_only_by_the_owner() {
        use std::os::unix::fs::PermissionsExt;
        let directory = tempfile::tempdir().unwrap();
        let created = LocalSigner::in_directory(directory.path()).unwrap().create_key().unwrap();
        let reopened = LocalSigner::in_directory(directory.path()).unwrap();
        assert!(reopened.key(&created.handle).is_ok());
        assert!(reopened.key("../x").is_err());
        assert!(reopened.remove("../x").is_err());
        let mode = fs::metadata(pem_path(directory.path(), &created.handle)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let other = reopened.create_key().unwrap().handle;
        for _ in 0..2 {
            reopened.schedule_deletion(&other).await.unwrap();
            assert!(reopened.sign(&other, b"a").await.is_err());
        }
        let secret = directory.path().join("sealing.key");
        assert_eq!(load_or_create_secret(&secret).unwrap(), load_or_create_secret(&secret).unwrap());
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 2);
    }
}
