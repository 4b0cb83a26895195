"""Half of the work in a forked process: its answer, its errors and its end are the parent's."""

from __future__ import annotations

import errno
import os
import signal

import pytest

from store import fork
from store.errors import Damaged, StoreError


def fail(error):
    raise error


def test_both_halves_come_back():
    """Each half's result, the second from another process."""
    assert fork.both(os.getpid, lambda: (os.getppid(), {b"path": [1, "two"]})) == (
        os.getpid(),
        (os.getpid(), {b"path": [1, "two"]}),
    )


def test_an_answer_larger_than_a_pipe_is_read_whole():
    """The child may tell of two hundred thousand files."""
    assert fork.both(lambda: None, lambda: b"x" * 10_000_000)[1] == b"x" * 10_000_000


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "full", "/x"), Damaged("It is broken.", "Run: x")])
def test_an_error_of_the_other_half_is_raised_here(error):
    """Type, number, sentence and hint: a full disk is told from damage, whoever came upon it."""
    with pytest.raises(type(error)) as caught:
        fork.both(lambda: None, lambda: fail(error))
    assert str(caught.value) == str(error)
    assert getattr(caught.value, "errno", None) == getattr(error, "errno", None)
    assert getattr(caught.value, "hint", None) == getattr(error, "hint", None)


def test_an_error_of_ours_waits_for_the_other_half(tmp_path):
    """Nobody works on in the store after the error was raised and the lock is gone."""
    with pytest.raises(KeyError):
        fork.both(lambda: fail(KeyError("ours")), lambda: (tmp_path / "done").write_text("x"))
    assert (tmp_path / "done").exists()


def test_a_half_that_is_killed_is_an_error():
    """Half of a tree is never taken for the whole."""
    with pytest.raises(StoreError, match="killed"):
        fork.both(lambda: None, lambda: os.kill(os.getpid(), signal.SIGKILL))


def test_without_another_process_one_does_it_all(monkeypatch):
    """No more processes allowed, or no memory for one: it takes longer, that is all."""
    monkeypatch.setattr(os, "fork", lambda: fail(OSError(errno.EAGAIN, "no")))
    assert fork.both(os.getpid, os.getpid) == (os.getpid(), os.getpid())


@pytest.mark.parametrize("count", [0, 1, 100, fork.Turns.MOST, 5000])
def test_each_turn_is_taken_once(count):
    """Nothing is done twice, nothing is left out, whoever is faster; and a pipe holds them all."""
    turns = fork.Turns(count)
    mine, theirs = fork.both(lambda: list(turns), lambda: list(turns))
    turns.close()
    assert sorted(mine + theirs) == list(range(min(count, fork.Turns.MOST)))
