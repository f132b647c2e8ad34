//! Keys in files, for one machine and for tests: a signing key in a PEM file each, and the sealing key in one of its
//! own, readable by their owner alone. Where Signet is deployed, KMS holds them.

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
    Secrets,
    domain::{SealingContext, Secret, secret::SecretKey},
    secrets::SecretValues,
};

const PEM_TAG: &str = "PRIVATE KEY";

/// Signs with RSA keys of this process. A key's handle is its kid.
pub struct LocalSigner {
    /// Where the PEM files are; none keeps keys in memory.
    folder: Option<PathBuf>,
    keys: Mutex<HashMap<String, Arc<KeyPair>>>,
    spare: Mutex<Vec<SpareKey>>,
}

/// A key that is made ahead, for a signer in memory: making one takes a tenth of a second, and tests start hundreds.
#[derive(Clone)]
pub struct SpareKey(Arc<KeyPair>);

impl SpareKey {
    /// Makes one.
    pub fn make() -> Result<Self, SignError> {
        Ok(Self(Arc::new(KeyPair::generate(KeySize::Rsa2048).map_err(|_| refused("no key could be made"))?)))
    }

    /// Its private part, as a PEM file has it.
    pub fn to_pem(&self) -> Result<Zeroizing<String>, SignError> {
        let der: Pkcs8V1Der<'_> = self.0.as_der().map_err(|_| refused("the key can't be written"))?;
        Ok(Zeroizing::new(pem::encode(&pem::Pem::new(PEM_TAG, der.as_ref()))))
    }
}

impl fmt::Debug for SpareKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SpareKey(…)")
    }
}

impl LocalSigner {
    /// Keys in a folder, which is made if it is missing.
    pub fn in_folder(folder: &Path) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        Ok(Self { folder: Some(folder.to_owned()), keys: Mutex::default(), spare: Mutex::default() })
    }

    /// Keys that end with the process; the spare ones are used before any is made.
    pub fn in_memory(spare: Vec<SpareKey>) -> Self {
        Self { folder: None, keys: Mutex::default(), spare: Mutex::new(spare) }
    }

    fn make(&self) -> Result<NewKey, SignError> {
        let spare = self.spare.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let made = spare.map_or_else(SpareKey::make, Ok)?;
        let public = public_part(&made.0);
        let kid = public.kid();
        if let Some(folder) = &self.folder {
            write_secret_file(&file(folder, &kid), made.to_pem()?.as_bytes())
                .map_err(|error| SignError::Refused(format!("{}: {error}", folder.display())))?;
        }
        self.keys.lock().unwrap_or_else(PoisonError::into_inner).insert(kid.clone(), made.0);
        Ok(NewKey { handle: kid, public })
    }

    fn key(&self, handle: &str) -> Result<Arc<KeyPair>, SignError> {
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(pair) = keys.get(handle) {
            return Ok(Arc::clone(pair));
        }
        let path = self.path(handle)?.ok_or_else(|| refused("the key was in the memory of another process"))?;
        let text = fs::read(&path).map(Zeroizing::new);
        let text = text.map_err(|error| SignError::Refused(format!("{}: {error}", path.display())))?;
        let parsed = pem::parse(&*text).map_err(|_| SignError::Refused(format!("{} is no PEM", path.display())))?;
        let pair = KeyPair::from_pkcs8(parsed.contents())
            .map_err(|_| SignError::Refused(format!("{} is no RSA key", path.display())))?;
        let pair = Arc::new(pair);
        keys.insert(handle.to_owned(), Arc::clone(&pair));
        Ok(pair)
    }

    fn remove(&self, handle: &str) -> Result<(), SignError> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner).remove(handle);
        let Some(path) = self.path(handle)? else { return Ok(()) };
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(SignError::Refused(format!("{}: {error}", path.display())))
            }
            _ => Ok(()),
        }
    }

    /// The file of a key, where keys are in files. A handle comes from the table, and the table must not choose files.
    fn path(&self, handle: &str) -> Result<Option<PathBuf>, SignError> {
        if !handle.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_')) {
            return Err(refused("the key's handle is no kid"));
        }
        Ok(self.folder.as_deref().map(|folder| file(folder, handle)))
    }
}

