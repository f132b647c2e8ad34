use std::{
    collections::BTreeSet,
    fs,
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use crate::{file_storage::FileStorage, ports::Storage};

#[test]
fn a_reader_sees_the_old_or_the_new_content_and_never_a_part() {
    let folder = tempfile::tempdir().unwrap();
    let storage = FileStorage::new(folder.path().to_owned());
    let contents = [vec![b'a'; 100_000], vec![b'b'; 50_000]];
    storage.write("token.json", &contents[0]).unwrap();
    let is_done = AtomicBool::new(false);
    thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut seen = BTreeSet::new();
            while !is_done.load(Ordering::Relaxed) {
                seen.insert(storage.read("token.json").unwrap().unwrap());
            }
            seen
        });
        for index in 1..200 {
            storage.write("token.json", &contents[index % 2]).unwrap();
        }
        is_done.store(true, Ordering::Relaxed);
        assert!(reader.join().unwrap().iter().all(|content| contents.contains(content)));
    });
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "no temporary file is left");
}

#[test]
fn a_write_that_fails_leaves_no_temporary_file() {
    let folder = tempfile::tempdir().unwrap();
    let storage = FileStorage::new(folder.path().to_owned());
    fs::create_dir_all(folder.path().join("token.json/occupied")).unwrap();
    assert!(storage.write("token.json", b"new").is_err());
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn a_missing_file_is_absent_and_can_be_removed() {
    let folder = tempfile::tempdir().unwrap();
    let storage = FileStorage::new(folder.path().join("missing"));
    assert_eq!(storage.read("token.json").unwrap(), None);
    storage.remove("token.json").unwrap();
}

#[cfg(unix)]
#[test]
fn only_the_user_can_read_the_folder_and_the_files() {
    use std::os::unix::fs::PermissionsExt;

    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("signet/atlas");
    FileStorage::new(folder.clone()).write("license-key", b"KEY").unwrap();
    let mode = |path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(folder.clone()), 0o700);
    assert_eq!(mode(folder.join("license-key")), 0o600);
}
