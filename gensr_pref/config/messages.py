"""What is wrong with a run file, in words: pydantic's errors as lines that a person can act on."""

from __future__ import annotations

import typing
from typing import Any

from pydantic import BaseModel

from gensr_pref.errors import nearest


def complaint(model: type[BaseModel], data: Any, error: Any) -> str:
    """One pydantic error as a line: the dotted field, what is wrong, what is allowed.

    Args:
        model: that the data were checked against.
        data: what was checked.
        error: one of `pydantic.ValidationError.errors`.
    """
    kind, given, context = error["type"], error.get("input"), error.get("ctx", {})
    name = _dotted(data, error["loc"], keep_last=kind in ("extra_forbidden", "missing"))
    if kind == "extra_forbidden":
        allowed = _model_at(model, error["loc"][:-1]).model_fields
        return f"{name}: unknown field. {nearest(str(error['loc'][-1]), allowed)}"
    if kind == "missing":
        return f"{name}: is required"
    if kind == "union_tag_not_found":
        return f"{name}.kind: is required"
    if kind == "union_tag_invalid":
        allowed_kinds = context["expected_tags"].replace("'", "").split(", ")
        return f"{name}.kind: no kind {context['tag']!r}. {nearest(context['tag'], allowed_kinds)}"
    if kind == "literal_error":
        return f"{name}: {given!r} is not allowed. Allowed: {context['expected']}"
    if kind in ("model_type", "model_attributes_type"):
        fields = ", ".join(_model_at(model, error["loc"]).model_fields)
        return f"{name}: write fields, as in {{key: value}}, not {given!r}. Fields: {fields}"
    if kind == "value_error":
        return f"{name or 'run'}: {error['msg'].removeprefix('Value error, ')}"
    return f"{name}: {error['msg']}, not {given!r}"


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