impl Signer for LocalSigner {
    fn create<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<NewKey, SignError>> {
        ready(self.make()).boxed()
    }

    fn find<'a>(&'a self, _: &'a str) -> BoxFuture<'a, Result<Option<NewKey>, SignError>> {
        // A file that nobody knows of costs nothing.
        ready(Ok(None)).boxed()
    }

    fn public<'a>(&'a self, handle: &'a str) -> BoxFuture<'a, Result<PublicKey, SignError>> {
        ready(self.key(handle).map(|pair| public_part(&pair))).boxed()
    }

    fn check<'a>(&'a self, handle: &'a str) -> BoxFuture<'a, Result<(), SignError>> {
        ready(self.key(handle).map(drop)).boxed()
    }

    fn sign<'a>(&'a self, handle: &'a str, message: &'a [u8]) -> BoxFuture<'a, Result<Vec<u8>, SignError>> {
        let signed = self.key(handle).and_then(|pair| {
            let mut signature = vec![0; pair.public_modulus_len()];
            let done = pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut signature);
            done.map(|()| signature).map_err(|_| refused("the key does not sign"))
        });
        ready(signed).boxed()
    }

    fn end<'a>(&'a self, handle: &'a str) -> BoxFuture<'a, Result<(), SignError>> {
        ready(self.remove(handle)).boxed()
    }
}

impl fmt::Debug for LocalSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalSigner").field("folder", &self.folder).finish_non_exhaustive()
    }
}

fn public_part(pair: &KeyPair) -> PublicKey {
    PublicKey {
        n: pair.public_key().modulus().big_endian_without_leading_zero().to_vec(),
        e: pair.public_key().exponent().big_endian_without_leading_zero().to_vec(),
    }
}

fn refused(reason: &str) -> SignError {
    SignError::Refused(reason.to_owned())
}

fn file(folder: &Path, kid: &str) -> PathBuf {
    folder.join(format!("{kid}.pem"))
}

/// All the keys of one machine.
#[derive(Debug, Clone)]
pub struct LocalKeys {
    /// Signs license tokens.
    pub signer: Arc<LocalSigner>,
    /// Seals what lies in the table.
    pub sealer: Arc<LocalSealer>,
    /// What must be secret and is shared by all functions.
    pub secrets: Secrets,
    /// The handles of the root keys; the first signs.
    pub root_keys: Vec<String>,
}

impl LocalKeys {
    /// Keys in a folder; those that are missing are made: `signing-keys/`, `sealing.key`, `cursor.key`, `session.key`.
    /// `root-keys` names those of the signing keys that are root keys, one in a line; the first signs.
    pub fn in_folder(folder: &Path) -> io::Result<Self> {
        let signer = LocalSigner::in_folder(&folder.join("signing-keys"))?;
        let sealer = LocalSealer::new(&secret_in_file(&folder.join("sealing.key"))?)?;
        let secrets = secrets(key_in_file(&folder.join("cursor.key"))?, key_in_file(&folder.join("session.key"))?);
        let root_keys = root_keys(&folder.join("root-keys"), &signer)?;
        Ok(Self { signer: Arc::new(signer), sealer: Arc::new(sealer), secrets, root_keys })
    }

    /// Keys that end with the process.
    pub fn in_memory(spare: Vec<SpareKey>) -> io::Result<Self> {
        let sealer = LocalSealer::new(&*random_bytes())?;
        let signer = LocalSigner::in_memory(spare);
        let root_keys = vec![signer.make().map_err(io::Error::other)?.handle];
        let secrets = secrets(SecretKey::new(random_bytes()), SecretKey::new(random_bytes()));
        Ok(Self { signer: Arc::new(signer), sealer: Arc::new(sealer), secrets, root_keys })
    }
}

fn secrets(cursor_key: SecretKey, session_key: SecretKey) -> Secrets {
    Secrets::fixed(SecretValues { cursor_key, session_key, oidc_client_secret: None })
}

