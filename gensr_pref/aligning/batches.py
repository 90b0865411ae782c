"""Batches of pairs, and their random draws.

A draw (t, noise or mask) depends on (seed, pair, pass) alone, not on the order of the pairs or the
rest of the batch. Both sides, and policy and reference, have the same draws.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from gensr_pref.aligning.feature_cache import Array, PreparedPairs
from gensr_pref.generators.base import Alignable, Rows
from gensr_pref.generators.tiny.masked import hidden_share
from gensr_pref.identity import rng_for, seed_for, unit_for

BATCHES_SORTED_TOGETHER = 32  # sorted by the length of their pairs, for little padding


@dataclass(frozen=True)
class DrawSettings:
    """The settings that random draws depend on, beside the pair and the generator's `draw`.

    Attributes:
        seed: the recipe's seed.
        draws: K, the number of draws.
        antithetic: whether draws come in opposite pairs.
        crop: frames of a window; None = whole clips.
        clean: whether the clean target is a third side; draws are as long as the longest side.
        epoch: number of the pass.
    """

    seed: int
    draws: int
    antithetic: bool
    crop: int | None
    clean: bool
    epoch: int


@dataclass(frozen=True)
class PairBatch:
    """P pairs with K draws each.

    Attributes:
        drawing: settings of the draws.
        pairs: [P] indices of the pairs in `PreparedPairs`.
        flipped: [P] whether chosen and rejected are swapped (random labels).
        sides: S, the number of sides: 2, or 3 if the clean target follows chosen and rejected.
        draws: K, the number of draws.
        rows: N = S * K * P rows, in that order.
    """

    drawing: DrawSettings
    pairs: Array
    flipped: Tensor
    sides: int
    draws: int
    rows: Rows

    def split(self, values: Tensor) -> Tensor:
        """Return values of rows [N] by side, draw and pair: [S, K, P]."""
        return values.view(self.sides, self.draws, len(self.pairs))


@dataclass(frozen=True)
class Batching:
    """The settings from which batches are made; a batch depends on its pairs and the pass alone.

    Attributes:
        data: the pairs.
        generator: the generator whose `draw` and `window` are called.
        seed: the recipe's seed.
        draws: K, the number of draws.
        antithetic: whether draws come in opposite pairs.
        crop: frames of a window; None = whole clips.
        random_labels: whether a coin flip decides which side is chosen.
        clean: whether the clean target is a third side.
        device: device of the tensors.
    """

    data: PreparedPairs
    generator: Alignable
    seed: int
    draws: int
    antithetic: bool
    crop: int | None
    random_labels: bool
    clean: bool
    device: torch.device

    def order(self, pairs: Array, size: int, epoch: int) -> list[Array]:
        """Return the batches of an epoch, shuffled, each with pairs of similar length.

        The pairs that do not fill a batch are dropped.
        """
        rng = rng_for(self.seed, "order", epoch)
        shuffled = rng.permutation(pairs)
        frames = self.data.x_at[self.data.clip, 1]
        batches: list[Array] = []
        total = len(shuffled) - len(shuffled) % size
        for start in range(0, total, size * BATCHES_SORTED_TOGETHER):
            block = shuffled[start : min(start + size * BATCHES_SORTED_TOGETHER, total)]
            block = block[np.argsort(frames[block], kind="stable")]
            batches += np.split(block, len(block) // size)
        return [batches[k] for k in rng.permutation(len(batches))]

    def make_batch(self, pairs: Array, epoch: int) -> PairBatch:
        """Return the batch of these pairs in a pass."""
        drawing = self._drawing(epoch)
        items = [self._item(int(number), drawing) for number in pairs]
        sides = 3 if self.clean else 2
        x = _pad([item.x for item in items]).transpose(1, 2).float()
        targets = [item.targets[s] for s in range(sides) for item in items]
        target = _pad(targets)
        target = target.float() if target.is_floating_point() else target.transpose(1, 2).long()
        lengths = torch.tensor([len(array) for array in targets]).view(sides, 1, -1)
        t = torch.tensor([[float(t) for t in item.t] for item in items]).T
        rows = Rows(
            x=x.to(self.device),
            frames=torch.tensor([len(item.x) for item in items], device=self.device),
            clip=torch.arange(len(items), device=self.device).repeat(sides * self.draws),
            target=_repeat_by_draw(target, sides, self.draws).to(self.device),
            lengths=lengths.expand(-1, self.draws, -1).flatten().to(self.device),
            t=t.flatten().repeat(sides).to(self.device),
            draw=self._draw(items, sides),
        )
        flipped = torch.tensor([item.flipped for item in items], device=self.device)
        return PairBatch(drawing, pairs, flipped, sides, self.draws, rows)

    def _drawing(self, epoch: int) -> DrawSettings:
        return DrawSettings(self.seed, self.draws, self.antithetic, self.crop, self.clean, epoch)

    def _item(self, number: int, drawing: DrawSettings) -> _Item:
        data, name = self.data, self.data.ids[number]
        x = data.features(int(data.clip[number]))
        numbers = [int(data.chosen[number]), int(data.rejected[number])]
        flipped = self.random_labels and unit_for(self.seed, "label", name) < 0.5
        if flipped:
            numbers.reverse()
        if drawing.clean:
            numbers.append(int(data.clean[data.clip[number]]))
        targets = [data.target(index) for index in numbers]
        randomness = torch.Generator().manual_seed(
            seed_for(drawing.seed, "draw", name, drawing.epoch)
        )
        crop = drawing.crop
        if crop is not None and len(x) > crop:
            start = int(torch.randint(len(x) - crop + 1, (), generator=randomness))
            targets = [self._window(target, start, crop) for target in targets]
            x = x[start : start + crop]
        t = stratified_times(drawing.draws, drawing.antithetic, randomness)
        longest = max(targets, key=len)
        tokens = longest.dtype.kind == "i"
        shape = longest.shape[::-1] if tokens else longest.shape
        return _Item(x, targets, t, self._draw_pair(shape, t, drawing, randomness), flipped)

    def _window(self, target: Array, start: int, frames: int) -> Array:
        cut = getattr(self.generator, "window", None)
        if cut is None:
            return target[start : start + frames]
        if target.dtype.kind == "i":
            return np.asarray(cut(target.T, start, frames)).T
        return np.asarray(cut(target, start, frames))

    def _draw_pair(
        self,
        shape: Sequence[int],
        t: Sequence[float],
        drawing: DrawSettings,
        randomness: torch.Generator,
    ) -> list[Tensor] | None:
        """Return the K noises or masks of a pair; opposite draws have opposite noise."""
        draws: list[Tensor] = []
        opposite = drawing.antithetic and self.generator.paradigm == "fm"
        for index, time in enumerate(t):
            if opposite and index % 2:
                draws.append(-draws[-1])
                continue
            draw = draw_for_target(self.generator, shape, time, randomness)
            if draw is None:
                return None
            draws.append(draw)
        return draws

    def _draw(self, items: Sequence[_Item], sides: int) -> Tensor | None:
        """Return the draws of all rows [N, ...]; both sides of a pair share their draws."""
        draws = [item.draws for item in items]
        if draws[0] is None:
            return None
        ordered = [
            of_pair[k] for k in range(self.draws) for of_pair in draws if of_pair is not None
        ]
        padded = _pad_all_axes(ordered)
        return padded.repeat(sides, *[1] * (padded.dim() - 1)).to(self.device)


@dataclass(frozen=True)
class _Item:
    """A pair of a batch: features [F, C], targets [T, D] by side, and its K draws."""

    x: Array
    targets: list[Array]
    t: list[float]
    draws: list[Tensor] | None
    flipped: bool


def stratified_times(draws: int, antithetic: bool, randomness: torch.Generator) -> list[float]:
    """Return K times in (0, 1), one in each of K equal parts.

    Antithetic times come in pairs (t, 1 - t), which lie in opposite parts; an odd one comes last.
    """
    uniform = torch.rand(draws, generator=randomness, dtype=torch.float64).clamp(1e-6, 1 - 1e-6)
    if not antithetic:
        return [float((k + u) / draws) for k, u in enumerate(uniform)]
    times: list[float] = []
    for k in range(draws // 2):
        t = float((k + uniform[k]) / draws)
        times += [t, 1 - t]
    if draws % 2:
        times.append(float((draws // 2 + uniform[-1]) / draws))
    return times


def draw_for_target(
    generator: Alignable, shape: Sequence[int], t: float, randomness: torch.Generator
) -> Tensor | None:
    """Return the noise or mask of a target at t, from the generator's `draw` or by default."""
    own = getattr(generator, "draw", None)
    if own is not None:
        draw: Tensor | None = own(shape, t, randomness)
        return draw
    if generator.paradigm == "fm":
        return torch.randn(tuple(shape), generator=randomness)
    if generator.paradigm == "mgm":
        hidden = torch.rand(tuple(shape), generator=randomness) < hidden_share(t)
        hidden.view(-1)[int(torch.randint(hidden.numel(), (), generator=randomness))] = True
        return hidden
    return None


def _repeat_by_draw(target: Tensor, sides: int, draws: int) -> Tensor:
    """Repeat targets [S * P, ...] for each draw: [S * K * P, ...]."""
    split = target.view(sides, 1, -1, *target.shape[1:])
    return split.expand(-1, draws, *[-1] * (split.dim() - 2)).flatten(0, 2)


def _pad(rows: Sequence[Array]) -> Tensor:
    """Stack arrays [T, D] to [R, longest, D], with zeros at the end."""
    longest = max(map(len, rows))
    padded = np.zeros((len(rows), longest, rows[0].shape[1]), rows[0].dtype)
    for index, row in enumerate(rows):
        padded[index, : len(row)] = row
    return torch.from_numpy(padded)


def _pad_all_axes(rows: Sequence[Tensor]) -> Tensor:
    """Stack tensors that differ in the size of any axis to [R, ...], with zeros at the end."""
    size = [max(row.shape[axis] for row in rows) for axis in range(rows[0].dim())]
    padded = rows[0].new_zeros(len(rows), *size)
    for index, row in enumerate(rows):
        padded[index][tuple(slice(n) for n in row.shape)] = row
    return padded
