"""Everything that is formatted for people, one module a topic; and the JSON envelope for programs.

Each public function takes a :class:`~sysvenv.render.screen.Screen` and one frozen result, and writes lines to
it. Nothing here imports click, and humanize only where a time or a size is shown: `after_pip` runs after every pip.
"""
