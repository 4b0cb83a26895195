"""Which environment a command line speaks of: the options that stand before the command.

They are read before anything else is, as the audit begins before click is there to read them (headstart).
"""

from __future__ import annotations

from sysvenv.home import SYSTEM

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import MutableMapping, Sequence


def select(arguments: Sequence[str], environ: MutableMapping[str, str]) -> list[str]:
    """`arguments` without these options. What they select is set in `environ`, for this process and all below it,
    as git's ``--git-dir`` sets GIT_DIR."""
    rest = list(arguments)
    while rest[:1] == ["--system"]:
        del rest[0]
        environ["SYSVENV_HOME"] = SYSTEM
    return rest
