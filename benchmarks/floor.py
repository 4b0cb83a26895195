"""The floor: what one process must cost that starts Python, imports click and asks for the times of n files.

Run as `python -I floor.py LIST`, LIST holding absolute paths, each ended by NUL. No audit that looks at every file in
one process can be faster; sysvenv can, as it uses a second process where there are many files.
"""

import sys
from os import lstat

import click  # noqa: F401

with open(sys.argv[1], "rb") as listing:
    paths = listing.read().split(b"\0")
paths.pop()
for path in paths:
    lstat(path)
