"""gensr_pref: preference datasets for generative speech restoration.

Noisy clips in; N restored candidates each; a panel of metrics scores them; a pair exists where one
candidate wins on every voting metric; the pairs are audited, published and trained on.

    from gensr_pref import Panel, audit, build, evaluate, export

These names are loaded when they are first used, so that ``import gensr_pref`` is quick.
"""

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gensr_pref.aligning.align import align
    from gensr_pref.apply.evaluate import evaluate
    from gensr_pref.apply.restore import restore
    from gensr_pref.apply.score import score
    from gensr_pref.audio import Sound
    from gensr_pref.auditing.run_audit import audit
    from gensr_pref.building.build import build
    from gensr_pref.building.pair import pair
    from gensr_pref.config.run_file import MetricUse, Run
    from gensr_pref.errors import GensrPrefError, Unusable
    from gensr_pref.exporting.dataset import ExportOptions
    from gensr_pref.exporting.export_run import PublishingOptions, export
    from gensr_pref.exporting.hub import HubTarget
    from gensr_pref.exporting.load import load
    from gensr_pref.exporting.publish import publish
    from gensr_pref.generators.base import Candidate, Rows
    from gensr_pref.metrics.base import ClipSounds, MetricSpec, Score, score_each
    from gensr_pref.metrics.panel import Panel
    from gensr_pref.pairing.base import Pair, orient_scores
    from gensr_pref.schema import Reason

__all__ = [
    "Candidate",
    "ClipSounds",
    "ExportOptions",
    "GensrPrefError",
    "HubTarget",
    "MetricSpec",
    "MetricUse",
    "Pair",
    "Panel",
    "PublishingOptions",
    "Reason",
    "Rows",
    "Run",
    "Score",
    "Sound",
    "Unusable",
    "align",
    "audit",
    "build",
    "evaluate",
    "export",
    "load",
    "orient_scores",
    "pair",
    "publish",
    "restore",
    "score",
    "score_each",
]
__version__ = version("gensr_pref")

_MODULES = {
    "Candidate": "generators.base",
    "ClipSounds": "metrics.base",
    "ExportOptions": "exporting.dataset",
    "GensrPrefError": "errors",
    "HubTarget": "exporting.hub",
    "MetricSpec": "metrics.base",
    "MetricUse": "config.run_file",
    "Pair": "pairing.base",
    "Panel": "metrics.panel",
    "PublishingOptions": "exporting.export_run",
    "Reason": "schema",
    "Rows": "generators.base",
    "Run": "config.run_file",
    "Score": "metrics.base",
    "Sound": "audio",
    "Unusable": "errors",
    "align": "aligning.align",
    "audit": "auditing.run_audit",
    "build": "building.build",
    "evaluate": "apply.evaluate",
    "export": "exporting.export_run",
    "load": "exporting.load",
    "orient_scores": "pairing.base",
    "pair": "building.pair",
    "publish": "exporting.publish",
    "restore": "apply.restore",
    "score": "apply.score",
    "score_each": "metrics.base",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module 'gensr_pref' has no attribute {name!r}")
    return getattr(import_module(f"gensr_pref.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
