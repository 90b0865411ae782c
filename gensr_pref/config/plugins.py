"""The one registry: entry points, and ``module:Class`` for what is not packaged."""

from __future__ import annotations

import importlib
import inspect
import sys
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
# What the class of each kind must have, any of those in a tuple; looked at before it is made.
_METHODS: dict[Kind, tuple[tuple[str, ...], ...]] = {
    "generator": (("load",), ("sample", "candidates_of")),
    "metric": (("load",), ("score",)),
    "recogniser": (("load",), ("transcribe",)),
    "speaker encoder": (("load",), ("embed",)),
}
_OWN = "gensr_pref."  # how the modules of this package begin


def names(kind: Kind) -> list[str]:
    """The names of all plugins of a kind, sorted."""
    return sorted(_found(kind))


def built_in(kind: Kind) -> set[str]:
    """The names of the plugins of a kind that are part of this package.

    What a run directory or a dataset names is held against these, and never imported.
    """
    return {name for name, point in _found(kind).items() if point.value.startswith(_OWN)}


def names_code(value: Any) -> bool:
    """Whether an option, or anything in it, names a plugin that is no part of this package."""
    if isinstance(value, dict):
        return any(map(names_code, value.values()))
    if isinstance(value, list | tuple):
        return any(map(names_code, value))
    if not isinstance(value, str):
        return False
    foreign = any(value in _found(kind) and value not in built_in(kind) for kind in _GROUPS)
    return foreign or ":" in value


def find(kind: Kind, name: str, field: str = "") -> Any:
    """The class (or function) registered under a name, or named as ``module:Class``.

    Its module is imported, so the name must be the user's own: of a run file that is built, or of
    the command line. What is found is of the right kind, so that ``os:system`` is never called.

    Args:
        field: where the name stands in the run file, for the error message.

    Raises:
        UnknownPluginError: nothing has that name; the message lists what has, and the nearest.
        ConfigError: what has that name is not what this kind of plugin is.
    """
    found = _imported(kind, name, field) if ":" in name else _registered(kind, name, field)
    _require_kind(kind, name, found, field)
    return found


def _registered(kind: Kind, name: str, field: str | None) -> Any:
    found = _found(kind)
    if name not in found:
        raise UnknownPluginError(
            f"no {kind} {name!r}. One of yours is named 'module:name'.",
            field=field,
            value=name,
            known=found,
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
    lacking = [
        name
        for name, one in parameters(plugin).items()
        if one.default is one.empty and name not in options
    ]
    if lacking:
        raise ConfigError(
            f"{kind} {name!r} cannot do without this option",
            field=f"{field}.{lacking[0]}",
            problem=Problem.MISSING,
        )
    try:
        return plugin(**_rooted(plugin, options, base))
    except (ConfigError, SourceError, UnknownPluginError) as error:  # also of a plugin in it
        raise error.within(field) from error
    except GensrPrefError:
        raise
    except Exception as error:  # anyone's code; whatever it raises, it cannot be used
        why = str(error) if type(error) is ValueError else f"{type(error).__name__}: {error}"
        raise ConfigError(
            f"{kind} {name!r} cannot be made with these options: {why}",
            field=field,
            value=name,
            problem=Problem.FAILED,
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
    """Let ``module:Class`` name a module in a folder; what is installed comes first.

    The folder is put on ``sys.path`` when such a name is looked up and not before: until then no
    library that tries to import something optional finds it there.
    """
    _searched.setdefault(str(folder))


_searched: dict[str, None] = {}  # the folders of the user's own modules, in order


def _require_kind(kind: Kind, name: str, found: Any, field: str | None) -> None:
    """Refuse what is no plugin of this kind, before it is called or made.

    Raises:
        ConfigError: a class is wanted and it is none, or lacks a method; or a rule that does not
            take a ballot and the pairing section.
    """
    if kind == "rule":
        if not _is_rule(found):
            raise ConfigError(
                f"{name!r} is not a function of (ballot, pairing)",
                field=field,
                value=name,
                problem=Problem.INVALID,
            )
        return
    if not isinstance(found, type):
        raise ConfigError(
            f"{name!r} is not a class", field=field, value=name, problem=Problem.INVALID
        )
    for names in _METHODS[kind]:
        if not any(callable(getattr(found, one, None)) for one in names):
            raise ConfigError(
                f"{name!r} is no {kind}: its class has no method "
                f"{' or '.join(f'`{one}`' for one in names)}",
                field=field,
                value=names,
                problem=Problem.MISSING,
            )


def _is_rule(found: Any) -> bool:
    """Whether it is a function written in Python, or an object, that takes a ballot and a pairing.

    One that takes any number of arguments would take these too, whatever it does.
    """
    if isinstance(found, type) or not callable(found) or inspect.isbuiltin(found):
        return False
    try:
        signature = inspect.signature(found)
        signature.bind("ballot", "pairing")
    except (TypeError, ValueError):
        return False
    kinds = {one.kind for one in signature.parameters.values()}
    return inspect.Parameter.VAR_POSITIONAL not in kinds


def _found(kind: Kind) -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=_GROUPS[kind])}


def _imported(kind: Kind, name: str, field: str | None) -> Any:
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
    except Exception as error:  # anyone's code runs when it is imported
        raise UnknownPluginError(
            f"{kind} {name!r} cannot be imported: {type(error).__name__}: {error}",
            field=field,
            value=name,
            problem=Problem.FAILED,
        ) from error
