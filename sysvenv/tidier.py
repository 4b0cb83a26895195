"""The process that tidies up when an operation is over:

    python -I -m sysvenv.tidier HOME

Nobody waits for it and nobody hears it. It prunes to the limits of the settings once it gets the lock, and gives up
where it does not get it soon: then the next operation starts another.
"""

from __future__ import annotations

import os
import sys
import time

from store.errors import Busy
from sysvenv import config, environ, retention
from sysvenv.home import Home
from sysvenv.operations import collect, neighbours
from sysvenv.operations.session import Context

PATIENCE = 5.0
"""Seconds it waits for the lock: pip, and whoever called it, end a little after what they did is recorded."""
BOUND = 2.0
"""Seconds it may sweep; what is left is for the next one."""
_PAUSE = 0.1
COMMAND = "sysvenv gc, by itself"


def tidy(home: Home) -> bool:
    """Prune to the limits, if the lock can be had; whether it could."""
    settings, _ = config.load(home.config)
    context = Context(home, settings, environ.tool_python(), wait=False)
    given_up = time.monotonic() + PATIENCE
    while True:
        try:
            with neighbours.at_rest(context, COMMAND) as session, session.store_lock():
                until = time.monotonic() + BOUND
                collect.within(session, retention.limits(settings), until=until)
            return True
        except Busy:
            if time.monotonic() > given_up:
                return False
            time.sleep(_PAUSE)


if __name__ == "__main__":
    (root,) = sys.argv[1:]
    os._exit(0 if tidy(Home.at(root)) else Busy.exit_code)
