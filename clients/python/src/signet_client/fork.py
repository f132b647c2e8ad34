"""Restart of background tasks in forked processes."""

import os
import threading
import weakref
from typing import Protocol


class Forkable(Protocol):
    """What has threads and locks."""

    core_lock: threading.RLock

    def restart_after_fork(self) -> None:
        """Replaces the locks and starts the threads again."""


_watched: "weakref.WeakSet[Forkable]" = weakref.WeakSet()
_locked: list[Forkable] = []


def watch(target: Forkable) -> None:
    """Restarts a target in processes that are forked from now on."""
    _watched.add(target)


def _before() -> None:
    """Waits until no thread is changing a target."""
    for target in list(_watched):
        target.core_lock.acquire()
        _locked.append(target)


def _after_in_parent() -> None:
    while _locked:
        _locked.pop().core_lock.release()


def _after_in_child() -> None:
    while _locked:
        _locked.pop().restart_after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before, after_in_parent=_after_in_parent, after_in_child=_after_in_child)
