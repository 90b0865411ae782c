"""The old name of the rule `none`, which the run.yaml of earlier evaluations contains."""

from gensr_pref.pairing.no_pairs import none as unpaired

__all__ = ["unpaired"]
