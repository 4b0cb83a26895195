"""Journals: small files in an area that say what is half done, so that the next session can end it."""

import json

from store import disk


def write(path: bytes, **words: str) -> None:
    """Say it, durably."""
    disk.write_durably(path, json.dumps(words).encode())


def read(path: bytes) -> dict[str, str] | None:
    """What a journal says; None where there is none, nothing for one that makes no sense."""
    try:
        found = json.loads(disk.read(path))
    except FileNotFoundError:
        return None
    except ValueError:
        return {}
    return {name: str(word) for name, word in found.items()} if isinstance(found, dict) else {}
