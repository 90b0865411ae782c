"""Checks of the numbers that Python functions and commands take as arguments."""

from __future__ import annotations

import math
from numbers import Integral, Real

from gensr_pref.errors import InputError, Problem, parameter


def require_whole_number(
    value: object, name: str, least: int | None = None, most: int | None = None
) -> None:
    """Refuse an argument that is not a whole number from `least` to `most`.

    Args:
        value: the argument.
        name: the parameter's name, which is the `dest` of its command-line option.
        least: smallest allowed value; None: no limit.
        most: largest allowed value, only with `least`; None: no limit.

    Raises:
        InputError: the message names the parameter and the value.
    """
    whole = isinstance(value, Integral) and not isinstance(value, bool)
    low, high = -math.inf if least is None else least, math.inf if most is None else most
    if whole and low <= value <= high:  # type: ignore[operator]
        return
    bounds = f" of at least {least}" if most is None else f" from {least} to {most}"
    raise _refusal(f"a whole number{'' if least is None else bounds}", value, name)


def require_positive_number(value: object, name: str) -> None:
    """Refuse an argument that is not a finite number above 0.

    Args:
        value: the argument.
        name: as for `require_whole_number`.

    Raises:
        InputError: the message names the parameter and the value.
    """
    number = isinstance(value, Real) and not isinstance(value, bool)
    if not number or not 0 < value < math.inf:  # type: ignore[operator]
        raise _refusal("a number above 0", value, name)


def _refusal(wanted: str, value: object, name: str) -> InputError:
    return InputError(
        f"write {wanted}, not {value!r}",
        field=parameter(name),
        value=value,
        problem=Problem.INVALID,
    )
