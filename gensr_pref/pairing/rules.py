"""Looks up a pair rule by its name."""

from __future__ import annotations

from gensr_pref.config import plugins
from gensr_pref.pairing.base import PairRule


def find_rule(name: str) -> PairRule:
    """Return the pair rule that the user's run file or command line names; import its module.

    Raises:
        InputError: there is no such rule, or it is not a function of a ballot and the pairing
            section.
    """
    rule: PairRule = plugins.find("rule", name, "pairing.rule")
    return rule


def built_in_rule(name: str) -> PairRule | None:
    """Return the rule that a run directory names, if it belongs to this package, otherwise None.

    Any other rule is someone's code, and code that a run directory names is never imported.
    """
    return find_rule(name) if name in plugins.built_in("rule") else None
