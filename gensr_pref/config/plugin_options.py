"""The options of a plugin, checked against the annotations of its constructor.

Only types that a run file can contain are checked: ``bool``, ``int``, ``float``, ``str``, `Path`,
`Literal`, None, sequences, mappings, and unions of these. If an annotation is of another kind, is
missing or cannot be evaluated, every value passes; then the plugin itself must check it.

The checks are not pydantic's: its strict mode accepts false for ``Literal[0]``, leaves the items of
an ``Iterable`` unchecked, and refuses every value of a run file for a type such as ``Callable``.
Its errors name neither null nor the type of a list's items, so that the annotation would have to be
read all the same to say what to write.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from numbers import Integral, Real
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from gensr_pref.config.messages import BOOLEAN, FIELDS, INTEGER, NULL, NUMBER, TEXT, show_value
from gensr_pref.errors import ConfigError, Problem

# By annotation: the types of its values, and what a person is to write.
_PLAIN: dict[Any, tuple[tuple[type, ...], str]] = {
    bool: ((bool,), BOOLEAN),
    int: ((Integral,), INTEGER),
    float: ((Real,), NUMBER),
    str: ((str, os.PathLike), TEXT),
    Path: ((str, os.PathLike), "a path"),
    None: ((NoneType,), NULL),
    NoneType: ((NoneType,), NULL),
}
_UNIONS = (Union, UnionType)
_LISTS = (list, tuple, set, frozenset, Sequence, Collection, Iterable)
_MAPPINGS = (dict, Mapping)


def parameters(plugin: Any) -> dict[str, inspect.Parameter]:
    """Return the keyword arguments of a plugin's constructor (or of a function), by name."""
    try:
        signature = inspect.signature(plugin, eval_str=True)
    except Exception:  # an annotation is anyone's code; as mere text it lets every value pass
        signature = inspect.signature(plugin)
    kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return {name: each for name, each in signature.parameters.items() if each.kind in kinds}


def require_types(plugin: Any, options: Mapping[str, Any], field: str) -> None:
    """Refuse options of another type than the constructor's; the default always passes.

    Args:
        plugin: the class, or a function.
        options: values by name; each name is an argument of the constructor.
        field: the field of the run file that contains the options, for messages.

    Raises:
        ConfigError: the message names the option and says what to write.
    """
    arguments = parameters(plugin)
    for name, value in options.items():
        annotation = arguments[name].annotation
        if value is not arguments[name].default and not _fits(value, annotation):
            raise ConfigError(
                f"write {_describe(annotation)}, not {show_value(value)}",
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
    if origin in _MAPPINGS:
        return isinstance(value, Mapping) and all(_fits(item, parts[1]) for item in value.values())
    if plain := _plain(annotation):
        return isinstance(value, plain[0]) and _is_bool(value) == (annotation is bool)
    return True


def _fits_any(value: Any, annotations: Iterable[Any]) -> bool:
    return any(_fits(value, annotation) for annotation in annotations)


def _describe(annotation: Any) -> str:
    """Return what a person is to write."""
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return " or ".join(map(show_value, parts))
    if origin in _UNIONS:
        return " or ".join(map(_describe, parts))
    if origin is Annotated:
        return _describe(parts[0])
    if origin in _LISTS:
        return f"a list in which each entry is {' or '.join(map(_describe, _items(parts)))}"
    if origin in _MAPPINGS:
        return FIELDS
    plain = _plain(annotation)
    return plain[1] if plain else str(annotation)


def _plain(annotation: Any) -> tuple[tuple[type, ...], str] | None:
    return _PLAIN.get(annotation) if isinstance(annotation, Hashable) else None


def _is_bool(value: Any) -> bool:
    """Return whether a value is a bool, which in Python is an int too."""
    return isinstance(value, bool)


def _is_list(value: Any) -> bool:
    return isinstance(value, Collection) and not isinstance(value, str | bytes | Mapping)


def _items(parts: tuple[Any, ...]) -> list[Any]:
    """Return the types of a sequence's items, without the ellipsis of ``tuple[int, ...]``."""
    return [part for part in parts if part is not ...]
