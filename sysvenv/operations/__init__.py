"""The verbs: each module carries out one kind of work and returns a value; nothing here prints."""
