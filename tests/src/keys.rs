//! RSA keys that all tests share, because generating one takes a third of a second.

use std::{
    env, fs,
    io::Write,
    path::{Path, PathBuf},
    sync::{
        LazyLock,
        atomic::{AtomicUsize, Ordering},
    },
};

use shared::tokens::local::PregeneratedKey;
use signet_local::DataDirectory;

const COUNT: usize = 12;

/// Returns signing keys for a stack. The first four, which a new installation needs, are not those of the last stack.
/// Returns none for a data directory that has keys, because one of these could be among them.
pub fn pregenerated_keys(data: Option<&DataDirectory>) -> Vec<PregeneratedKey> {
    static KEYS: LazyLock<Vec<PregeneratedKey>> = LazyLock::new(load_or_generate);
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    if data.is_some_and(|data| data.file("root-keys").exists()) {
        return Vec::new();
    }
    let mut keys = KEYS.clone();
    keys.rotate_left(NEXT.fetch_add(4, Ordering::Relaxed) % COUNT);
    // A server takes the last key first.
    keys.reverse();
    keys
}

/// Reads the keys from a file in the target directory. Creates it if it does not exist.
fn load_or_generate() -> Vec<PregeneratedKey> {
    let path = file();
    if let Ok(text) = fs::read_to_string(&path) {
        let keys = text.split_inclusive("-----END PRIVATE KEY-----\n");
        let keys: Vec<_> = keys.filter_map(|pem| PregeneratedKey::from_pem(pem.as_bytes()).ok()).collect();
        if keys.len() == COUNT {
            return keys;
        }
    }
    let keys: Vec<_> = (0..COUNT).map(|_| PregeneratedKey::generate().expect("a key is generated")).collect();
    store(&path, &keys);
    keys
}

/// Stores the keys. Another test binary may do the same, and the last one wins.
fn store(path: &Path, keys: &[PregeneratedKey]) {
    let folder = path.parent().expect("the file is in a folder");
    let mut file = tempfile::NamedTempFile::new_in(folder).expect("the target directory is writable");
    for key in keys {
        let pem = key.to_pem().expect("the key is encoded").replace("\r\n", "\n");
        file.write_all(pem.as_bytes()).expect("the target directory is writable");
    }
    file.persist(path).expect("the target directory is writable");
}

/// Returns the path of the file, next to the folder of this test binary.
fn file() -> PathBuf {
    let binary = env::current_exe().expect("a test binary has a path");
    binary.ancestors().nth(2).expect("a test binary is in target/debug/deps").join("test-signing-keys.pem")
}
