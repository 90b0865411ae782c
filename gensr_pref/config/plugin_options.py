"""The options of a plugin, held against the types that its constructor states.

Only what a run file can hold is checked: ``bool``, ``int``, ``float``, ``str``, `Path`, `Literal`,
None, sequences, mappings, and unions of these. An annotation of another kind, none at all, or one
that cannot be evaluated lets everything pass: the plugin has the last word on its options.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from numbers import Integral, Real
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from gensr_pref.errors import ConfigError, Problem

# By type: the values that have it, and what a person is to write. Text wants quotes where YAML
# takes it for something else, such as `no` for false.
_PLAIN: dict[Any, tuple[tuple[type, ...], str]] = {
    bool: ((bool,), "true or false"),
    int: ((Integral,), "a whole number"),
    float: ((Real,), "a number"),
    str: ((str, os.PathLike), "text (in quotes)"),
    Path: ((str, os.PathLike), "a path"),
    None: ((NoneType,), "null"),
    NoneType: ((NoneType,), "null"),
}
_UNIONS = (Union, UnionType)
_LISTS = (list, tuple, set, frozenset, Sequence, Collection, Iterable)
_FIELDS = (dict, Mapping)


def parameters(plugin: Any) -> dict[str, inspect.Parameter]:
    """The keyword arguments of a plugin's constructor (or of a function), by name."""
    try:
        found = inspect.signature(plugin, eval_str=True).parameters
    except Exception:  # an annotation is anyone's code; without it there is nothing to check
        found = inspect.signature(plugin).parameters
    keyword = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return {name: parameter for name, parameter in found.items() if parameter.kind in keyword}


def require_types(plugin: Any, options: Mapping[str, Any], field: str) -> None:
    """Refuse an option of another type than the constructor states; its default always passes.

    Args:
        options: by name; each is an argument of the constructor.
        field: where they stand in the run file, for the message.

    Raises:
        ConfigError: the message names the option and says what to write.
    """
    stated = parameters(plugin)
    for name, value in options.items():
        annotation = stated[name].annotation
        if value is not stated[name].default and not _fits(value, annotation):
            raise ConfigError(
                f"write {_meant(annotation)}, not {_shown(value)}",
                field=f"{field}.{name}",
                value=value,
                problem=Problem.INVALID,
            )


def _fits(value: Any, annotation: Any) -> bool:
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return any(value == part and _is_bool(value) == _is_bool(part) for part in parts)
    if origin in _UNIONS:
        return _fits_any(value, parts)
    if origin is Annotated:
        return _fits(value, parts[0])
    if origin in _LISTS:
        return _is_list(value) and all(_fits_any(item, _items(parts)) for item in value)
    if origin in _FIELDS:
        return isinstance(value, Mapping) and all(_fits(item, parts[1]) for item in value.values())
    if plain := _plain(annotation):
        return isinstance(value, plain[0]) and _is_bool(value) == (annotation is bool)
    return True


def _fits_any(value: Any, annotations: Iterable[Any]) -> bool:
    return any(_fits(value, annotation) for annotation in annotations)


def _meant(annotation: Any) -> str:
    """What a person is to write."""
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return " or ".join(map(_shown, parts))
    if origin in _UNIONS:
        return " or ".join(map(_meant, parts))
    if origin is Annotated:
        return _meant(parts[0])
    if origin in _LISTS:
        return f"a list of which each is {' or '.join(map(_meant, _items(parts)))}"
    if origin in _FIELDS:
        return "fields, as in {key: value}"
    plain = _plain(annotation)
    return plain[1] if plain else str(annotation)


def _plain(annotation: Any) -> tuple[tuple[type, ...], str] | None:
    return _PLAIN.get(annotation) if isinstance(annotation, Hashable) else None


def _is_bool(value: Any) -> bool:
    """To Python, True is an int and equal to 1."""
    return isinstance(value, bool)


def _is_list(value: Any) -> bool:
    return isinstance(value, Collection) and not isinstance(value, str | bytes | Mapping)


def _items(parts: tuple[Any, ...]) -> list[Any]:
    """The types of a sequence's items; ``tuple[int, ...]`` has an ellipsis among them."""
    return [part for part in parts if part is not ...]


def _shown(value: Any) -> str:
    """A value; those that YAML and Python call differently, as YAML does."""
    if value is None or _is_bool(value):
        return {None: "null", True: "true", False: "false"}[value]
    return repr(value)
