"""Sampling from the autoregressive model, one column and one group after the other.

Each of the thousands of steps of a clip is a few small matrix-vector products, so that the overhead
of a call dominates: hence NumPy. Candidates are sampled one at a time, because a product with one
vector gives the same bits whatever other candidates are sampled.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from scipy.special import erf

from gensr_pref.generators.tiny.autoregressive import Autoregressive, CausalBlock
from gensr_pref.generators.tiny.code_head import Z_LIMIT, CodeHead
from gensr_pref.generators.tiny.code_sampling import Array, CodeSampler, SamplingPlan
from gensr_pref.generators.tiny.token_model import CLIP_SCALE, DecoderInput


class StreamingHead:
    """A `CodeHead` over the columns of one clip, in NumPy.

    Args:
        head: the torch module.
        codebook: [G, K, D].
        mean: [F, G * D] m.
        inverse_scale: [F, G * D] 1 / s, for the logits.
        residual_scale: [F, G * D] 1 / s, for the residuals; it differs only for the first column.
    """

    def __init__(
        self, head: CodeHead, codebook: Any, mean: Any, inverse_scale: Any, residual_scale: Any
    ) -> None:
        groups, bands, hidden = head.groups, head.bands, head.hidden
        self.codes, self.groups = head.codes, groups
        self.base = _numpy(head.base(codebook, mean[None], inverse_scale[None])[0])
        self.codebook = _numpy(codebook)
        self.mean = _numpy(mean).reshape(-1, groups, bands)
        self.inverse_scale = _numpy(inverse_scale).reshape(-1, groups, bands)
        self.residual_scale = _numpy(residual_scale).reshape(-1, groups, bands)
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
        self, column: int, state: Array, draw: CodeSampler, uniform: npt.NDArray[np.float64]
    ) -> tuple[list[int], Array]:
        """Sample the tokens of all groups of a column; return them and their residuals [G * D].

        Args:
            column: index of the column.
            state: [width] state of the decoder.
            draw: rule for drawing a code.
            uniform: [G] random numbers in [0, 1).
        """
        before = self.hear @ state + self.hear_bias
        tokens, residuals = [], []
        for g in range(self.groups):
            out = self.leave[g] @ gelu(before[self.rows[g]])
            logits = self.base[column, g] + out[: self.codes]
            logits += self.codebook[g] @ (out[self.codes :] * self.inverse_scale[column, g])
            token = int(draw(logits, self.codebook[g], uniform[g]))
            z = (self.codebook[g, token] - self.mean[column, g]) * self.residual_scale[column, g]
            z = np.minimum(np.maximum(z, -Z_LIMIT), Z_LIMIT)
            before[self.rows[g].stop :] += self.earlier[g] @ z
            tokens.append(token)
            residuals.append(z)
        return tokens, np.concatenate(residuals)


class StreamingBlock:
    """A `CausalBlock` that processes one frame per call and remembers its earlier inputs.

    Args:
        block: the torch module.
        frames: number of frames that it will process.
    """

    def __init__(self, block: CausalBlock, frames: int) -> None:
        self.dilation = block.dilation
        self.gain = _numpy(block.gain)
        self.mix, self.mix_bias = _numpy(block.mix.weight), _numpy(block.mix.bias)
        self.out, self.out_bias = _numpy(block.out.weight), _numpy(block.out.bias)
        width = len(self.gain)
        self.memory = np.zeros((self.dilation + frames, 2 * width), np.float32)
        self.width = width

    def __call__(self, frame: int, hidden: Array) -> Array:
        """Process frame number `frame`, [width] -> [width]; frames must come in order."""
        inner = rms_normalise_vector(hidden) * self.gain
        self.memory[frame, self.width :] = inner
        self.memory[frame + self.dilation, : self.width] = inner
        mixed = gelu(self.mix @ self.memory[frame] + self.mix_bias)
        return hidden + self.out @ mixed + self.out_bias


def _numpy(values: Any) -> Array:
    return np.ascontiguousarray(values.detach().cpu().float().numpy())


def gelu(x: Array) -> Array:
    """Return x times the normal distribution function of x, as `torch.nn.functional.gelu`."""
    return np.float32(0.5) * x * (1 + erf(x * np.float32(0.70710678)))  # type: ignore[no-any-return]


def rms_normalise_vector(x: Array) -> Array:
    """Divide a vector by its root mean square."""
    return x / np.sqrt(x @ x / np.float32(len(x)) + np.float32(1e-6))  # type: ignore[no-any-return]


class Decoding:
    """Sampler of one clip; holds what all its candidates share.

    Args:
        model: the network.
        inputs: the clip, B = 1.
    """

    def __init__(self, model: Autoregressive, inputs: DecoderInput) -> None:
        self.state = _numpy(inputs.state[0] + model.enter.bias)
        self.pooled = _numpy(inputs.pooled[0, 0])
        self.enter = _numpy(model.enter.weight)
        self.whole, self.whole_bias = _numpy(model.whole.weight), _numpy(model.whole.bias)
        self.frames = len(self.state)
        self.blocks = [block for block in model.blocks if isinstance(block, CausalBlock)]
        scale = inputs.inverse_scale[0]
        self.head = StreamingHead(
            model.head, model.tokenizer.codebook, inputs.mean[0], scale, scale
        )
        group_mean = inputs.group_mean[0]
        self.first = StreamingHead(
            model.clip_head,
            model.clip_codebook(),
            group_mean,
            (-model.clip_log_scale).exp().expand_as(group_mean),
            torch.full_like(group_mean, 1 / CLIP_SCALE),
        )

    def tokens(self, plan: SamplingPlan, history: float) -> npt.NDArray[np.int32]:
        """Sample the tokens [G, 1 + F] of one candidate.

        Args:
            plan: sampling rules of the candidate.
            history: fraction of the frames that later frames are conditioned on.
        """
        uniform = plan.rng.random((1 + self.frames, self.head.groups))
        known = plan.rng.random(self.frames) < history
        tokens, first_residuals = self.first.tokens(0, self.pooled, plan.first, uniform[0])
        columns = [tokens]
        state = self.state + (self.whole @ first_residuals + self.whole_bias)
        blocks = [StreamingBlock(block, self.frames) for block in self.blocks]
        previous = np.zeros(self.enter.shape[1], np.float32)  # residuals of the frame before
        for frame in range(self.frames):
            hidden = self.enter @ previous + state[frame]
            for block in blocks:
                hidden = block(frame, hidden)
            tokens, z = self.head.tokens(
                frame, rms_normalise_vector(hidden), plan.frames, uniform[1 + frame]
            )
            columns.append(tokens)
            previous[:-1], previous[-1] = (z, 1) if known[frame] else (0, 0)
        return np.array(columns, np.int32).T
