"""sysvenv: every `pip install` recorded, undo a swap of directory trees."""

__version__ = "0.1.0"
