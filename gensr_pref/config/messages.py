"""Messages about wrong settings: pydantic's errors as errors of this package, with advice."""

from __future__ import annotations

import re
import typing
from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel

from gensr_pref.errors import ConfigError, Problem

# What a person is to write. Text needs quotes where YAML reads it as another type, such as `no` as
# false.
BOOLEAN, INTEGER, NUMBER = "true or false", "a whole number", "a number"
TEXT, LIST, NULL = "text (in quotes)", "a list, as in [a, b]", "null"
FIELDS = "fields, as in {key: value}"
_VALID = {  # by pydantic's type of error
    "bool_type": BOOLEAN,
    "bool_parsing": BOOLEAN,
    "int_type": INTEGER,
    "int_parsing": INTEGER,
    "int_from_float": INTEGER,
    "float_type": NUMBER,
    "float_parsing": NUMBER,
    "finite_number": "a finite number",
    "greater_than": "a number above {gt:g}",
    "greater_than_equal": "a number of at least {ge:g}",
    "less_than_equal": "a number of at most {le:g}",
    "string_type": TEXT,
    "list_type": LIST,
    "tuple_type": LIST,
    "dict_type": FIELDS.replace("{", "{{").replace("}", "}}"),
    "too_short": "a list of {min_length} or more entries",
    "too_long": "a list of {max_length} or fewer entries",
}


class WrongTogether(ValueError):
    """A field that contradicts another one; raised by the validators of whole models.

    Args:
        field: its dotted name within the model.
        value: the value of the field.
        message: what is wrong and what to do.
    """

    def __init__(self, field: str, value: Any, message: str) -> None:
        super().__init__(message)
        self.field = field
        self.value = value


def complaints(
    model: type[BaseModel], data: Any, errors: Iterable[Any], within: str = ""
) -> list[ConfigError]:
    """Return pydantic's errors as ConfigErrors, each field once.

    For a field of several types, pydantic has an error per type. They become one that lists what is
    allowed, or only those of the parts of the value if its own type is one of the allowed ones.

    Args:
        model, data, within: as for `complaint`.
        errors: those of `pydantic.ValidationError.errors`.
    """
    by_field: dict[str, list[tuple[ConfigError, list[str]]]] = {}
    for error in errors:
        made = complaint(model, data, error, within)
        by_field.setdefault(made.field or "", []).append((made, _choices(error)))
    merged: list[ConfigError] = []
    for name, group in by_field.items():
        first = group[0][0]
        if not all(choices for _, choices in group):  # an error of another kind than a wrong type
            merged += {str(made): made for made, _ in group}.values()
        elif any(other.startswith(f"{name}.") for other in by_field):
            continue
        elif len(group) == 1:
            merged.append(first)
        else:
            *others, last = dict.fromkeys(choice for _, choices in group for choice in choices)
            allowed = f"{', '.join(others)} or {last}" if others else last
            message = f"write {allowed}, not {show_value(first.value)}"
            merged.append(
                ConfigError(message, field=name, value=first.value, problem=Problem.INVALID)
            )
    return merged


def _choices(error: Any) -> list[str]:
    """Return what may be written instead of a value of the wrong type; empty for other errors."""
    kind, context = error["type"], error.get("ctx", {})
    if kind == "literal_error":
        return _names_in(context["expected"])
    if kind in ("model_type", "model_attributes_type"):
        return [FIELDS]
    if kind in _VALID:
        text = _VALID[kind].format(**context)
        return BOOLEAN.split(" or ") if text == BOOLEAN else [text]
    return []


