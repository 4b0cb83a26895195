"""A content-addressed store of files: objects, segments, pristine archives and hardlinked checkouts.

It knows files and nothing of Python packaging. The format on disk is described in FORMAT.md beside this file.
"""
