"""The registry of plugins: entry points, and ``module:Class`` for unregistered classes."""

from __future__ import annotations

import importlib
import inspect
import sys
from collections.abc import Mapping
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, Literal

from gensr_pref.config.plugin_options import parameters, require_types
from gensr_pref.errors import ConfigError, GensrPrefError, Problem, SourceError, UnknownPluginError

Kind = Literal["generator", "metric", "rule", "recogniser", "speaker encoder"]
_GROUPS: dict[Kind, str] = {
    "generator": "gensr_pref.generators",
    "metric": "gensr_pref.metrics",
    "rule": "gensr_pref.rules",
    "recogniser": "gensr_pref.recognisers",
    "speaker encoder": "gensr_pref.speaker_encoders",
}
# Methods that the class of each kind must have, one of each tuple; checked before it is called.
_METHODS: dict[Kind, tuple[tuple[str, ...], ...]] = {
    "generator": (("load",), ("sample", "candidates_of")),
    "metric": (("load",), ("score",)),
    "recogniser": (("load",), ("transcribe",)),
    "speaker encoder": (("load",), ("embed",)),
}
_OWN = "gensr_pref."  # beginning of the names of this package's modules


def names(kind: Kind) -> list[str]:
    """Return the names of all plugins of a kind, sorted."""
    return sorted(_entry_points(kind))


def built_in(kind: Kind) -> set[str]:
    """Return the names of the plugins of a kind that are part of this package.

    Of the plugins that a run directory or a dataset names, only these are imported.
    """
    return {name for name, point in _entry_points(kind).items() if point.value.startswith(_OWN)}


def names_code(value: Any) -> bool:
    """Return whether an option contains the name of a plugin that is not part of this package."""
    if isinstance(value, dict):
        return any(map(names_code, value.values()))
    if isinstance(value, list | tuple):
        return any(map(names_code, value))
    if not isinstance(value, str):
        return False
    foreign = any(value in _entry_points(kind) and value not in built_in(kind) for kind in _GROUPS)
    return foreign or ":" in value


def find(kind: Kind, name: str, field: str = "") -> Any:
    """Return the class (or function) that is registered under a name or named ``module:Class``.

    Its module is imported, so the name must come from the user: from the command line or from a
    run file that is built. The result is of the right kind, so that ``os:system`` is never called.

    Args:
        kind: the kind of plugin.
        name: the registered name, or ``module:Class``.
        field: the field of the run file that contains the name, for messages.

    Raises:
        UnknownPluginError: no plugin has that name; the message lists the names and the nearest.
        ConfigError: the object of that name is no plugin of this kind.
    """
    plugin = _import_plugin(kind, name, field) if ":" in name else _load_plugin(kind, name, field)
    _require_kind(kind, name, plugin, field)
    return plugin


def _load_plugin(kind: Kind, name: str, field: str | None) -> Any:
    points = _entry_points(kind)
    if name not in points:
        raise UnknownPluginError(
            f"no {kind} {name!r}. To use your own, write 'module:name'.",
            field=field,
            value=name,
            known=points,
        )
    return points[name].load()


def create(
    kind: Kind, name: str, options: dict[str, Any], field: str, base: Path | None = None
) -> Any:
    """Make an instance of a plugin; its options are checked against its constructor.

    Args:
        kind: the kind of plugin.
        name: the registered name, or ``module:Class``.
        options: keyword arguments of the constructor.
        field: the field of the run file that contains the options, for messages.
        base: the run file's folder. An option that the plugin's class lists in `paths` is relative
            to it if such a file exists there. An option that the class lists in `folders` is
            always relative to it; if it is not given, it is this folder.

    Raises:
        UnknownPluginError: no plugin has that name.
        ConfigError: the constructor does not take an option, requires another one, states another
            type for it, or refuses its value.
    """
    plugin = find(kind, name, field.removesuffix(".options"))
    allowed = options_of(plugin)
    for option in options:
        if option not in allowed:
            raise ConfigError(
                f"{kind} {name!r} has no such option.",
                field=f"{field}.{option}",
                value=option,
                known=allowed,
            )
    require_types(plugin, options, field)
    missing = [
        option
        for option, parameter in parameters(plugin).items()
        if parameter.default is parameter.empty and option not in options
    ]
    if missing:
        raise ConfigError(
            f"{kind} {name!r} requires this option",
            field=f"{field}.{missing[0]}",
            problem=Problem.MISSING,
        )
    try:
        return plugin(**_with_full_paths(plugin, options, base))
    except (ConfigError, SourceError, UnknownPluginError) as error:  # also of a nested plugin
        raise error.within(field) from error
    except GensrPrefError:
        raise
    except Exception as error:  # anyone's code may raise anything
        why = str(error) if type(error) is ValueError else f"{type(error).__name__}: {error}"
        raise ConfigError(
            f"{kind} {name!r} cannot be made with these options: {why}",
            field=field,
            value=name,
            problem=Problem.FAILED,
        ) from error


