"""Names that are looked up when they are first used: importing a room imports none of its modules, and no PyTorch."""

from collections.abc import Callable
from importlib import import_module
from typing import Any


def lazily(package: str, names: dict[str, str]) -> tuple[Callable[[str], Any], Callable[[], list[str]], list[str]]:
    """What a package needs to offer names of its modules (PEP 562): its ``__getattr__``, ``__dir__`` and ``__all__``.

    ``names`` has, for each module of the package, the names in it that are public, separated by spaces. The modules
    are offered, too.

    >>> look_up, listing, everything = lazily("colorlib.color", {"spaces": "luma_of join"})
    >>> look_up("luma_of").__module__, everything
    ('colorlib.color.spaces', ['join', 'luma_of'])
    """
    home = {name: module for module, public in names.items() for name in public.split()}

    def look_up(name: str) -> Any:
        if name in home:
            return getattr(import_module(f"{package}.{home[name]}"), name)
        if name in names:
            return import_module(f"{package}.{name}")
        raise AttributeError(f"module {package!r} has no attribute {name!r}")

    return look_up, lambda: sorted([*home, *names]), sorted(home)
