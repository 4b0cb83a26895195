"""sysvenv config"""

from __future__ import annotations

import click

from sysvenv import config as configs
from sysvenv import owner
from sysvenv.cli.options import reading
from sysvenv.cli.session import Session
from sysvenv.render import setup


@click.command()
@click.argument("key", required=False)
@click.argument("value", required=False)
@reading
def command(session: Session, key: str | None, value: str | None) -> int:
    """Show all settings, show one, or set one.

    They are kept in config.toml; its comments and layout stay as they are.

    \b
    Examples:
      sysvenv config
      sysvenv config ui.color
      sysvenv config history.on_failure rollback
    """
    if key is None:
        known = [(each, configs.get(session.config, each.name)) for each in configs.keys()]  # noqa: SIM118
        listed = [{**each._asdict(), "value": found} for each, found in known]
        return session.show({"settings": listed}, lambda screen, _: setup.settings(screen, known))
    found = configs.get(session.config, key)
    if value is not None:
        owner.refuse_strangers(session.settings.home)
        configs.set_value(session.settings.home.config, key, value)
        found = configs.get(configs.load(session.settings.home.config)[0], key)
    text = setup.value_text(found)
    shown = text if value is None else f"{key} = {text}"
    return session.show({"key": key, "value": found}, lambda screen, _: screen.line(shown))
