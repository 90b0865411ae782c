"""Settings from YAML, checked against a model: a run file, a recipe, an evaluation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import pydantic
from pydantic import BaseModel

from gensr_pref.config.messages import FIELDS, complaints
from gensr_pref.config.overrides import override
from gensr_pref.errors import ConfigError, Problem
from gensr_pref.storage import files
from gensr_pref.untrusted import documents
from gensr_pref.untrusted.text import redact_secrets

M = TypeVar("M", bound=BaseModel)


def load_any(
    source: M | Mapping[str, Any] | str | Path,
    model: type[M],
    base: str | Path | None = None,
    overrides: Sequence[str] = (),
) -> tuple[M, Path]:
    """Return a run, recipe or evaluation in any form that Python callers give, and its base folder.

    Args:
        source: a YAML file, its data, or the model itself.
        model: what the data are checked against.
        base: the folder from which relative paths start; None: that of the file, else the working
            folder.
        overrides: ``key=value`` with dotted keys (``corpus.limit=8``, ``panel.0.vote=false``);
            values are YAML.

    Raises:
        ConfigError: the file cannot be read, or a field is wrong; the message names it.
    """
    if isinstance(source, model) and not overrides:
        return source, Path(base or "").absolute()
    path = Path(source) if isinstance(source, str | Path) else None
    if isinstance(source, str | Path):
        data = read_yaml(Path(source))
    else:
        data = dump_fields(source) if isinstance(source, BaseModel) else dict(source)
    data = override(data, overrides)
    _refuse_passwords(data, path)
    folder = base or ("" if path is None else path.resolve().parent)
    return parse(data, model, path), Path(folder).absolute()


def _refuse_passwords(node: Any, path: Path | None, within: str = "") -> None:
    """Refuse an address with a password, which a build would write into run.yaml.

    Raises:
        ConfigError: names the field, and does not repeat the address.
    """
    children = node.items() if isinstance(node, dict) else enumerate(node)
    for key, value in children:
        field = f"{within}.{key}" if within else str(key)
        if isinstance(value, dict | list):
            _refuse_passwords(value, path, field)
        elif isinstance(value, str) and redact_secrets(value, {}) != value:
            raise ConfigError(
                "contains a password, which would be written into run.yaml. Remove it from the "
                "address, and give it as its store expects it, such as in the environment",
                field=field,
                path=path,
                problem=Problem.UNSAFE,
            )


def read_yaml(path: Path) -> dict[str, object]:
    """Return the content of a YAML file whose top level is a mapping; no field is checked.

    Raises:
        ConfigError: the file cannot be read, is not YAML, or has no mapping at its top level.
    """
    try:
        text = files.read_text(path)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"cannot be read ({getattr(error, 'strerror', None) or error}). Give the path of a "
            "YAML file.",
            path=path,
            problem=Problem.UNREADABLE,
        ) from error
    try:
        data = documents.parse_yaml(text)
    except ValueError as error:
        raise ConfigError(f"not YAML: {error}", path=path, problem=Problem.INVALID) from error
    if data is None:
        raise ConfigError("is empty", path=path, problem=Problem.EMPTY)
    if not isinstance(data, dict):
        raise ConfigError(
            f"contains a {type(data).__name__}. Write {FIELDS}",
            path=path,
            value=type(data).__name__,
            problem=Problem.INVALID,
        )
    return data


def parse(
    data: Mapping[str, Any], model: type[M], path: Path | str | None = None, field: str = ""
) -> M:
    """Check data against a model, and return the model.

    Args:
        data: the fields.
        model: what the data are checked against.
        path: the file that contains the data, for messages.
        field: the field of the file that contains the data, for messages; empty: the whole file.

    Raises:
        ConfigError: one line per wrong field: its dotted name, what is wrong, what is allowed.
    """
    try:
        return model.model_validate(data)
    except pydantic.ValidationError as error:
        errors = complaints(model, data, error.errors(include_url=False), field)
        raise ConfigError.join(path, errors) from error


def dump_fields(model: BaseModel) -> dict[str, Any]:
    """Return all fields of a model, defaults included, as JSON-able data."""
    return model.model_dump(mode="json")
