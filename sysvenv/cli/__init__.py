"""The command line: a lazy group, one small module a command, one boundary for everything that goes wrong."""
