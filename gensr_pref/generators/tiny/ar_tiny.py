"""ar-tiny: a small autoregressive model that restores 16 kHz speech.

It generates tokens of band gains, frame by frame and from low to high bands within one. What it
was trained on, what it restores and what it cannot: `weights/ar-tiny/README.md`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from gensr_pref.generators.base import Rows
from gensr_pref.generators.tiny.autoregressive import Autoregressive, log_probability
from gensr_pref.generators.tiny.base import Clip
from gensr_pref.generators.tiny.code_sampling import Plan
from gensr_pref.generators.tiny.incremental import Decoding
from gensr_pref.generators.tiny.token_generator import TokenGenerator, Tokens, share
from gensr_pref.generators.tiny.token_model import Heard

TEMPERATURE = 1.0
SPREAD = (0.1, 0.4)
CLIP_TEMPERATURE = 1.0
HISTORY = 0.25


class AutoregressiveTiny(TokenGenerator[Autoregressive, Decoding]):
    """The generator ``ar-tiny``.

    Args:
        temperature: of the tokens of frames. A pair [low, high] draws it for every candidate,
            uniformly, from the candidate's seed; so for the next two.
        spread: how far from the expected gain a token may lead; see `draw`.
        clip_temperature: of the first column, by which candidates differ as wholes.
        top_p: probability that the likeliest codes of a frame must hold; the others are left out.
        history: share of frames that those after them hear. At 1 the samples are those of the
            model's likelihood, and worse: it repeats its mistakes.
        checkpoint: folder with `model.safetensors` and `config.json`, or ``org/name`` on the Hub;
            absent = the shipped one.
        revision: commit, tag or branch of a checkpoint on the Hub; absent = main.

    Raises:
        ValueError: an option outside its range.
    """

    name = "ar-tiny"
    paradigm = "ar"
    network = Autoregressive

    def __init__(
        self,
        temperature: float | Sequence[float] = TEMPERATURE,
        spread: float | Sequence[float] = SPREAD,
        clip_temperature: float | Sequence[float] = CLIP_TEMPERATURE,
        top_p: float = 1.0,
        history: float = HISTORY,
        checkpoint: str | None = None,
        revision: str | None = None,
    ) -> None:
        super().__init__(temperature, spread, clip_temperature, top_p, checkpoint, revision)
        self.history = share("history", history)

    def _prepared(self, clip: Clip) -> Decoding:
        policy = self.policy
        return Decoding(policy, policy.heard(policy.condition(clip.x)))

    def _tokens(self, prepared: Decoding, plans: Sequence[Plan]) -> list[Tokens]:
        return [prepared.tokens(plan, self.history) for plan in plans]

    def draw(self, shape: Sequence[int], t: float, randomness: torch.Generator) -> Tensor:
        """Which frames later ones hear [F], the share `history` of them, as in sampling."""
        return (torch.rand(shape[1] - 1, generator=randomness) < self.history).float()

    def _log_probability(
        self, policy: Autoregressive, rows: Rows, heard: Heard
    ) -> tuple[Tensor, Tensor]:
        assert rows.draw is not None
        found = log_probability(policy, rows.target, rows.draw, heard)
        return found, torch.ones_like(found, dtype=torch.bool)

    def _further(self) -> dict[str, Any]:
        return {"history": self.history}
