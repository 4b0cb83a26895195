"""README's figures: the block between two markers, made of the committed results and of nothing else."""

from __future__ import annotations


def rewrite() -> int:
    """Write the block anew. Returns an exit code."""
    raise NotImplementedError
