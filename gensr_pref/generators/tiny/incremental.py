"""Sampling from the autoregressive model, one column and one group after the other.

The thousands of steps of a clip are a few small matrix-vector products each, so what counts is the
overhead of a call: hence NumPy. One candidate at a time, as a product with one vector gives the
same bits whoever else is sampled.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from scipy.special import erf

from gensr_pref.generators.tiny.autoregressive import Autoregressive, CausalBlock
from gensr_pref.generators.tiny.code_head import Z_LIMIT, CodeHead
from gensr_pref.generators.tiny.code_sampling import Array, Draw, Plan
from gensr_pref.generators.tiny.token_model import CLIP_SCALE, Heard


class Head:
    """A `CodeHead` over the columns of one clip, in NumPy.

    Args:
        head: the module.
        codebook: [G, K, D].
        mean: [F, G * D] m.
        inverse_scale: [F, G * D] 1 / s, for the logits.
        heard_scale: [F, G * D] 1 / s, for the residuals; the same except for the first column.
    """

    def __init__(
        self, head: CodeHead, codebook: Any, mean: Any, inverse_scale: Any, heard_scale: Any
    ) -> None:
        groups, bands, hidden = head.groups, head.bands, head.hidden
        self.codes, self.groups = head.codes, groups
        self.base = _numpy(head.base(codebook, mean[None], inverse_scale[None])[0])
        self.codebook = _numpy(codebook)
        self.mean = _numpy(mean).reshape(-1, groups, bands)
        self.inverse_scale = _numpy(inverse_scale).reshape(-1, groups, bands)
        self.heard_scale = _numpy(heard_scale).reshape(-1, groups, bands)
        self.hear, self.hear_bias = _numpy(head.hear.weight), _numpy(head.hear.bias)
        leave = _numpy(head.leave).transpose(0, 2, 1)
        self.leave = [np.ascontiguousarray(matrix) for matrix in leave]
        assert head.earlier is not None
        earlier = _numpy(head.earlier)
        self.earlier = [
            np.ascontiguousarray(earlier[(g + 1) * hidden :, g * bands : (g + 1) * bands])
            for g in range(groups)
        ]
        self.rows = [slice(g * hidden, (g + 1) * hidden) for g in range(groups)]

    def tokens(
        self, column: int, state: Array, draw: Draw, uniform: npt.NDArray[np.float64]
    ) -> tuple[list[int], Array]:
        """Tokens of all groups of a column, and their residuals [G * D].

        Args:
            column: which.
            state: [width] of the decoder.
            draw: how a code is drawn.
            uniform: [G] numbers in [0, 1).
        """
        before = self.hear @ state + self.hear_bias
        tokens, residuals = [], []
        for g in range(self.groups):
            out = self.leave[g] @ gelu(before[self.rows[g]])
            logits = self.base[column, g] + out[: self.codes]
            logits += self.codebook[g] @ (out[self.codes :] * self.inverse_scale[column, g])
            token = int(draw(logits, self.codebook[g], uniform[g]))
            z = (self.codebook[g, token] - self.mean[column, g]) * self.heard_scale[column, g]
            z = np.minimum(np.maximum(z, -Z_LIMIT), Z_LIMIT)
            before[self.rows[g].stop :] += self.earlier[g] @ z
            tokens.append(token)
            residuals.append(z)
        return tokens, np.concatenate(residuals)


class Block:
    """A `CausalBlock` that remembers what it was told."""

    def __init__(self, block: CausalBlock, frames: int) -> None:
        self.dilation = block.dilation
        self.gain = _numpy(block.gain)
        self.mix, self.mix_bias = _numpy(block.mix.weight), _numpy(block.mix.bias)
        self.out, self.out_bias = _numpy(block.out.weight), _numpy(block.out.bias)
        width = len(self.gain)
        self.told = np.zeros((self.dilation + frames, 2 * width), np.float32)
        self.width = width

    def __call__(self, frame: int, hidden: Array) -> Array:
        """One frame [width] -> [width]; frames come in order."""
        inner = unit(hidden) * self.gain
        self.told[frame, self.width :] = inner
        self.told[frame + self.dilation, : self.width] = inner
        mixed = gelu(self.mix @ self.told[frame] + self.mix_bias)
        return hidden + self.out @ mixed + self.out_bias


def _numpy(values: Any) -> Array:
    return np.ascontiguousarray(values.detach().cpu().float().numpy())


def gelu(x: Array) -> Array:
    """x times the normal distribution function of x, as `torch.nn.functional.gelu`."""
    return np.float32(0.5) * x * (1 + erf(x * np.float32(0.70710678)))  # type: ignore[no-any-return]


def unit(x: Array) -> Array:
    """Root-mean-square normalisation of a vector."""
    return x / np.sqrt(x @ x / np.float32(len(x)) + np.float32(1e-6))  # type: ignore[no-any-return]


class Decoding:
    """What all candidates of one clip share.

    Args:
        model: the network.
        heard: the clip, B = 1.
    """

    def __init__(self, model: Autoregressive, heard: Heard) -> None:
        self.state = _numpy(heard.state[0] + model.enter.bias)
        self.pooled = _numpy(heard.pooled[0, 0])
        self.enter = _numpy(model.enter.weight)
        self.whole, self.whole_bias = _numpy(model.whole.weight), _numpy(model.whole.bias)
        self.frames = len(self.state)
        self.blocks = [block for block in model.blocks if isinstance(block, CausalBlock)]
        scale = heard.inverse_scale[0]
        self.head = Head(model.head, model.tokenizer.codebook, heard.mean[0], scale, scale)
        group_mean = heard.group_mean[0]
        self.first = Head(
            model.clip_head,
            model.clip_codebook(),
            group_mean,
            (-model.clip_log_scale).exp().expand_as(group_mean),
            torch.full_like(group_mean, 1 / CLIP_SCALE),
        )

    def tokens(self, plan: Plan, history: float) -> npt.NDArray[np.int32]:
        """Tokens [G, 1 + F] of one candidate.

        Args:
            plan: how it is drawn.
            history: share of frames that those after them hear.
        """
        uniform = plan.rng.random((1 + self.frames, self.head.groups))
        known = plan.rng.random(self.frames) < history
        tokens, departure = self.first.tokens(0, self.pooled, plan.first, uniform[0])
        columns = [tokens]
        state = self.state + (self.whole @ departure + self.whole_bias)
        blocks = [Block(block, self.frames) for block in self.blocks]
        told = np.zeros(self.enter.shape[1], np.float32)
        for frame in range(self.frames):
            hidden = self.enter @ told + state[frame]
            for block in blocks:
                hidden = block(frame, hidden)
            tokens, z = self.head.tokens(frame, unit(hidden), plan.draw, uniform[1 + frame])
            columns.append(tokens)
            told[:-1], told[-1] = (z, 1) if known[frame] else (0, 0)
        return np.array(columns, np.int32).T