fn key_in_file(path: &Path) -> io::Result<SecretKey> {
    let bytes = secret_in_file(path)?;
    let bytes = bytes.as_slice().try_into().map(Zeroizing::new);
    let no_key = |_| io::Error::other(format!("{}: a key has 32 bytes", path.display()));
    bytes.map(SecretKey::new).map_err(no_key)
}

fn random_bytes() -> Zeroizing<[u8; 32]> {
    Zeroizing::new(rand::rng().random())
}

/// The root keys that a file names, one in a line; where there is none, a key is made.
fn root_keys(path: &Path, signer: &LocalSigner) -> io::Result<Vec<String>> {
    match fs::read_to_string(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let handle = signer.make().map_err(io::Error::other)?.handle;
            write_secret_file(path, format!("{handle}\n").as_bytes())?;
            Ok(vec![handle])
        }
        read => Ok(read?.split_whitespace().map(str::to_owned).collect()),
    }
}

/// 32 random bytes in a file, which is made if it is missing.
fn secret_in_file(path: &Path) -> io::Result<Zeroizing<Vec<u8>>> {
    match fs::read(path).map(Zeroizing::new) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let bytes = random_bytes();
            write_secret_file(path, &*bytes)?;
            Ok(Zeroizing::new(bytes.to_vec()))
        }
        read => read,
    }
}

/// Seals with one AES-256 key of this process.
pub struct LocalSealer {
    key: RandomizedNonceKey,
}

impl LocalSealer {
    /// With a key of 32 bytes.
    pub fn new(key: &[u8]) -> io::Result<Self> {
        let key = RandomizedNonceKey::new(&AES_256_GCM, key);
        Ok(Self { key: key.map_err(|_| io::Error::other("a sealing key has 32 bytes"))? })
    }
}

impl Sealer for LocalSealer {
    fn seal<'a>(&'a self, context: &'a SealingContext, text: &'a Secret) -> BoxFuture<'a, Result<Vec<u8>, SealError>> {
        let mut sealed = text.expose().as_bytes().to_vec();
        let nonce = self.key.seal_in_place_append_tag(Aad::from(associated_data(context)), &mut sealed);
        let sealed = nonce.map_err(|_| SealError::DoesNotOpen).map(|nonce| {
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
        ready(opened.ok_or(SealError::DoesNotOpen)).boxed()
    }

    fn reseal<'a>(&'a self, _: &'a SealingContext, _: &'a [u8]) -> BoxFuture<'a, Result<Option<Vec<u8>>, SealError>> {
        // There is one key.
        ready(Ok(None)).boxed()
    }
}

impl fmt::Debug for LocalSealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LocalSealer(…)")
    }
}

/// Writes a file that only its owner may read; never over one that is there. It is whole or absent: a process that
/// dies half-way leaves a file of another name.
pub fn write_secret_file(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}", rand::rng().random::<u64>()));
    let draft = path.with_file_name(name);
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
    let written = file.write_all(bytes).and_then(|()| file.sync_all()).and_then(|()| fs::hard_link(&draft, path));
    fs::remove_file(&draft)?;
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    fn context(item: &str) -> SealingContext {
        SealingContext { table: "signet".to_owned(), item: item.to_owned(), purpose: "token" }
    }

    #[tokio::test]
    async fn what_is_sealed_opens_in_its_place_alone() {
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
    async fn keys_outlive_the_process_and_are_their_owners_alone() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let made = LocalSigner::in_folder(folder.path()).unwrap().make().unwrap();
        let again = LocalSigner::in_folder(folder.path()).unwrap();
        assert!(again.key(&made.handle).is_ok());
        assert!(again.key("../x").is_err());
        assert!(again.remove("../x").is_err());
        let mode = fs::metadata(file(folder.path(), &made.handle)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let other = again.make().unwrap().handle;
        for _ in 0..2 {
            again.end(&other).await.unwrap();
            assert!(again.sign(&other, b"a").await.is_err());
        }
        let secret = folder.path().join("sealing.key");
        assert_eq!(secret_in_file(&secret).unwrap(), secret_in_file(&secret).unwrap());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    }
}
