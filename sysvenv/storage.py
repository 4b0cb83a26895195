"""The store of a home, as its environment uses it."""

from __future__ import annotations

import os

from store import store as stores
from store.store import Store
from sysvenv.home import Home


def of(home: Home) -> Store:
    """Unopened: nothing is looked at."""
    return Store(os.fsencode(home.store), os.fsencode(home.area))


def opened(home: Home, *, guard_text_only: bool = False) -> Store:
    """Open. Raises StoreError when it is not there or of a version we do not know, Damaged where it says none."""
    return stores.open_store(os.fsencode(home.store), os.fsencode(home.area), guard_text_only=guard_text_only)


def create(home: Home) -> None:
    """Make it, with the area of the home's environment, or complete it."""
    from store import areas

    stores.create(os.fsencode(home.store))
    if home.is_tracked:
        areas.create(os.fsencode(home.area), os.fsencode(home.root))
