"""The one registry: entry points, and ``module:Class`` for what is not packaged."""

from __future__ import annotations

import importlib
import sys
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, Literal

from gensr_pref.errors import ConfigError, GensrPrefError, UnknownPluginError, nearest
from gensr_pref.options import parameters, require_types

Kind = Literal["generator", "metric", "rule", "recogniser", "speaker encoder"]
_GROUPS: dict[Kind, str] = {
    "generator": "gensr_pref.generators",
    "metric": "gensr_pref.metrics",
    "rule": "gensr_pref.rules",
    "recogniser": "gensr_pref.recognisers",
    "speaker encoder": "gensr_pref.speaker_encoders",
}


def names(kind: Kind) -> list[str]:
    """The names of all plugins of a kind, sorted."""
    return sorted(_found(kind))


def find(kind: Kind, name: str, field: str = "") -> Any:
    """The class (or function) registered under a name, or named as ``module:Class``.

    Args:
        field: where the name stands in the run file, for the error message.

    Raises:
        UnknownPluginError: nothing has that name; the message lists what has, and the nearest.
    """
    where = f"{field}: " if field else ""
    if ":" in name:
        return _imported(kind, name, where)
    found = _found(kind)
    if name not in found:
        raise UnknownPluginError(
            f"{where}no {kind} {name!r}. {nearest(name, found)} "
            "One of yours is named 'module:name'."
        )
    return found[name].load()


def create(
    kind: Kind, name: str, options: dict[str, Any], field: str, base: Path | None = None
) -> Any:
    """An instance of a plugin, its options checked against its constructor.

    Args:
        field: where the options stand in the run file, for the error message.
        base: the run file's folder. An option that the plugin's class lists in `paths`, and that
            names a file there, is that file. One that it lists in `folders` is relative to it,
            and is it where it is not given.

    Raises:
        UnknownPluginError: nothing has that name.
        ConfigError: an option that the constructor does not take, of another type than it states,
            or that it refuses.
    """
    plugin = find(kind, name, field.removesuffix(".options"))
    if not callable(plugin):
        raise ConfigError(f"{field.removesuffix('.options')}: {name!r} is not a class")
    allowed = options_of(plugin)
    for option in options:
        if option not in allowed:
            raise ConfigError(f"{field}.{option}: {kind} {name!r} has no such option. "
                              f"{nearest(option, allowed)}")  # fmt: skip
    require_types(plugin, options, field)
    lacking = [
        name
        for name, one in parameters(plugin).items()
        if one.default is one.empty and name not in options
    ]
    if lacking:
        raise ConfigError(f"{field}.{lacking[0]}: {kind} {name!r} cannot do without this option")
    try:
        return plugin(**_rooted(plugin, options, base))
    except (ConfigError, UnknownPluginError) as error:  # of a plugin within the plugin
        raise type(error)(f"{field}: {error}") from error
    except GensrPrefError:
        raise
    except Exception as error:  # anyone's code; whatever it raises, it cannot be used
        why = str(error) if type(error) is ValueError else f"{type(error).__name__}: {error}"
        raise ConfigError(
            f"{field}: {kind} {name!r} cannot be made with these options: {why}"
        ) from error


def options_of(plugin: Any) -> list[str]:
    """The names of a plugin's options: the keyword arguments of its constructor."""
    return list(parameters(plugin))


def _rooted(plugin: Any, options: dict[str, Any], base: Path | None) -> dict[str, Any]:
    """The options, those that name a file or a folder below `base` as its whole path."""
    if base is None:
        return options
    named = {k: base / options[k] for k in getattr(plugin, "paths", ()) if _text(options.get(k))}
    files = {name: str(path) for name, path in named.items() if path.exists()}
    folders = {k: str(base / options.get(k, "")) for k in getattr(plugin, "folders", ())}
    return {**options, **files, **folders}


def _text(value: Any) -> bool:
    return isinstance(value, str) and value != ""


def search(folder: Path) -> None:
    """Let ``module:Class`` name a module in a folder; what is installed comes first."""
    if str(folder) not in sys.path:
        sys.path.append(str(folder))


def _found(kind: Kind) -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=_GROUPS[kind])}


def _imported(kind: Kind, name: str, where: str) -> Any:
    module, _, attribute = name.partition(":")
    try:
        return getattr(importlib.import_module(module), attribute)
    except ModuleNotFoundError as error:
        raise UnknownPluginError(
            f"{where}no {kind} {name!r}: {error}. "
            "Run from its folder, install it, or set PYTHONPATH."
        ) from error
    except Exception as error:  # anyone's code runs when it is imported
        raise UnknownPluginError(
            f"{where}{kind} {name!r} cannot be imported: {type(error).__name__}: {error}"
        ) from error
