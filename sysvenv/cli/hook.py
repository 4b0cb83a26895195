"""sysvenv hook (not shown in --help: install.sh and doctor are what people use)"""

from __future__ import annotations

import os

import click

from sysvenv.cli.options import reading
from sysvenv.cli.session import Session
from sysvenv.render import setup


@click.command()
@click.option("--remove", is_flag=True, help="Take them away: pip is plain pip again.")
@reading
def command(session: Session, remove: bool) -> int:
    """Lay the files that make pip call sysvenv, or remove them.

    Of your own environment they are removed together with those of all others.

    \b
    Examples:
      sysvenv hook
      sysvenv hook --remove
    """
    from sysvenv import hook, selection, venv

    root = session.home.venv
    site = venv.site_packages(root)
    if remove:
        hook.remove(root, site)
        for home in [] if session.home.is_tracked else selection.tracked(session.home):
            if os.path.isfile(home.venv + "/pyvenv.cfg"):
                hook.remove(home.venv, venv.site_packages(home.venv))
        return session.show({"removed": True}, lambda screen, _: setup.hook_removed(screen, root))
    written = hook.lay(session.home, site, session.settings.tool_python)
    laid = [os.path.join(root, os.fsdecode(path)) for path in written]
    return session.show({"laid": laid}, lambda screen, _: setup.hook_laid(screen, laid))
