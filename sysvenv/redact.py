"""Secrets out of whatever is kept: command lines, URLs, pip's report.

History outlives the terminal a command was typed in, and is read by backups and by whoever helps to debug, so
nothing that opens a door is written there. What is hidden reads `****`, as in pip's own output.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

HIDDEN = "****"

# A shorter value would be found by accident in harmless words, and protects nothing anyway.
SHORTEST_SECRET = 6

# `userinfo@` of a URL up to the *last* @ before the path: people forget to escape an @ in a password.
_USERINFO = re.compile(r"(?<=://)[^/?#\s'\"<>]+(?=@)")

_SECRET_WORD = (
    r"(?:token|secret|passw(?:or)?d|passphrase|pwd|signature|credentials?"
    r"|api[_-]?key|access[_-]?key|private[_-]?key)"
)

# ?token=..., &X-Amz-Signature=..., and the `sig`, `key`, `auth` that stand alone (Azure SAS, feeds).
_QUERY = re.compile(rf"(?i)([?&;](?:[\w.%-]*{_SECRET_WORD}[\w.%-]*|sig|key|auth|jwt)=)[^&;#\s'\"<>]+")

_OPTION = re.compile(rf"(?i)--?[\w-]*{_SECRET_WORD}[\w-]*")

# pip takes a proxy without a scheme: [user:password@]proxy.server:port
_BARE_USERINFO = re.compile(r"^[^/@\s]*:[^/\s]*(?=@)")

# Whole words, so that TOKENIZERS_PARALLELISM, MONKEY and SSH_AUTH_SOCK are none.
_SECRET_VARIABLE = re.compile(
    r"(?i)(?:TOKENS?|PASSWORDS?|PASSWD|PASSPHRASE|PWD_SECRET|SECRETS?|CREDENTIALS?|API_?KEY|ACCESS_?KEY|PRIVATE_?KEY"
    r"|SECRET_?KEY|AUTH_?KEY|_PAT|_PASS)(?![A-Z])"
)


# RFC 3986: what stands for itself in a URL.
_UNRESERVED = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")


def redact_text(text: str, secrets: Collection[str] = ()) -> str:
    """`text` with credentials in URLs, secret-looking query values and each of `secrets` replaced by ****.

    `git@host` stays: it names no one, and the URL is useless without it.
    """
    for secret in sorted(secrets, key=len, reverse=True):
        if secret and secret in text:
            text = text.replace(secret, HIDDEN)
    if "://" in text:
        text = _USERINFO.sub(_hidden_userinfo, text)
    if "=" in text:
        text = _QUERY.sub(rf"\g<1>{HIDDEN}", text)
    return text


def redact_argv(argv: Sequence[str], environ: Mapping[str, str]) -> list[str]:
    """`argv` redacted, also of secret values of `environ` and of values of options named like a secret."""
    secrets = secrets_of(environ)
    redacted = []
    before = ""
    for argument in argv:
        redacted.append(redact_text(_option_hidden(before, argument), secrets))
        before = argument
    return redacted


def secrets_of(environ: Mapping[str, str]) -> frozenset[str]:
    """Values of `environ` whose names call them secret, and the passwords in URLs it holds (indexes,
    proxies).

    Only values of at least SHORTEST_SECRET characters, each as it stands and percent-encoded.
    """
    found: set[str] = set()
    for name, value in environ.items():
        if _SECRET_VARIABLE.search(name):
            found.add(value.strip())
        if "://" in value and "@" in value:
            for userinfo in _USERINFO.findall(value):
                user, colon, password = userinfo.partition(":")
                found.update((userinfo, password if colon else user))
    found |= {_unquoted(secret) for secret in found} | {_quoted(secret) for secret in found}
    return frozenset(secret for secret in found if len(secret) >= SHORTEST_SECRET)


def redact_json(value: Any, secrets: Collection[str] = ()) -> Any:
    """A JSON value with every string in it redacted, keys of objects too. `value` itself is left alone."""
    if isinstance(value, str):
        return redact_text(value, secrets)
    if isinstance(value, dict):
        return {redact_text(str(key), secrets): redact_json(item, secrets) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [redact_json(item, secrets) for item in value]
    return value


def _hidden_userinfo(found: re.Match[str]) -> str:
    return "git" if found[0] == "git" else HIDDEN


def _option_hidden(before: str, argument: str) -> str:
    """`argument` without its value if it is, or follows, an option whose value is a secret."""
    option, equals, value = argument.partition("=")
    if equals and option.startswith("-"):
        if _OPTION.fullmatch(option):
            return f"{option}={HIDDEN}"
        return f"{option}={_option_hidden(option, value)}"
    if before == "--proxy":
        return _BARE_USERINFO.sub(HIDDEN, argument)
    if _OPTION.fullmatch(before) and not argument.startswith("-"):
        return HIDDEN
    # `-C api_token=...`: the secret has its name in the value. But tokenizers==0.15 is a requirement.
    if equals and not value.startswith("=") and _OPTION.fullmatch("-" + option):
        return f"{option}={HIDDEN}"
    return argument


def _quoted(text: str) -> str:
    """`text` percent-encoded as in a URL's userinfo (urllib.parse costs more to import than all of this)."""
    if text.isalnum():
        return text
    raw = text.encode("utf-8", "replace")
    return "".join(chr(byte) if byte in _UNRESERVED else f"%{byte:02X}" for byte in raw)


def _unquoted(text: str) -> str:
    if "%" not in text:
        return text
    raw = re.sub(rb"%([0-9A-Fa-f]{2})", lambda found: bytes([int(found[1], 16)]), text.encode("utf-8", "replace"))
    return raw.decode("utf-8", "replace")
