"""Settings of a checkpoint, `config.json`: their types and bounds are checked before use.

The file names the architecture and holds all fields of its configuration. `sample_rate` (Hz) may be
absent; it is 16000 then.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from gensr_pref.errors import ConfigError, MissingWeightsError, Problem
from gensr_pref.generators.tiny.analysis import WIDEBAND, Analysis
from gensr_pref.generators.tiny.bands import FEATURES, GAIN_BANDS
from gensr_pref.storage import files
from gensr_pref.untrusted import documents

WEIGHTS, CONFIG = "model.safetensors", "config.json"
LARGEST = 4096  # limit of a width, a dilation, a number of groups; 20 times the shipped networks'
MOST_CODES = 2**16
MOST_BLOCKS = 64  # of one kind
_FIXED = {"features": FEATURES, "channels": GAIN_BANDS}  # the same in every network here


@dataclass(frozen=True)
class Settings:
    """Content of a `config.json`, of which only the sample rate has been checked.

    Attributes:
        architecture: stated name of the architecture; None if it is absent.
        sample_rate: in Hz.
        others: the other settings by name.
    """

    architecture: object
    sample_rate: int
    others: Mapping[str, object]


def require_files(folder: Path) -> None:
    """Refuse a folder without both files of a checkpoint.

    Raises:
        MissingWeightsError: a file is missing or cannot be opened.
    """
    for name in (CONFIG, WEIGHTS):
        try:
            (folder / name).open("rb").close()
        except OSError as error:
            raise MissingWeightsError(
                f"there is no checkpoint ({name}: {error.strerror}). Give a folder that "
                f"holds {WEIGHTS} and {CONFIG}, such as one written by `gensr-pref train`, or the "
                "id org/name of one on the Hugging Face Hub.",
                path=folder,
                problem=Problem.MISSING,
            ) from error


def read_settings(folder: Path) -> Settings:
    """Read `config.json`; check its sample rate.

    Raises:
        MissingWeightsError: a file is missing.
        ConfigError: the file is not JSON, or the sample rate is not supported.
    """
    require_files(folder)
    path = folder / CONFIG
    try:
        data = documents.parse_json(files.read_text(path))
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"cannot be read as JSON ({error}).", path=path, problem=Problem.UNREADABLE
        ) from error
    others = dict(data) if isinstance(data, dict) else {}
    architecture = others.pop("architecture", None)
    rate = others.pop("sample_rate", WIDEBAND.rate)
    try:
        Analysis(rate)
    except ValueError as error:
        raise ConfigError(
            f"{path}: {error}.",
            field="sample_rate",
            value=rate,
            path=path,
            problem=Problem.INVALID,
        ) from error
    return Settings(architecture, rate, others)


def read_configuration(folder: Path, architecture: str, configuration: Any) -> Any:
    """Read the configuration of a network from `config.json`; check every setting.

    Args:
        folder: of the checkpoint.
        architecture: name that the file must state.
        configuration: dataclass of the network's configuration.

    Raises:
        MissingWeightsError: a file is missing.
        ConfigError: the file is not JSON, states another architecture, lacks a setting or has an
            unknown one, or a setting has a wrong type or exceeds its bound.
    """
    path, settings = folder / CONFIG, read_settings(folder)
    if settings.architecture != architecture:
        raise ConfigError(
            f"{path} has {settings.architecture!r}, but {architecture!r} is required here.",
            field="architecture",
            path=path,
            value=settings.architecture,
            problem=Problem.CONFLICT,
        )
    given = {"sample_rate": settings.sample_rate, **settings.others}
    known = {field.name for field in fields(configuration)}
    if set(given) != known:
        raise ConfigError(
            f"not the settings of {architecture!r}. "
            f"Missing: {abbreviate_list(known - given.keys())}. "
            f"Unknown: {abbreviate_list(given.keys() - known)}.",
            path=path,
            value=(sorted(known - given.keys()), sorted(given.keys() - known)),
            problem=Problem.INVALID,
        )
    defaults = asdict(configuration())
    for name, value in given.items():
        if requirement := _requirement(name, value, defaults[name]):
            raise ConfigError(
                f"must be {requirement}, not {_abbreviate(value)}, in {path}.",
                field=name,
                value=value,
                path=path,
                problem=Problem.INVALID,
            )
    return configuration(**{k: tuple(v) if isinstance(v, list) else v for k, v in given.items()})


def _requirement(name: str, value: Any, default: Any) -> str | None:
    """Return the requirement that a setting violates, or None; `default` determines its type."""
    if name in _FIXED:
        return None if value == _FIXED[name] else str(_FIXED[name])
    if name == "sample_rate":  # checked with the settings
        return None
    if isinstance(default, str):
        fits = isinstance(value, str) and len(value) <= 64
        return None if fits else "text of at most 64 characters"
    if isinstance(default, tuple):
        fits = isinstance(value, list) and len(value) <= MOST_BLOCKS
        fits = fits and all(_is_size(size, LARGEST) for size in value)
        return None if fits else f"at most {MOST_BLOCKS} whole numbers from 1 to {LARGEST}"
    if isinstance(default, float):
        fits = type(value) in (int, float) and math.isfinite(value) and 0 <= value <= 1
        return None if fits else "a number from 0 to 1"
    most = MOST_CODES if name == "codes" else LARGEST
    return None if _is_size(value, most) else f"a whole number from 1 to {most}"


def _is_size(value: Any, most: int) -> bool:
    return type(value) is int and 1 <= value <= most


def _abbreviate(value: Any) -> str:
    shown = repr(value)
    return shown if len(shown) <= 60 else f"{shown[:57]}..."


def abbreviate_list(names: Iterable[str]) -> str:
    """Return the first three names in order and the number of the others, for a message."""
    ordered = sorted(names)
    shown = ", ".join(ordered[:3])
    return f"{shown} and {len(ordered) - 3} more" if len(ordered) > 3 else shown or "none"
