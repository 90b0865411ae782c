"""The old name of the rule `none`, which evaluations of earlier versions have in their run.yaml."""

from gensr_pref.pairing.no_pairs import none as unpaired

__all__ = ["unpaired"]
