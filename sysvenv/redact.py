"""Secrets out of whatever is kept: command lines, URLs, pip's report."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any


def redact_text(text: str, secrets: Collection[str] = ()) -> str:
    """`text` with credentials in URLs, secret-looking query values and each of `secrets` replaced by ****."""
    raise NotImplementedError


def redact_argv(argv: Sequence[str], environ: Mapping[str, str]) -> list[str]:
    """`argv` redacted, also of the secret values of `environ`."""
    raise NotImplementedError


def secrets_of(environ: Mapping[str, str]) -> frozenset[str]:
    """Values of `environ` that its names call secret, and the credentials in its PIP_*, UV_* URLs."""
    raise NotImplementedError


def redact_json(value: Any, secrets: Collection[str] = ()) -> Any:
    """A JSON value with every string in it redacted (keys as well)."""
    raise NotImplementedError
