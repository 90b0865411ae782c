"""Build pairs, train and evaluate in one file: python examples/build_and_train.py OUT.

The bundled speech is far too little to improve fm-tiny. This example shows the steps, not a result.
"""

import sys
from pathlib import Path

from gensr_pref import align, build, evaluate, sample


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
    summary = build(sample.DEMO, out / "run", overrides=settings)
    print(f"{summary['pairs']} pairs from {summary['clips']} clips")
    recipe = {
        "generator": {"use": "fm-tiny"},
        "pairs": {"source": {"kind": "run", "path": "run"}},
        "objective": {"beta": 500},
        "anchor": {"weight": 30, "side": "chosen"},
        "learning_rate": 2e-4,
    }
    align(recipe, out / "dpo", base=out)
    plain = {"temperature": 1.0, "clip_temperature": 1.0}
    evaluation = {
        "clips": "run",  # its validation split
        "generators": [
            {"use": "fm-tiny", "name": "base", "options": plain},
            {"use": "fm-tiny", "name": "dpo", "options": {"checkpoint": "dpo", **plain}},
        ],
        "hold_out": ["dnsmos"],
        "engine": {"kind": "serial"},
    }
    evaluate(evaluation, out / "evaluation", base=out)
    print((out / "evaluation" / "evaluation.md").read_text(encoding="utf-8"))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