def options_of(plugin: Any) -> list[str]:
    """Return the names of a plugin's options: the keyword arguments of its constructor."""
    return list(parameters(plugin))


def _with_full_paths(
    plugin: Any, options: Mapping[str, Any], base: Path | None
) -> Mapping[str, object]:
    """Return the options; those that name a file or folder below `base` with the full path."""
    if base is None:
        return options
    given = {option: options.get(option) for option in getattr(plugin, "paths", ())}
    paths = {
        option: base / text for option, text in given.items() if isinstance(text, str) and text
    }
    files = {option: str(path) for option, path in paths.items() if path.exists()}
    folders = {
        option: str(base / options.get(option, "")) for option in getattr(plugin, "folders", ())
    }
    return {**options, **files, **folders}


def search(folder: Path) -> None:
    """Let ``module:Class`` name a module in a folder; installed modules take precedence.

    The folder is put on ``sys.path`` only when such a name is looked up. Until then, no library
    that tries to import an optional package can find a module of the folder instead.
    """
    _searched.setdefault(str(folder))


_searched: dict[str, None] = {}  # the folders of the user's own modules, in order


def _require_kind(kind: Kind, name: str, plugin: Any, field: str | None) -> None:
    """Refuse an object that is no plugin of this kind, before it is called.

    Raises:
        ConfigError: a rule does not take a ballot and the pairing section; any other plugin is no
            class, or lacks a method.
    """
    if kind == "rule":
        if not _is_rule(plugin):
            raise ConfigError(
                f"{name!r} is not a function of (ballot, pairing)",
                field=field,
                value=name,
                problem=Problem.INVALID,
            )
        return
    if not isinstance(plugin, type):
        raise ConfigError(
            f"{name!r} is not a class", field=field, value=name, problem=Problem.INVALID
        )
    for methods in _METHODS[kind]:
        if not any(callable(getattr(plugin, method, None)) for method in methods):
            raise ConfigError(
                f"{name!r} is no {kind}: its class has no method "
                f"{' or '.join(f'`{method}`' for method in methods)}",
                field=field,
                value=methods,
                problem=Problem.MISSING,
            )


def _is_rule(plugin: Any) -> bool:
    """Return whether a Python function, or a callable object, takes a ballot and a pairing.

    A function that takes any number of arguments is no rule: it may be any function.
    """
    if isinstance(plugin, type) or not callable(plugin) or inspect.isbuiltin(plugin):
        return False
    try:
        signature = inspect.signature(plugin)
        signature.bind("ballot", "pairing")
    except (TypeError, ValueError):
        return False
    kinds = {parameter.kind for parameter in signature.parameters.values()}
    return inspect.Parameter.VAR_POSITIONAL not in kinds


def _entry_points(kind: Kind) -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=_GROUPS[kind])}


def _import_plugin(kind: Kind, name: str, field: str | None) -> Any:
    module, _, attribute = name.partition(":")
    sys.path += [folder for folder in _searched if folder not in sys.path]
    try:
        return getattr(importlib.import_module(module), attribute)
    except ModuleNotFoundError as error:
        raise UnknownPluginError(
            f"no {kind} {name!r}: {error}. Run from its folder, install it, or set PYTHONPATH.",
            field=field,
            value=name,
            problem=Problem.UNKNOWN,
        ) from error
    except Exception as error:  # an import runs anyone's code
        raise UnknownPluginError(
            f"{kind} {name!r} cannot be imported: {type(error).__name__}: {error}",
            field=field,
            value=name,
            problem=Problem.FAILED,
        ) from error
