"""Base class of ar-tiny and mgm-tiny: options, audio from tokens, likelihood."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Generic, TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from gensr_pref.generators.base import Candidate, Rows
from gensr_pref.generators.tiny.analysis import Analysis
from gensr_pref.generators.tiny.autoregressive import Autoregressive
from gensr_pref.generators.tiny.base import (
    Clip,
    Prepared,
    TinyGenerator,
    Wave,
    condition_of,
    number_or_range,
    render,
    true_gains,
    value_at,
)
from gensr_pref.generators.tiny.carrier import Carrier, carrier
from gensr_pref.generators.tiny.code_sampling import CodeSampler, SamplingPlan
from gensr_pref.generators.tiny.masked import Masked
from gensr_pref.generators.tiny.token_model import DecoderInput
from gensr_pref.generators.tiny.tokenizer import Tokenizer

Tokens = npt.NDArray[np.int32]
T = TypeVar("T", Autoregressive, Masked)


class TokenGenerator(TinyGenerator[T, Prepared], Generic[T, Prepared]):
    """Generator of tokens.

    Args:
        temperature: of the tokens of frames. For a pair [low, high] it is drawn uniformly for every
            candidate, from the candidate's seed; likewise for the next two options.
        spread: scale of a token's distance from the expected gain; see `code_sampling`.
        clip_temperature: of the first column, which makes candidates differ as wholes.
        top_p: total probability of the likeliest codes of a frame among which is drawn.
        checkpoint: folder with `model.safetensors` and `config.json`, or ``org/name`` on the Hub;
            absent = the shipped one.
        revision: commit, tag or branch of a checkpoint on the Hub; absent = main.

    Raises:
        ValueError: an option outside its range.
    """

    def __init__(
        self,
        temperature: float | Sequence[float],
        spread: float | Sequence[float],
        clip_temperature: float | Sequence[float],
        top_p: float,
        checkpoint: str | None,
        revision: str | None = None,
    ) -> None:
        super().__init__(checkpoint, revision)
        self.temperature = number_or_range("temperature", temperature)
        self.spread = number_or_range("spread", spread, highest=1)
        self.clip_temperature = number_or_range("clip_temperature", clip_temperature)
        self.top_p = fraction("top_p", top_p)
        if self.top_p == 0:
            raise ValueError("top_p must be above 0")

    def _candidates(self, clip: Clip, prepared: Prepared, seeds: Sequence[int]) -> list[Candidate]:
        plans = [self._plan(seed) for seed in seeds]
        return [
            Candidate(
                audio=_render_tokens(tokens, self.policy.tokenizer, clip.carrier, len(clip.wave)),
                sampling={
                    "temperature": plan.frames.temperature,
                    "spread": plan.frames.spread,
                    "clip_temperature": plan.first.temperature,
                    "top_p": self.top_p,
                    **self._extra_options(),
                },
                tokens=tokens,
            )
            for plan, tokens in zip(plans, self._tokens(prepared, plans), strict=True)
        ]

    def _plan(self, seed: int) -> SamplingPlan:
        rng = np.random.default_rng(seed)
        temperature = value_at(self.temperature, rng.random())
        spread = value_at(self.spread, rng.random())
        first = CodeSampler(value_at(self.clip_temperature, rng.random()))
        return SamplingPlan(rng, first, CodeSampler(temperature, self.top_p, spread))

    # --- methods for alignment; see `generators.base.Alignable`

    def encode(self, noisy: Wave, clean: Wave) -> Tokens:
        """Return the tokens [G, 1 + F] of the oracle gains from a clip [T] to a clean version."""
        tokenizer = self.policy.tokenizer
        latent = true_gains(noisy, clean, self.analysis)[None].to(tokenizer.codebook.device)
        tokens: Tokens = tokenizer.encode(latent)[0].int().cpu().numpy()
        return tokens

    def window(self, target: Tokens, start: int, frames: int) -> Tokens:
        """Return the tokens of `frames` frames, with the first column, which concerns the clip."""
        return np.concatenate([target[:, :1], target[:, 1 + start : 1 + start + frames]], 1)

    def log_likelihood(self, policy: T, rows: Rows) -> Tensor:
        """Return log p of each row [N], summed over its tokens under its draw."""
        condition = condition_of(rows.x, policy.tokenizer.channels)
        clips = policy.decoder_input(condition, rows.input_mask)
        inputs = DecoderInput(*(part[rows.clip] for part in clips))
        log_p, counted = self._log_probability(policy, rows, inputs)
        return (log_p * (counted & rows.valid[:, None])).sum((1, 2), dtype=torch.float64)

    @abstractmethod
    def _log_probability(
        self, policy: T, rows: Rows, inputs: DecoderInput
    ) -> tuple[Tensor, Tensor]:
        """Return log p of every token of a batch [N, G, 1 + F], and a mask of those that count."""

    @abstractmethod
    def _tokens(self, prepared: Prepared, plans: Sequence[SamplingPlan]) -> list[Tokens]:
        """Sample the tokens [G, 1 + F] of each candidate."""

    @abstractmethod
    def _extra_options(self) -> Mapping[str, float]:
        """Return the options of this paradigm alone, which are recorded with each candidate."""


def from_tokens(noisy: Wave, tokens: Tokens, tokenizer: Tokenizer) -> Wave:
    """Return the audio [T] of stored tokens [G, 1 + F] of a clip [T], equal to that of `sample`.

    Args:
        noisy: the clip [T] at the model's rate, as it was given to `sample`.
        tokens: of the candidate.
        tokenizer: of the checkpoint that drew them.
    """
    source = carrier(noisy, Analysis(tokenizer.config.sample_rate))
    return _render_tokens(tokens, tokenizer, source, len(noisy))


def _render_tokens(tokens: Tokens, tokenizer: Tokenizer, clip: Carrier, length: int) -> Wave:
    codes = torch.from_numpy(tokens)[None].to(tokenizer.codebook.device)
    return render(tokenizer.decode(codes)[0].cpu(), clip, length)


def fraction(option: str, given: float) -> float:
    """Return an option that must be a number from 0 to 1.

    Raises:
        ValueError: it is not.
    """
    if isinstance(given, bool) or not isinstance(given, int | float) or not 0 <= given <= 1:
        raise ValueError(f"{option} must be a number from 0 to 1, not {given!r}")
    return float(given)
