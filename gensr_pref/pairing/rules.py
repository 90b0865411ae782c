"""Pair rules by name."""

from __future__ import annotations

from gensr_pref.config import plugins
from gensr_pref.pairing.base import PairRule


def find_rule(name: str) -> PairRule:
    """The pair rule that the user's own run file or command line names; its module is imported.

    Raises:
        InputError: there is none, or it is not a function of a ballot and the pairing section.
    """
    rule: PairRule = plugins.find("rule", name, "pairing.rule")
    return rule


def built_in_rule(name: str) -> PairRule | None:
    """The rule that a run directory names, if it is one of this package.

    None for any other: that is someone's code, and what a run directory names is never imported.
    """
    return find_rule(name) if name in plugins.built_in("rule") else None
