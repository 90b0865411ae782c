"""Speed of the alignment trainer in pairs per second, next to a plain loop.

    python -m tests.benchmarks.align RUN --paradigm fm [--rounds 3] [key=value of the recipe ...]

RUN is a run directory with pairs of that model. The plain loop computes features from the audio in
every step, and passes chosen and rejected through the network one after the other, and again
through the reference. The settings take turns on the same batches of pairs. Each is reported in
CPU seconds of this process and in wall-clock time, because other processes may run at the same
time.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from gensr_pref import audio
from gensr_pref.aligning import objectives
from gensr_pref.aligning.alignment_run import AlignmentRun, start_alignment
from gensr_pref.aligning.batches import PairBatch
from gensr_pref.aligning.recipe import BETA, Dpo
from gensr_pref.aligning.step import alignment_step
from gensr_pref.aligning.utility import Utility, token_counts
from gensr_pref.config import run_file
from gensr_pref.rundir import part_files

SETTINGS = {
    "first epoch": [],
    "reference values kept": [],
    "the same, decoder alone": ["train=decoder"],
    "the same, decoder, 96 frames": ["train=decoder", "crop=96"],
    "the same, decoder, 96 frames, bfloat16": ["train=decoder", "crop=96", "precision=bfloat16"],
}


class Plain:
    """The loop as one would write it first."""

    def __init__(self, alignment: AlignmentRun, run: Path) -> None:
        self.alignment, self.generator = alignment, alignment.inputs.generator
        clips = part_files.read_all(run, "clips", ["clip_id", "noisy"]).to_pylist()
        self.noisy = {row["clip_id"]: row["noisy"] for row in clips}
        self.optimiser = torch.optim.AdamW(self.generator.policy.parameters(), 1e-6)
        self.policy = Utility(self.generator, self.generator.policy, True, torch.float32)

    def step(self, pairs: np.ndarray) -> None:
        batch = self.alignment.batching.make_batch(pairs, 0)  # draws, and targets that are stored
        x = [self.features(int(number)) for number in pairs]
        padded = torch.nn.utils.rnn.pad_sequence([one.T for one in x], True).transpose(1, 2)
        batch = replace(batch, rows=replace(batch.rows, x=padded))
        per = (
            token_counts(batch, self.generator.paradigm) if self.generator.paradigm == "mgm" else 1
        )
        u = torch.stack([self.side(self.policy, batch, side) for side in (0, 1)])
        with torch.no_grad():
            reference = [self.side(self.alignment.reference, batch, side) for side in (0, 1)]
        gain = ((u - torch.stack(reference)) / per).mean(1)
        objectives.dpo(gain[0], gain[1], BETA[self.generator.paradigm]).mean().backward()
        torch.nn.utils.clip_grad_norm_(self.generator.policy.parameters(), 1.0)
        self.optimiser.step()
        self.optimiser.zero_grad()

    def features(self, number: int) -> torch.Tensor:
        data = self.alignment.inputs.data
        sound = audio.from_column(self.noisy[data.clips[int(data.clip[number])]])
        return self.generator.hear(sound.at(self.generator.sample_rate).wave.copy())

    def side(self, measured: Utility, batch: PairBatch, side: int) -> torch.Tensor:
        each = batch.draws * len(batch.pairs)
        rows, of_it = batch.rows, slice(side * each, (side + 1) * each)
        found = measured(
            replace(
                rows,
                clip=rows.clip[of_it],
                target=rows.target[of_it],
                lengths=rows.lengths[of_it],
                t=rows.t[of_it],
                draw=None if rows.draw is None else rows.draw[of_it],
            )
        )
        return found.view(batch.draws, len(batch.pairs))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("--paradigm", choices=["ar", "mgm", "fm"], default="fm")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("overrides", nargs="*")
    options = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        measure(options, Path(folder))


def measure(options: argparse.Namespace, folder: Path) -> None:
    def made(*overrides: str) -> AlignmentRun:
        data = {
            "recipe": "dpo",
            "generator": {"use": f"{options.paradigm}-tiny"},
            "pairs": {"source": {"kind": "run", "path": str(options.run.resolve())}},
            "draws": 1,
            "device": "cpu",
            "learning_rate": 1e-6,
            "cache": str(folder),
        }
        given = run_file.override(data, [*options.overrides, *overrides])
        return start_alignment(run_file.parse(given, Dpo, "benchmark"), folder, folder)

    alignments = {name: made(*overrides) for name, overrides in SETTINGS.items()}
    plain = Plain(made(), options.run)
    batches = plain.alignment.batching.order(plain.alignment.training, plain.alignment.size, 0)
    frames = plain.alignment.inputs.data.x_at[:, 1]
    print(f"{len(batches[0])} pairs a batch, clips of {frames.mean() * 0.016:.1f} s on average")
    spent: dict[str, list[tuple[float, float]]] = {"plainly": []}
    for number in range(options.rounds + 1):
        pairs = batches[number % len(batches)]
        took = {"plainly": timed(plain.step, pairs)}
        for name, alignment in alignments.items():
            if name != "first epoch":
                alignment_step(alignment, pairs, 0)  # the reference's values are kept now
            took[name] = timed(alignment_step, alignment, pairs, 0)
        for name, seconds in took.items():
            if number:  # the first warms up
                spent.setdefault(name, []).append(seconds)
    told(spent, len(batches[0]))


def timed(step: Callable[..., object], *arguments: object) -> tuple[float, float]:
    cpu, wall = time.process_time(), time.monotonic()
    step(*arguments)
    return time.process_time() - cpu, time.monotonic() - wall


def told(spent: dict[str, list[tuple[float, float]]], pairs: int) -> None:
    plainly = np.median([cpu for cpu, _ in spent["plainly"]])
    print(f"{'':42}pairs per CPU second   against plainly   by the clock")
    for name, seconds in spent.items():
        cpu, wall = np.median(np.array(seconds), 0)
        print(f"{name:42}{pairs / cpu:20.1f}{plainly / cpu:16.1f} x{pairs / wall:15.1f}")


if __name__ == "__main__":
    main()
