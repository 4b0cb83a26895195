"""Back to the ML stack, then the first import: with bytecode, which sysvenv brings along, and without."""

from __future__ import annotations

from functools import partial

from benchmarks import stacks
from benchmarks.homes import Venv, fresh, remove
from benchmarks.scenarios import switch
from benchmarks.stacks import UvVenv
from benchmarks.workplace import Workplace

_IMPORT = "import pandas, sklearn.ensemble, matplotlib.pyplot"


def run(place: Workplace) -> None:
    """sysvenv and uv in turn; pip, which takes half a minute, once."""
    home = switch.two_stacks(place)
    house = stacks.wheelhouse(place)
    ml, web = stacks.requirements("ml"), stacks.requirements("web")
    place.run([home.python, "-c", _IMPORT], home.environ())  # what is bytecode by now goes along with the state
    home.do("restore", "web")
    uvs = {name: UvVenv(place, place.path("uv", name)) for name in ("uv", "uv --compile-bytecode")}
    for uv in uvs.values():
        uv.create()
        for wanted in (ml, web):
            place.run(uv.sync(wanted))
    plain = Venv(place, place.path("plain", "import"))
    plain.copy(fresh(place))

    def anew(uv: UvVenv) -> None:
        remove(uv.root)
        uv.create()
        place.run(uv.sync(web))

    restore = partial(home.do, "restore", "web")
    sides = [
        home.side("sysvenv", home.sysvenv("restore", "ml"), [home.python, "-c", _IMPORT], before=restore),
        *(
            uv.side(
                name, uv.sync(ml, compile=name != "uv"), [uv.python, "-c", _IMPORT], before=partial(anew, uv), most=most
            )
            for (name, uv), most in zip(uvs.items(), (0, 1), strict=True)
        ),
    ]
    place.compare("first-import", sides, 2, {"first-import/uv": ("uv", "sysvenv")})
    by_pip = [plain.pip(*stacks.install(house, "-r", ml)), [plain.python, "-c", _IMPORT]]
    place.compare("first-import", [plain.side("pip", *by_pip, most=1)], 1, {})
    for tree in (home.home, plain.root, *(uv.root for uv in uvs.values())):
        remove(tree)
