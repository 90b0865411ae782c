"""Generators of a run file: creation, checks, labels and licences."""

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

# Attributes that a generator needs: name, expected value, check of the value.
_MEMBERS: tuple[tuple[str, str, Callable[[Any], bool]], ...] = (
    (
        "name",
        "text of letters, digits and . _ - @ +",
        lambda value: isinstance(value, str) and re.fullmatch(LABEL_PATTERN, value) is not None,
    ),
    ("revision", "text", lambda value: isinstance(value, str)),
    ("load", "a method", callable),
)
_RATE_MEMBER = (
    "sample_rate",
    "a whole number of Hz",
    lambda value: type(value) is int and value > 0,
)
_SAMPLE_MEMBER = ("sample", "a method", callable)


def make_generators(run: Run, base: Path) -> dict[str, Generator]:
    """Make the generators of a run, by label, without loading them.

    Args:
        run: the run file.
        base: folder to which files named in options are relative.

    Raises:
        InputError: a generator is unknown, its options are wrong, or a label is reserved or used
            twice.
    """
    generators: dict[str, Generator] = {}
    for index, use in enumerate(run.generators):
        generator = make_generator(use, f"generators.{index}", base)
        label = label_of(use, generator)
        if label in RESERVED_LABELS or label in generators:
            why = "is reserved" if label in RESERVED_LABELS else "is used twice"
            raise ConfigError(
                f"{label!r} {why}. Give it another name",
                field=f"generators.{index}.name",
                value=label,
                problem=Problem.CONFLICT if label in RESERVED_LABELS else Problem.DUPLICATE,
            )
        generators[label] = generator
    return generators


def make_generator(use: GeneratorUse, field: str, base: Path) -> Generator:
    """Make a generator without loading it.

    Args:
        use: its entry in the run file.
        field: field of the entry, for error messages.
        base: folder to which files named in options are relative.

    Raises:
        InputError: the generator is unknown, its options are wrong, or the class is not a
            generator.
    """
    options = f"{field}.options"
    generator: Generator = plugins.create("generator", use.use, use.options, options, base)
    _check_generator(generator, field)
    return generator


def _check_generator(generator: Any, field: str) -> None:
    """Refuse an object that lacks a member of the protocol, before it is used."""
    is_named = callable(getattr(generator, "candidates_of", None))
    members = _MEMBERS if is_named else (*_MEMBERS, _RATE_MEMBER, _SAMPLE_MEMBER)
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


def check_clips(generator: Any, clips: Sequence[Origin], candidates: int) -> None:
    """Call `check` of a `LookupGenerator`, if it has one.

    Raises:
        InputError: the generator cannot restore these clips.
    """
    if hasattr(generator, "candidates_of") and callable(getattr(generator, "check", None)):
        generator.check(clips, candidates)


def label_of(use: GeneratorUse, generator: Generator) -> str:
    """Return the label of a generator's candidates: the name in the run file, or its own."""
    return use.name or generator.name


_CARD_CHARACTERS = 20_000  # read from a model card; its first lines name the licence


def licence_of(generator: Any) -> str:
    """Return a generator's licence, or that of its checkpoint's model card; ``-`` if unknown."""
    licence = getattr(generator, "licence", None)
    return licence if isinstance(licence, str) and licence else _licence_in_card(generator)


def _licence_in_card(generator: Any) -> str:
    card = checkpoint_file(generator, "README.md")
    if card is None:
        return "-"
    with card.open(encoding="utf-8", errors="replace") as text:
        head = text.read(_CARD_CHARACTERS).split("---")[1:2]
    lines = [line for part in head for line in part.splitlines() if line.startswith("license:")]
    return lines[0].removeprefix("license:").strip() if lines else "-"


def checkpoint_file(generator: Any, name: str) -> Path | None:
    """Return the path of a file in a generator's checkpoint; None if there is none."""
    checkpoint = getattr(generator, "checkpoint", None)
    if not isinstance(checkpoint, Path | str):
        return None
    file = Path(checkpoint) / name
    return file if file.is_file() else None
