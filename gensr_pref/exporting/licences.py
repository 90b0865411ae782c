"""Licences of the works and models in a dataset."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gensr_pref.rundir.document import RunDocument

UNKNOWN = "unknown"
UNRECORDED = "not recorded"  # a generator in a run of a version that recorded no licences
_NON_COMMERCIAL = re.compile(r"\bnc\b|non-?\s?commercial", re.IGNORECASE)
_COMMERCIAL = re.compile(r"\bcommercial", re.IGNORECASE)
# Values of `license` on the Hub (docs/hub/repositories-licenses) that recordings, weights or code
# may have; any other licence is written as `other`.
_HUB = """
apache-2.0 mit openrail bsd bsd-2-clause bsd-3-clause bsd-3-clause-clear c-uda cc cc0-1.0 cc-by-2.0
cc-by-2.5 cc-by-3.0 cc-by-4.0 cc-by-sa-3.0 cc-by-sa-4.0 cc-by-nc-2.0 cc-by-nc-3.0 cc-by-nc-4.0
cc-by-nd-4.0 cc-by-nc-nd-3.0 cc-by-nc-nd-4.0 cc-by-nc-sa-2.0 cc-by-nc-sa-3.0 cc-by-nc-sa-4.0
cdla-sharing-1.0 cdla-permissive-1.0 cdla-permissive-2.0 wtfpl ecl-2.0 epl-1.0 epl-2.0 etalab-2.0
eupl-1.1 eupl-1.2 agpl-3.0 gfdl gpl gpl-2.0 gpl-3.0 lgpl lgpl-2.1 lgpl-3.0 isc mpl-2.0 ms-pl ncsa
odbl odc-by ofl-1.1 osl-3.0 pddl postgresql unlicense zlib unknown other
"""
HUB_LICENCES = frozenset(_HUB.split())


@dataclass(frozen=True)
class LicensedPart:
    """A work or model that went into the dataset.

    Attributes:
        kind: speech, noise, rooms, other, generator or metric.
        name: name of the work or model.
        licence: name of its licence; `UNKNOWN` if none is stated.
        notice: text that must be shown with it.
    """

    kind: str
    name: str
    licence: str
    notice: str = ""

    @property
    def is_non_commercial(self) -> bool:
        """Whether the licence forbids commercial use."""
        return _NON_COMMERCIAL.search(f"{self.licence} {self.notice}") is not None

    @property
    def is_restricted(self) -> bool:
        """Whether the licence forbids commercial use, or the notice mentions it."""
        return self.is_non_commercial or _COMMERCIAL.search(self.notice) is not None


def licensed_parts(run: RunDocument) -> list[LicensedPart]:
    """Return all works and models in the dataset, recordings first.

    Args:
        run: content of ``run.yaml``, in which the build recorded the licences of the generators;
            no generator is loaded here.
    """
    provenance = run.provenance
    recordings = [LicensedPart(c["of"], c["name"], c["licence"]) for c in run.credits]
    kinds = {part.kind for part in recordings}
    if "speech" not in kinds:
        recordings.insert(0, LicensedPart("speech", "the speech", UNKNOWN))
    if "noise" not in kinds and _uses_noise(run):
        recordings.append(LicensedPart("noise", "the noise", UNKNOWN))
    models = [
        LicensedPart("generator", name, _recorded_licence(provenance.licences, name))
        for name in (generator.name for generator in provenance.generators)
    ]
    panel = [
        LicensedPart("metric", metric.metric, metric.licence or UNKNOWN, metric.notice or "")
        for metric in provenance.panel
    ]
    return [*recordings, *models, *panel]


def _recorded_licence(licences: Mapping[str, Any], label: str) -> str:
    """Return a generator's licence as the build recorded it; ``-`` stands for none."""
    if label not in licences:
        return UNRECORDED
    licence = licences[label]
    return licence if isinstance(licence, str) and licence not in ("", "-") else UNKNOWN


def hub_licences(parts: Sequence[LicensedPart]) -> list[str]:
    """Return the values of ``license`` in the card: of recordings, and non-commercial ones."""
    listed = [p for p in parts if p.kind not in ("generator", "metric") or p.is_non_commercial]
    return list(dict.fromkeys(_hub_licence(part.licence) for part in listed))


def _hub_licence(licence: str) -> str:
    name = licence.strip().lower().replace(" ", "-")
    return name if name in HUB_LICENCES else "other"


def _uses_noise(run: RunDocument) -> bool:
    degrade = run.corpus.get("degrade") or {}
    return bool(degrade.get("noise"))
