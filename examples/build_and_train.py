"""Build pairs, train and evaluate in one file: python examples/build_and_train.py OUT.

The bundled speech is far too little to improve fm-tiny. This example shows the steps, not a result.
"""

import sys
from pathlib import Path

from gensr_pref import sample
from gensr_pref.aligning.recipe import Dpo
from gensr_pref.aligning.train import align
from gensr_pref.apply import evaluation_report
from gensr_pref.apply.evaluate import evaluate
from gensr_pref.apply.evaluation_file import Evaluation
from gensr_pref.building.build import build
from gensr_pref.config import run_file


def main(out: Path) -> None:
    """Make pairs of fm-tiny's candidates, train one epoch of DPO, evaluate on held-out clips."""
    settings = [
        "corpus.segment_seconds=[1, 4]",
        "corpus.validation={share: 0.3, by: source}",  # held-out clips for the evaluation
        "generators.0.candidates=6",
        # Varied up to sampling from the likelihood; the model can learn to sample more carefully.
        "generators.0.options={temperature: [0.2, 1.0], clip_temperature: 1.0}",
        "panel=[{metric: speaker_similarity}, {metric: pesq, vote: true}, {metric: stoi}]",
        "pairing.pairs_per_clip=3",
        "engine.kind=serial",
    ]
    summary = build(run_file.load(sample.DEMO, settings), out / "run", base=sample.FOLDER)
    print(f"{summary['pairs']} pairs from {summary['clips']} clips")
    recipe = {
        "generator": {"use": "fm-tiny"},
        "pairs": {"source": {"kind": "run", "path": "run"}},
        "objective": {"beta": 500},
        "anchor": {"weight": 30, "side": "chosen"},
        "learning_rate": 2e-4,
    }
    align(run_file.parse(recipe, Dpo, "recipe"), out / "dpo", base=out)
    plain = {"temperature": 1.0, "clip_temperature": 1.0}
    wanted = {
        "clips": "run",  # its validation split
        "generators": [
            {"use": "fm-tiny", "name": "base", "options": plain},
            {"use": "fm-tiny", "name": "dpo", "options": {"checkpoint": "dpo", **plain}},
        ],
        "hold_out": ["dnsmos"],
        "engine": {"kind": "serial"},
    }
    _, found = evaluate(run_file.parse(wanted, Evaluation, "wanted"), out / "evaluation", base=out)
    print(evaluation_report.whole(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
