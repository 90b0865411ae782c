"""`log.jsonl` of an alignment: means over several steps, evaluations on held-out pairs, alarms."""

from __future__ import annotations

import copy
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from gensr_pref.aligning.step import scheduled_learning_rate
from gensr_pref.aligning.training import AlignmentRun
from gensr_pref.rundir import part_files
from gensr_pref.storage.jsonl import replace_non_finite


class AlignmentLog:
    """The log of one training; a resumed training continues after the lines of completed steps."""

    def __init__(self, path: Path, alignment: AlignmentRun) -> None:
        self._path, self._alignment = path, alignment
        self._steps: list[dict[str, float]] = []
        self._since_evaluation: list[float] = []
        self._last: dict[str, Any] = {}
        self._held: dict[str, float] = {}
        rows = [row for row in part_files.read_json_lines(path) if row["step"] <= alignment.step]
        if alignment.accelerator.is_main_process:
            part_files.write_text(
                path,
                "".join(
                    json.dumps(replace_non_finite(row), allow_nan=False) + "\n" for row in rows
                ),
            )

    def add(self, means: dict[str, float]) -> None:
        """Add the means of one step."""
        self._steps.append(means)
        self._since_evaluation.append(means["accuracy"])

    def write(self) -> dict[str, str]:
        """Write the means since the last line; return the values for a progress bar."""
        alignment = self._alignment
        seconds = sum(means["seconds"] for means in self._steps)
        names = self._steps[-1].keys() - {"seconds"}
        means = {n: float(np.mean([one[n] for one in self._steps])) for n in sorted(names)}
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
        shown = ("loss", "accuracy", "margin", "drift", "pairs_per_second")
        return {name: f"{row[name]:.3g}" for name in shown}

    def add_held_out(self, means: dict[str, float]) -> None:
        """Write an evaluation on held-out pairs; remember the best weights for early stopping."""
        if not means:
            return
        alignment = self._alignment
        self._held = means
        self._append({"step": alignment.step, "held_out": means})
        training = float(np.mean(self._since_evaluation or [0.0]))
        self._since_evaluation = []
        clips = len(np.unique(alignment.batching.data.clip[alignment.held_out]))
        self._warn(alignment.alarms.check_held_out(means["accuracy"], clips, training))
        if alignment.recipe.early_stop is None:
            return
        if alignment.best is None or means["accuracy"] > alignment.best["accuracy"]:
            weights = alignment.averaged or alignment.subject.generator.policy.state_dict()
            alignment.best = {
                "step": alignment.step,
                "accuracy": means["accuracy"],
                "weights": copy.deepcopy(weights),
            }
            alignment.since_best = 0
        else:
            alignment.since_best += 1

    def report(self) -> dict[str, Any]:
        """Return the summary of the training."""
        alignment = self._alignment
        return {
            "steps": alignment.step,
            "pairs": len(alignment.training),
            "training": self._last,
            "held_out": self._held,
            "best_step": alignment.best["step"] if alignment.best else alignment.step,
            "alarms": list(alignment.alarms.raised.values()),
        }

    def _warn(self, alarms: list[str]) -> None:
        for alarm in alarms:
            self._append({"step": self._alignment.step, "alarm": alarm})
            if self._alignment.accelerator.is_main_process:
                tqdm.write(f"alarm: {alarm}", file=sys.stderr)

    def _append(self, row: dict[str, Any]) -> None:
        if self._alignment.accelerator.is_main_process:
            part_files.append_json(self._path, replace_non_finite(row))
