"""Manifests: lists of segments, named by their content."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st
from specimens import in_memory, worlds

from store import digest, manifests
from store.errors import Damaged, StoreError
from store.manifests import EMPTY, Manifest, Part

WORDS = st.text(max_size=5)
SEGMENTS = st.text("0123456789abcdef", min_size=32, max_size=32)
PARTS = st.builds(Part, WORDS, WORDS, SEGMENTS, st.booleans())
ABOUT = st.recursive(
    st.none() | st.booleans() | st.integers() | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=5,
)
MANIFESTS = st.builds(Manifest, st.lists(PARTS, max_size=3).map(tuple), st.dictionaries(WORDS, ABOUT, max_size=3))


@in_memory
@given(MANIFESTS)
def test_decode_is_the_inverse_of_encode(manifest):
    """What the caller wrote beside the tree comes back as it was, and equal manifests are equal bytes."""
    content = manifests.encode(manifest)
    assert manifests.decode(content) == manifest
    assert manifests.encode(manifests.decode(content)) == content
    assert manifest.segments == tuple(part.segment for part in manifest.parts)


def test_a_manifest_is_kept_under_its_digest():
    """Manifests are found by name, and all names are told."""
    with worlds() as world:
        kept = world.store.manifests
        name, path = kept.write(Manifest((), {"a": 1}))
        other, _ = kept.write(EMPTY)
        assert kept.read(name) == Manifest((), {"a": 1})
        assert list(kept.names()) == sorted([name, other])
        with open(path, "rb") as file:
            assert digest.of_bytes(file.read()) == name


def test_a_manifest_of_another_version_is_refused_with_the_likely_cause():
    """An unknown version is not damage: it says to install the newer sysvenv again."""
    with pytest.raises(StoreError) as caught:
        manifests.decode(b'{"version": 2, "parts": [], "about": {}}')
    assert "version 2" in caught.value.message
    assert "newer sysvenv" in caught.value.hint


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"not json", "cannot be read"), (b"[]", "cannot be read"), (b'{"version": 1}', "cannot be read")],
)
def test_a_manifest_that_makes_no_sense_is_damage(content, said):
    """The right digest over nonsense is refused in a sentence."""
    with worlds() as world:
        name = digest.of_bytes(content)
        with open(world.store.manifests.path(name), "wb") as file:
            file.write(content)
        with pytest.raises(Damaged, match=said):
            world.store.manifests.read(name)


def test_a_missing_or_changed_manifest_is_damage():
    """A manifest that is gone, was changed, or whose name is none, is named in a sentence."""
    with worlds() as world:
        name, path = world.store.manifests.write(EMPTY)
        with open(path, "ab") as file:
            file.write(b" ")
        with pytest.raises(Damaged, match="is damaged"):
            world.store.manifests.read(name)
        os.unlink(path)
        with pytest.raises(Damaged, match="is missing"):
            world.store.manifests.read(name)
        for wrong in ("", "../../../etc/passwd", "a" * 31 + "/"):
            with pytest.raises(Damaged, match="not the name"):
                world.store.manifests.read(wrong)
