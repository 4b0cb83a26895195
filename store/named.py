"""Named tuples as typing makes them, at a sixth of the time that takes: an undo needs fifty classes, 0.2 ms each.

Where there is one value a file (``Row``, ``Seen``, ``Entry``), typing's own serve: those are made a little faster.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import NamedTuple as NamedTuple
else:
    from operator import itemgetter

    class _Class(type):
        """Makes a class of the annotations in its body. typing compiles a constructor for each and looks at the types.

        The module needs ``from __future__ import annotations``: without, Python 3.14 keeps none in the body.
        """

        def __new__(metaclass, name, bases, body):
            if bases != (tuple,):
                fields = tuple(body["__annotations__"])
                body["_field_defaults"] = {field: body.pop(field) for field in fields if field in body}
                body["_fields"] = body["__match_args__"] = fields
                body.update((field, property(itemgetter(number))) for number, field in enumerate(fields))
            return super().__new__(metaclass, name, bases, {"__slots__": (), **body})

    class NamedTuple(tuple, metaclass=_Class):
        """What a class made by ``_Class`` has, as ``collections.namedtuple`` documents it."""

        def __new__(cls, *values, **named):
            if named or len(values) != len(cls._fields):
                values = cls._complete(values, named)
            return tuple.__new__(cls, values)

        @classmethod
        def _complete(cls, values, named):
            rest, defaults = cls._fields[len(values) :], cls._field_defaults
            try:
                values += tuple([named.pop(field) if field in named else defaults[field] for field in rest])
            except KeyError as missing:
                raise TypeError(f"{cls.__name__} needs {missing}") from None
            if named or len(values) != len(cls._fields):
                raise TypeError(f"{cls.__name__} takes each of {', '.join(cls._fields)} once")
            return values

        @classmethod
        def _make(cls, values):
            return cls(*values)

        def _asdict(self):
            return dict(zip(self._fields, self, strict=True))

        def _replace(self, **named):
            changed = self._make(map(named.pop, self._fields, self))
            if named:
                raise TypeError(f"{type(self).__name__} has no {', '.join(named)}")
            return changed

        def __repr__(self):
            values = ", ".join(f"{field}={value!r}" for field, value in self._asdict().items())
            return f"{type(self).__name__}({values})"

        def __getnewargs__(self):
            return tuple(self)
