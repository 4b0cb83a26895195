"""Nothing that opens a door is ever kept."""

from __future__ import annotations

import json
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sysvenv.redact import redact_argv, redact_json, redact_text, secrets_of


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        ("https://user:pass@host/simple", "https://****@host/simple"),
        ("https://token123@host/simple", "https://****@host/simple"),
        ("https://user:p@ss@host/simple", "https://****@host/simple"),
        ("https://__token__:pypi-AgEI@host", "https://****@host"),
        ("git+https://oauth2:glpat-x@gitlab/a/b@v1.0#egg=b", "git+https://****@gitlab/a/b@v1.0#egg=b"),
        ("git+ssh://git@github.com/a/b@main", "git+ssh://git@github.com/a/b@main"),
        ("git+ssh://git:word@github.com/a/b", "git+ssh://****@github.com/a/b"),
        ("two https://a:b@c/ and http://d@e/", "two https://****@c/ and http://****@e/"),
        ("https://host/a@b/c", "https://host/a@b/c"),
        ("https://host/x?token=abc&v=1", "https://host/x?token=****&v=1"),
        ("https://host/x?v=1&X-Amz-Signature=ab12#egg=x", "https://host/x?v=1&X-Amz-Signature=****#egg=x"),
        ("https://host/x?sv=2&sig=ab%2F&se=3", "https://host/x?sv=2&sig=****&se=3"),
        ("https://host/x.whl#sha256=abc", "https://host/x.whl#sha256=abc"),
        ("six==1.16.0", "six==1.16.0"),
        ("me@example.org", "me@example.org"),
        ("", ""),
    ],
)
def test_credentials_in_urls(text: str, redacted: str) -> None:
    """User and password go, the rest of the URL stays usable; `git@` is no secret."""
    assert redact_text(text) == redacted
    assert redact_text(redacted) == redacted


def test_given_secrets_go_wherever_they_stand() -> None:
    """Longest first: a secret that holds another leaves no tail of itself."""
    assert redact_text("x=abcdefgh y=abcdef", {"abcdef", "abcdefgh"}) == "x=**** y=****"
    assert redact_text("nothing", {""}) == "nothing"


def test_secrets_of_the_environment() -> None:
    """By the name of the variable, and by the password in any URL."""
    environ = {
        "HF_TOKEN": "hf_abcdef",
        "AWS_SECRET_ACCESS_KEY": "wJalrXUt",
        "OPENAI_API_KEY": "sk-123456",
        "MYPASSWORD": "hunter22",
        "DB_PASS": "sesame-open",
        "PIP_INDEX_URL": "https://ann:pa%2Fssword@index/simple",
        "HTTPS_PROXY": "http://proxyuser:proxypass@proxy:3128",
        "SHORT_TOKEN": "abc",
        "TOKENIZERS_PARALLELISM": "disabled",
        "SSH_AUTH_SOCK": "/tmp/ssh-agent",
        "PATH": "/usr/bin:/bin",
        "PASSENGER": "nobody-special",
        "MONKEY": "bananas",
    }
    secrets = secrets_of(environ)
    wanted = {"hf_abcdef", "wJalrXUt", "sk-123456", "hunter22", "sesame-open", "pa%2Fssword", "pa/ssword", "proxypass"}
    assert wanted <= secrets
    assert not secrets & {"abc", "disabled", "/tmp/ssh-agent", "/usr/bin:/bin", "nobody-special", "bananas"}


def test_a_command_line() -> None:
    """Whatever way a secret is typed."""
    environ = {"HF_TOKEN": "hf_abcdef", "PIP_EXTRA_INDEX_URL": "https://u:longword@h/"}
    typed = [
        "pip", "install", "six", "-ihttps://a:b@h/simple", "--index-url=https://tok@h/simple",
        "--proxy", "ann:word@proxy:3128", "--proxy=ann:word@proxy:3128", "--proxy", "proxy:3128",
        "--config-settings=api_token=abc", "-C", "token=abc", "--password", "word", "--token=word",
        "hf_abcdef", "x-longword-y", "-r", "requirements.txt",
    ]  # fmt: skip
    assert redact_argv(typed, environ) == [
        "pip", "install", "six", "-ihttps://****@h/simple", "--index-url=https://****@h/simple",
        "--proxy", "****@proxy:3128", "--proxy=****@proxy:3128", "--proxy", "proxy:3128",
        "--config-settings=api_token=****", "-C", "token=****", "--password", "****", "--token=****",
        "****", "x-****-y", "-r", "requirements.txt",
    ]  # fmt: skip
    assert typed[3] == "-ihttps://a:b@h/simple", "the arguments of pip itself are left alone"


def test_requirements_are_not_mistaken_for_secrets() -> None:
    """What was installed must be readable in the history, whatever packages are called."""
    typed = ["pip", "install", "tokenizers==0.15", "SecretStorage>=3", "password-strength", "keyring", "token~=1.0"]
    assert redact_argv(typed, {}) == typed


def test_a_report() -> None:
    """Strings at any depth, keys too; what is no string stays."""
    report = {"install": [{"url": "https://a:b@h/x", "n": 1, "https://a:b@h": None}], "ok": True, "f": 1.5}
    assert redact_json(report) == {
        "install": [{"url": "https://****@h/x", "n": 1, "https://****@h": None}],
        "ok": True,
        "f": 1.5,
    }
    assert report["install"][0]["url"] == "https://a:b@h/x"  # type: ignore[index]


SECRET = st.text(st.characters(min_codepoint=33, max_codepoint=0x2FF), min_size=6, max_size=40).filter(
    lambda text: text.strip() == text and text not in "****://pip install --index-url=" and "*" not in text
)


@given(secret=SECRET, before=st.text(max_size=20), after=st.text(max_size=20))
def test_a_secret_of_the_environment_never_comes_through(secret: str, before: str, after: str) -> None:
    """In an argument, in a URL as it is or percent-encoded, in JSON."""
    environ = {"INDEX_TOKEN": secret}
    typed = [before + secret + after, f"https://u:{secret}@h/", f"https://u:{quote(secret, safe='')}@h/?x={secret}"]
    kept = json.dumps(redact_argv(typed, environ), ensure_ascii=False)
    assert json.dumps(secret, ensure_ascii=False)[1:-1] not in kept
    assert quote(secret, safe="") not in kept


@given(st.text(max_size=200))
def test_redacting_is_idempotent(text: str) -> None:
    """What was redacted once is not garbled by a second time."""
    once = redact_text(text)
    assert redact_text(once) == once
