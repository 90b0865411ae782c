"""Overrides: ``key=value`` assignments to the fields of a run file, recipe or evaluation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gensr_pref.errors import ConfigError, Problem, parameter
from gensr_pref.untrusted import documents

_FIELD = parameter("overrides")


def override(
    data: Mapping[str, Any], assignments: Sequence[str], field: str = _FIELD
) -> dict[str, object]:
    """Return nested data with ``dotted.key=YAML value`` applied; lists are indexed by number.

    Args:
        data: the fields.
        assignments: the overrides.
        field: parameter that contains the assignments, for messages.

    Raises:
        ConfigError: an assignment has no ``=`` or no valid YAML, or its key leads through a value
            without fields; or the assignments are one text instead of a list.
    """
    require_list(assignments)
    overridden = dict(data)
    for assignment in assignments:
        key, equals, text = assignment.partition("=")
        if not equals or not key:
            example = ", such as corpus.limit=8" if field == _FIELD else ""
            raise _refusal(assignment, f"write key=value{example}", Problem.MISSING, field)
        try:
            value = documents.parse_yaml(text)
        except ValueError as error:
            message = f"the value is not YAML: {error}"
            raise _refusal(assignment, message, Problem.UNREADABLE, field) from error
        overridden = _assign(overridden, key.split("."), value, assignment, field)
    return overridden


def require_list(overrides: Sequence[str]) -> None:
    """Refuse one text instead of a list of overrides.

    Raises:
        ConfigError: the overrides are one text.
    """
    if isinstance(overrides, str):
        raise ConfigError(
            f"{overrides!r} is a text; give a list of key=value",
            field=parameter("overrides"),
            value=overrides,
            problem=Problem.INVALID,
        )


def _assign(node: Any, keys: list[str], value: Any, assignment: str, field: str) -> Any:
    """Return a copy of a node with one leaf replaced."""
    if not keys:
        return value
    head, *rest = keys
    if isinstance(node, list):
        if not head.isdigit() or int(head) >= len(node):
            message = f"{head!r} must be a number from 0 to {len(node) - 1}"
            raise _refusal(assignment, message, Problem.UNKNOWN, field)
        index = int(head)
        return [
            *node[:index],
            _assign(node[index], rest, value, assignment, field),
            *node[index + 1 :],
        ]
    if node is None:
        node = {}
    if not isinstance(node, dict):
        raise _refusal(assignment, f"nothing below {head!r} can be set", Problem.CONFLICT, field)
    return {**node, head: _assign(node.get(head), rest, value, assignment, field)}


def _refusal(assignment: str, message: str, problem: Problem, field: str) -> ConfigError:
    return ConfigError(
        f"{assignment!r}: {message}",
        value=assignment,
        field=field,
        problem=problem,
    )
