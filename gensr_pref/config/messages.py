"""What is wrong with a run file: pydantic's errors as ours, which a person can act on."""

from __future__ import annotations

import re
import typing
from typing import Any

from pydantic import BaseModel

from gensr_pref.errors import ConfigError, Problem


class WrongTogether(ValueError):
    """A field that does not go with another, for the validators of whole models.

    Args:
        field: its name, dotted below the model.
        value: what was given there.
        message: what is wrong and what to do.
    """

    def __init__(self, field: str, value: Any, message: str) -> None:
        super().__init__(message)
        self.field = field
        self.value = value


def complaint(model: type[BaseModel], data: Any, error: Any, within: str = "") -> ConfigError:
    """Return one pydantic error as a ConfigError: the dotted field, what is wrong, what is allowed.

    Args:
        model: that the data were checked against.
        data: what was checked.
        error: one of `pydantic.ValidationError.errors`.
        within: the field that holds all of the data.
    """
    kind, given, context = error["type"], error.get("input"), error.get("ctx", {})
    name = _dotted(data, error["loc"], keep_last=kind in ("extra_forbidden", "missing"))
    name = ".".join(filter(None, [within, name])) or "run"
    if kind == "extra_forbidden":
        fields = _model_at(model, error["loc"][:-1]).model_fields
        return ConfigError("unknown field.", field=name, value=error["loc"][-1], known=fields)
    if kind == "missing":
        return ConfigError("is required", field=name, problem=Problem.MISSING)
    if kind == "union_tag_not_found":
        return ConfigError("is required", field=f"{name}.kind", problem=Problem.MISSING)
    if kind == "union_tag_invalid":
        tag, tags = context["tag"], _quoted(context["expected_tags"])
        return ConfigError(f"no kind {tag!r}.", field=f"{name}.kind", value=tag, known=tags)
    if kind == "literal_error":
        allowed = _quoted(context["expected"])
        return ConfigError(f"{given!r} is not allowed.", field=name, value=given, known=allowed)
    wrong = context.get("error")
    if isinstance(wrong, WrongTogether):
        field = wrong.field if name == "run" else f"{name}.{wrong.field}"
        return ConfigError(str(wrong), field=field, value=wrong.value, problem=Problem.CONFLICT)
    if kind in ("model_type", "model_attributes_type"):
        names = ", ".join(_model_at(model, error["loc"]).model_fields)
        message = f"write fields, as in {{key: value}}, not {given!r}. Fields: {names}"
    elif kind == "value_error":
        message = error["msg"].removeprefix("Value error, ")
    else:
        message = f"{error['msg']}, not {given!r}"
    return ConfigError(message, field=name, value=given, problem=Problem.INVALID)


def _quoted(text: str) -> list[str]:
    """The names in a text such as "'a', 'b' or 'c'"."""
    return re.findall(r"'([^']*)'", text)


def _dotted(data: Any, loc: tuple[str | int, ...], keep_last: bool) -> str:
    """A pydantic location without the tags of unions, which are no fields of the data."""
    place: list[str] = []
    for depth, part in enumerate(loc):
        inside = (isinstance(data, dict) and part in data) or (
            isinstance(data, list) and isinstance(part, int) and part < len(data)
        )
        if inside:
            data = data[part]
        if inside or (keep_last and depth == len(loc) - 1):
            place.append(str(part))
    return ".".join(place)


def _model_at(model: type[BaseModel], loc: tuple[str | int, ...]) -> type[BaseModel]:
    """The section of the run file that a pydantic location is in."""
    choices = [model]
    for part in loc:
        tagged = [c for c in choices if _tag(c) == part]
        fields = [c.model_fields[part].annotation for c in choices if part in c.model_fields]
        if tagged:
            choices = tagged
        elif fields:
            choices = [found for annotation in fields for found in _models_in(annotation)]
    return choices[0]


def _tag(model: type[BaseModel]) -> str | None:
    field = model.model_fields.get("kind")
    return field.default if field is not None else None


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    """The models in a type such as ``A | B | None``, ``list[A]`` or ``Annotated[A, ...]``."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [found for part in typing.get_args(annotation) for found in _models_in(part)]
