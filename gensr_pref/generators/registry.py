"""Generators by name: made from the run file, checked, labelled; and their licences."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from gensr_pref.config import plugins
from gensr_pref.config.run_file import LABEL_PATTERN, GeneratorUse, Run
from gensr_pref.errors import ConfigError, Problem
from gensr_pref.generators.base import Generator, Origin
from gensr_pref.identity import NOISY

RESERVED_LABELS = (NOISY, "clean")


_GENERATOR: tuple[tuple[str, str, Callable[[Any], bool]], ...] = (
    (
        "name",
        "text of letters, digits and . _ - @ +",
        lambda value: isinstance(value, str) and re.fullmatch(LABEL_PATTERN, value) is not None,
    ),
    ("revision", "text", lambda value: isinstance(value, str)),
    ("load", "a method", callable),
)


_RATED = ("sample_rate", "a whole number of Hz", lambda value: type(value) is int and value > 0)


_SAMPLING = ("sample", "a method", callable)


def make_generators(run: Run, base: Path) -> dict[str, Generator]:
    """The generators by label, not yet loaded.

    Args:
        base: the folder that files named in options are relative to.

    Raises:
        InputError: unknown, wrong options, a label that is reserved or used twice.
    """
    found: dict[str, Generator] = {}
    for place, use in enumerate(run.generators):
        generator = make_generator(use, f"generators.{place}", base)
        label = label_of(use, generator)
        if label in RESERVED_LABELS or label in found:
            why = "is reserved" if label in RESERVED_LABELS else "is used twice"
            raise ConfigError(
                f"{label!r} {why}. Give it another name",
                field=f"generators.{place}.name",
                value=label,
                problem=Problem.CONFLICT if label in RESERVED_LABELS else Problem.DUPLICATE,
            )
        found[label] = generator
    return found


def make_generator(use: GeneratorUse, field: str, base: Path) -> Generator:
    """A generator, not yet loaded.

    Args:
        field: where it is asked for, for the error message.

    Raises:
        InputError: unknown, wrong options, or a class that is no generator.
    """
    options = f"{field}.options"
    generator: Generator = plugins.create("generator", use.use, use.options, options, base)
    _check_generator(generator, field)
    return generator


def _check_generator(generator: Any, field: str) -> None:
    """Refuse a class that is no generator, before it is asked to be one."""
    named = callable(getattr(generator, "candidates_of", None))
    members = _GENERATOR if named else (*_GENERATOR, _RATED, _SAMPLING)
    for attribute, expected, holds in members:
        value = getattr(generator, attribute, None)
        if not holds(value):
            raise ConfigError(
                f"{type(generator).__name__}.{attribute} must be {expected} "
                f"(see gensr_pref/generators/base.py), not {value!r}",
                field=field,
                value=value,
                problem=Problem.INVALID,
            )


def check_named(generator: Any, clips: Sequence[Origin], candidates: int) -> None:
    """Let a generator that knows clips by name look at them, if it wants to.

    Raises:
        InputError: it could not succeed.
    """
    if hasattr(generator, "candidates_of") and callable(getattr(generator, "check", None)):
        generator.check(clips, candidates)


def label_of(use: GeneratorUse, generator: Generator) -> str:
    """What a generator's candidates are labelled with."""
    return use.name or generator.name


_CARD_CHARACTERS = 20_000  # of a card that are looked at; its first lines name the licence


def licence_of(generator: Any) -> str:
    """What a generator says, else the card beside its checkpoint; - where neither does."""
    told = getattr(generator, "licence", None)
    return told if isinstance(told, str) and told else _licence(generator)


def _licence(generator: Any) -> str:
    card = beside(generator, "README.md")
    if card is None:
        return "-"
    with card.open(encoding="utf-8", errors="replace") as text:
        head = text.read(_CARD_CHARACTERS).split("---")[1:2]
    lines = [line for part in head for line in part.splitlines() if line.startswith("license:")]
    return lines[0].removeprefix("license:").strip() if lines else "-"


def beside(generator: Any, name: str) -> Path | None:
    """A file of a generator's checkpoint; None where it has no such thing."""
    checkpoint = getattr(generator, "checkpoint", None)
    if not isinstance(checkpoint, Path | str):
        return None
    file = Path(checkpoint) / name
    return file if file.is_file() else None
