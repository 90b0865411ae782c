"""The log of an alignment, `log.jsonl`: means over steps, evaluations on held-out pairs, alarms."""

from __future__ import annotations

import copy
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TypedDict

import numpy as np
from tqdm import tqdm

from gensr_pref.aligning.alignment_run import AlignmentRun
from gensr_pref.aligning.step import scheduled_learning_rate
from gensr_pref.rundir import part_files
from gensr_pref.storage.jsonl import replace_non_finite


class AlignmentReport(TypedDict):
    """The summary of a training.

    Keys:
        steps, pairs: numbers of completed steps and of training pairs.
        training: last line of the log with means over steps; empty if there is none.
        held_out: means of the last evaluation on held-out pairs; empty if there is none.
        best_step: step of the weights that are kept.
        alarms: texts of the alarms that were raised.
    """

    steps: int
    pairs: int
    training: dict[str, float]
    held_out: dict[str, float]
    best_step: int
    alarms: list[str]


class AlignmentLog:
    """The log of a training; a resumed training continues after the lines of completed steps."""

    def __init__(self, path: Path, alignment: AlignmentRun) -> None:
        self._path, self._alignment = path, alignment
        self._steps: list[dict[str, float]] = []
        self._since_evaluation: list[float] = []
        self._last: dict[str, float] = {}
        self._held_out: dict[str, float] = {}
        rows = [row for row in part_files.read_json_lines(path) if row["step"] <= alignment.step]
        if alignment.accelerator.is_main_process:
            part_files.write_text(
                path,
                "".join(
                    json.dumps(replace_non_finite(row), allow_nan=False) + "\n" for row in rows
                ),
            )

    def add(self, means: dict[str, float]) -> None:
        """Keep the means of one step for the next line."""
        self._steps.append(means)
        self._since_evaluation.append(means["accuracy"])

    def write(self) -> dict[str, str]:
        """Write the means over the steps since the last line; return values for a progress bar."""
        alignment = self._alignment
        seconds = sum(means["seconds"] for means in self._steps)
        measures = sorted(self._steps[-1].keys() - {"seconds"})
        means = {n: float(np.mean([step[n] for step in self._steps])) for n in measures}
        row = {
            "step": alignment.step,
            "epoch": round(alignment.step / alignment.per_epoch, 4),
            "learning_rate": scheduled_learning_rate(
                alignment.recipe, alignment.step - 1, alignment.steps
            ),
            **means,
            "pairs_per_second": len(self._steps) * alignment.size / seconds,
        }
        self._steps, self._last = [], row
        self._append(row)
        self._warn(alignment.alarms.check_training(means, alignment.step / alignment.steps))
        names = ("loss", "accuracy", "margin", "drift", "pairs_per_second")
        return {name: f"{row[name]:.3g}" for name in names}

    def add_held_out(self, means: dict[str, float]) -> None:
        """Write an evaluation on held-out pairs; keep the best weights for early stopping."""
        if not means:
            return
        alignment = self._alignment
        self._held_out = means
        self._append({"step": alignment.step, "held_out": means})
        training = float(np.mean(self._since_evaluation or [0.0]))
        self._since_evaluation = []
        clips = len(np.unique(alignment.batching.data.clip[alignment.held_out]))
        self._warn(alignment.alarms.check_held_out(means["accuracy"], clips, training))
        if alignment.recipe.early_stop is None:
            return
        if alignment.best is None or means["accuracy"] > alignment.best["accuracy"]:
            weights = alignment.averaged or alignment.inputs.generator.policy.state_dict()
            alignment.best = {
                "step": alignment.step,
                "accuracy": means["accuracy"],
                "weights": copy.deepcopy(weights),
            }
            alignment.since_best = 0
        else:
            alignment.since_best += 1

    def report(self) -> AlignmentReport:
        """Return the summary of the training."""
        alignment = self._alignment
        return {
            "steps": alignment.step,
            "pairs": len(alignment.training),
            "training": self._last,
            "held_out": self._held_out,
            "best_step": alignment.best["step"] if alignment.best else alignment.step,
            "alarms": list(alignment.alarms.raised.values()),
        }

    def _warn(self, alarms: list[str]) -> None:
        for alarm in alarms:
            self._append({"step": self._alignment.step, "alarm": alarm})
            if self._alignment.accelerator.is_main_process:
                tqdm.write(f"alarm: {alarm}", file=sys.stderr)

    def _append(self, row: Mapping[str, object]) -> None:
        if self._alignment.accelerator.is_main_process:
            part_files.append_json(self._path, replace_non_finite(row))
