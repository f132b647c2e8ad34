import contextlib
import os
import stat
import sys
import threading
from pathlib import Path

import pytest

from signet_client.file_storage import FileStorage, default_folder
from signet_client.store import Store


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no modes")
def test_the_folder_and_the_files_are_private(tmp_path):
    previous = os.umask(0)
    try:
        FileStorage(tmp_path / "a" / "b").write("token.json", b"x")
    finally:
        os.umask(previous)
    assert stat.S_IMODE((tmp_path / "a" / "b").stat().st_mode) == 0o700
    assert stat.S_IMODE((tmp_path / "a" / "b" / "token.json").stat().st_mode) == 0o600


def test_a_missing_file_is_none(tmp_path):
    assert FileStorage(tmp_path / "missing").read("token.json") is None
    FileStorage(tmp_path / "missing").remove("token.json")


def test_a_write_that_fails_leaves_the_old_file_alone(tmp_path, monkeypatch):
    storage = FileStorage(tmp_path)
    storage.write("token.json", b"old")
    monkeypatch.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        storage.write("token.json", b"new")
    assert os.listdir(tmp_path) == ["token.json"]
    assert storage.read("token.json") == b"old"


def test_a_file_is_flushed_before_it_replaces_the_old_one(tmp_path, monkeypatch):
    calls = []
    fsync, replace = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda descriptor: (calls.append("flush"), fsync(descriptor)))
    monkeypatch.setattr(os, "replace", lambda *paths: (calls.append("rename"), replace(*paths)))
    FileStorage(tmp_path).write("token.json", b"x")
    assert calls == ["flush", "rename"]


def test_a_reader_never_sees_a_part_of_a_file(tmp_path):
    storage = FileStorage(tmp_path)
    contents = [bytes([65 + number]) * 200_000 for number in range(3)]
    storage.write("token.json", contents[0])
    writers = [
        threading.Thread(target=lambda: [storage.write("token.json", content) for content in contents * 5])
        for _ in range(2)
    ]
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        assert storage.read("token.json") in contents
    assert os.listdir(tmp_path) == ["token.json"]


def test_a_file_that_could_not_be_written_is_kept_in_memory(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("no folder")
    store = Store(FileStorage(blocked / "folder"))
    store.write("token.json", "x")
    assert store.read("token.json") == "x"
    assert store.unwritable == ["token.json"]
    store.remove("token.json")
    assert store.read("token.json") is None


def test_a_file_that_is_no_text_counts_as_absent(tmp_path):
    (tmp_path / "token.json").write_bytes(b"\xff\xfe")
    assert Store(FileStorage(tmp_path)).read("token.json") is None


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="other systems have other folders")
def test_the_default_folder_follows_xdg(monkeypatch):
    monkeypatch.setenv("XDG_DATA_HOME", "/data")
    assert default_folder("atlas") == Path("/data/signet/atlas")
    monkeypatch.setenv("XDG_DATA_HOME", "relative")
    monkeypatch.setenv("HOME", "/home/ada")
    assert default_folder("atlas") == Path("/home/ada/.local/share/signet/atlas")


@pytest.mark.parametrize(("failures", "is_replaced"), [(19, True), (20, False)])
def test_a_file_that_is_being_read_on_windows_is_replaced_later(tmp_path, monkeypatch, failures, is_replaced):
    tries, replace = [], os.replace

    def fail(*paths):
        tries.append(paths)
        if len(tries) <= failures:
            raise PermissionError("sharing violation")
        replace(*paths)

    monkeypatch.setattr(os, "replace", fail)
    monkeypatch.setattr("signet_client.file_storage._REPLACE_TRIES", 20)
    with contextlib.nullcontext() if is_replaced else pytest.raises(PermissionError):
        FileStorage(tmp_path).write("token.json", b"x")
    assert len(tries) == 20
    assert (FileStorage(tmp_path).read("token.json") == b"x") == is_replaced
