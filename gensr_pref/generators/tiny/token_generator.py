"""What ar-tiny and mgm-tiny share: options, and audio from tokens."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, Generic, TypeVar

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
    Tiny,
    Wave,
    bounds,
    condition_of,
    rendered,
    true_gains,
    within,
)
from gensr_pref.generators.tiny.carrier import Carrier, carrier
from gensr_pref.generators.tiny.code_sampling import Draw, Plan
from gensr_pref.generators.tiny.masked import Masked
from gensr_pref.generators.tiny.token_model import Heard
from gensr_pref.generators.tiny.tokenizer import Tokenizer

Tokens = npt.NDArray[np.int32]
T = TypeVar("T", Autoregressive, Masked)


class TokenGenerator(Tiny[T, Prepared], Generic[T, Prepared]):
    """A generator of tokens.

    Args:
        temperature: of the tokens of frames. A pair [low, high] draws it for every candidate,
            uniformly, from the candidate's seed; so for the next two.
        spread: how far from the expected gain a token may lead; see `draw`.
        clip_temperature: of the first column, by which candidates differ as wholes.
        top_p: probability that the likeliest codes of a frame must hold; the others are left out.
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
        self.temperature = bounds("temperature", temperature)
        self.spread = bounds("spread", spread, highest=1)
        self.clip_temperature = bounds("clip_temperature", clip_temperature)
        self.top_p = share("top_p", top_p)
        if self.top_p == 0:
            raise ValueError("top_p must be above 0")

    def _candidates(self, clip: Clip, prepared: Prepared, seeds: Sequence[int]) -> list[Candidate]:
        plans = [self._plan(seed) for seed in seeds]
        return [
            Candidate(
                audio=_rendered(tokens, self.policy.tokenizer, clip.carrier, len(clip.wave)),
                sampling={
                    "temperature": plan.draw.temperature,
                    "spread": plan.draw.spread,
                    "clip_temperature": plan.first.temperature,
                    "top_p": self.top_p,
                    **self._further(),
                },
                tokens=tokens,
            )
            for plan, tokens in zip(plans, self._tokens(prepared, plans), strict=True)
        ]

    def _plan(self, seed: int) -> Plan:
        rng = np.random.default_rng(seed)
        temperature = within(self.temperature, rng.random())
        spread = within(self.spread, rng.random())
        first = Draw(within(self.clip_temperature, rng.random()))
        return Plan(rng, first, Draw(temperature, self.top_p, spread))

    # --- what alignment asks for; see `generators.base.Alignable`

    def encode(self, noisy: Wave, clean: Wave) -> Tokens:
        """Tokens [G, 1 + F] of the true gains from a clip [T] to a clean version."""
        tokenizer = self.policy.tokenizer
        latent = true_gains(noisy, clean, self.analysis)[None].to(tokenizer.codebook.device)
        found: Tokens = tokenizer.encode(latent)[0].int().cpu().numpy()
        return found

    def window(self, target: Tokens, start: int, frames: int) -> Tokens:
        """Tokens of so many frames; the first column, which is about the clip, stays."""
        return np.concatenate([target[:, :1], target[:, 1 + start : 1 + start + frames]], 1)

    def log_likelihood(self, policy: T, rows: Rows) -> Tensor:
        """log p of each row, a sum over its tokens under its draw: [N]."""
        condition = condition_of(rows.x, policy.tokenizer.channels)
        of_clips = policy.heard(condition, rows.heard)
        heard = Heard(*(part[rows.clip] for part in of_clips))
        found, counted = self._log_probability(policy, rows, heard)
        return (found * (counted & rows.valid[:, None])).sum((1, 2), dtype=torch.float64)

    @abstractmethod
    def _log_probability(self, policy: T, rows: Rows, heard: Heard) -> tuple[Tensor, Tensor]:
        """log p of every token of a batch [N, G, 1 + F], and whether it counts."""

    @abstractmethod
    def _tokens(self, prepared: Prepared, plans: Sequence[Plan]) -> list[Tokens]:
        """Tokens [G, 1 + F] of each candidate."""

    @abstractmethod
    def _further(self) -> dict[str, Any]:
        """The options of one paradigm alone, to be recorded."""


def from_tokens(noisy: Wave, tokens: Tokens, tokenizer: Tokenizer) -> Wave:
    """The audio [T] of stored tokens [G, 1 + F] for a clip [T]: what `sample` returned."""
    heard = carrier(noisy, Analysis(tokenizer.config.sample_rate))
    return _rendered(tokens, tokenizer, heard, len(noisy))


def _rendered(tokens: Tokens, tokenizer: Tokenizer, clip: Carrier, length: int) -> Wave:
    codes = torch.from_numpy(tokens)[None].to(tokenizer.codebook.device)
    return rendered(tokenizer.decode(codes)[0].cpu(), clip, length)


def share(option: str, given: float) -> float:
    """A number from 0 to 1.

    Raises:
        ValueError: not that.
    """
    if isinstance(given, bool) or not isinstance(given, int | float) or not 0 <= given <= 1:
        raise ValueError(f"{option} must be a number from 0 to 1, not {given!r}")
    return float(given)