def complaint(model: type[BaseModel], data: Any, error: Any, within: str = "") -> ConfigError:
    """Return one pydantic error as a ConfigError: the dotted field, what is wrong, what is allowed.

    Args:
        model: what the data were checked against.
        data: the checked data.
        error: one of `pydantic.ValidationError.errors`.
        within: the field that contains all of the data.
    """
    kind, given, context = error["type"], error.get("input"), error.get("ctx", {})
    name = _field_name(data, error["loc"], keep_last=kind in ("extra_forbidden", "missing"))
    name = ".".join(filter(None, [within, name])) or "run"
    if kind == "extra_forbidden":
        fields = _model_at(model, error["loc"][:-1]).model_fields
        return ConfigError("unknown field.", field=name, value=error["loc"][-1], known=fields)
    if kind == "missing":
        return ConfigError("is required", field=name, problem=Problem.MISSING)
    if kind == "union_tag_not_found":
        kinds = filter(None, map(_tag, _models_at(model, error["loc"])))
        return ConfigError(
            "is required.", field=f"{name}.kind", known=kinds, problem=Problem.MISSING
        )
    if kind == "union_tag_invalid":
        tag, tags = context["tag"], _names_in(context["expected_tags"])
        return ConfigError(f"no kind {tag!r}.", field=f"{name}.kind", value=tag, known=tags)
    if kind == "literal_error":
        allowed = _names_in(context["expected"])
        return ConfigError(
            f"{show_value(given)} is not allowed.", field=name, value=given, known=allowed
        )
    cause = context.get("error")
    if isinstance(cause, WrongTogether):
        field = cause.field if name == "run" else f"{name}.{cause.field}"
        return ConfigError(str(cause), field=field, value=cause.value, problem=Problem.CONFLICT)
    if kind in ("model_type", "model_attributes_type"):
        names = ", ".join(_model_at(model, error["loc"]).model_fields)
        message = f"write {FIELDS}, not {show_value(given)}. Fields: {names}"
    elif kind == "value_error":
        message = error["msg"].removeprefix("Value error, ")
    elif kind in _VALID:
        message = f"write {_VALID[kind].format(**context)}, not {show_value(given)}"
    else:
        message = f"{error['msg']}, not {show_value(given)}"
    return ConfigError(message, field=name, value=given, problem=Problem.INVALID)


def show_value(value: Any) -> str:
    """Return a value as YAML writes it if it is null, true or false; else as Python does."""
    if value is None or isinstance(value, bool):
        return {None: NULL, True: "true", False: "false"}[value]
    return repr(value)


def _names_in(text: str) -> list[str]:
    """Return the names in a text such as "'a', 'b' or 'c'"."""
    return re.findall(r"'([^']*)'", text)


def _field_name(data: Any, loc: tuple[str | int, ...], keep_last: bool) -> str:
    """Return a pydantic location as a dotted name, without the tags of unions."""
    names: list[str] = []
    for depth, part in enumerate(loc):
        inside = (isinstance(data, dict) and part in data) or (
            isinstance(data, list) and isinstance(part, int) and part < len(data)
        )
        if inside:
            data = data[part]
        if inside or (keep_last and depth == len(loc) - 1):
            names.append(str(part))
    return ".".join(names)


def _model_at(model: type[BaseModel], loc: tuple[str | int, ...]) -> type[BaseModel]:
    """Return the section of the run file at a pydantic location."""
    return _models_at(model, loc)[0]


def _models_at(model: type[BaseModel], loc: tuple[str | int, ...]) -> list[type[BaseModel]]:
    """Return the sections that may be at a pydantic location: several for a union without a tag."""
    choices = [model]
    for part in loc:
        tagged = [choice for choice in choices if _tag(choice) == part]
        fields = [choice.model_fields.get(str(part)) for choice in choices]
        annotations = [field.annotation for field in fields if field is not None]
        if tagged:
            choices = tagged
        elif annotations:
            choices = [inner for annotation in annotations for inner in _models_in(annotation)]
    return choices


def _tag(model: type[BaseModel]) -> str | None:
    """Return the kind of a source; None for other sections."""
    field = model.model_fields.get("kind")
    kinds = typing.get_args(field.annotation) if field is not None else ()
    return kinds[0] if len(kinds) == 1 else None


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    """Return the models in a type such as ``A | None``, ``list[A]`` or ``Annotated[A, ...]``."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in typing.get_args(annotation) for model in _models_in(part)]
