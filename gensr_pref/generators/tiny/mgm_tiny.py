"""mgm-tiny: a small masked generative model that restores 16 kHz speech.

It generates tokens of band gains, all frames at once, in a few steps. What it was trained on, what
it restores and what it cannot: `weights/mgm-tiny/README.md`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from gensr_pref.generators.base import Rows
from gensr_pref.generators.tiny.base import Clip, whole
from gensr_pref.generators.tiny.code_sampling import Plan
from gensr_pref.generators.tiny.masked import Masked, hidden_share, log_probability, sampled
from gensr_pref.generators.tiny.token_generator import TokenGenerator, Tokens
from gensr_pref.generators.tiny.token_model import Heard

TEMPERATURE = 1.0
SPREAD = (0.1, 0.4)
CLIP_TEMPERATURE = 1.0
STEPS = 8


class MaskedTiny(TokenGenerator[Masked, Heard]):
    """The generator ``mgm-tiny``.

    Args:
        temperature: of the tokens of frames. A pair [low, high] draws it for every candidate,
            uniformly, from the candidate's seed; so for the next two.
        spread: how far from the expected gain a token may lead; see `draw`.
        clip_temperature: of the first column, by which candidates differ as wholes.
        top_p: probability that the likeliest codes of a frame must hold; the others are left out.
        steps: from all tokens hidden to none.
        checkpoint: folder with `model.safetensors` and `config.json`, or ``org/name`` on the Hub;
            absent = the shipped one.
        revision: commit, tag or branch of a checkpoint on the Hub; absent = main.

    Raises:
        ValueError: an option outside its range.
    """

    name = "mgm-tiny"
    paradigm = "mgm"
    network = Masked

    def __init__(
        self,
        temperature: float | Sequence[float] = TEMPERATURE,
        spread: float | Sequence[float] = SPREAD,
        clip_temperature: float | Sequence[float] = CLIP_TEMPERATURE,
        top_p: float = 1.0,
        steps: int = STEPS,
        checkpoint: str | None = None,
        revision: str | None = None,
    ) -> None:
        super().__init__(temperature, spread, clip_temperature, top_p, checkpoint, revision)
        self.steps = whole("steps", steps)

    def _prepared(self, clip: Clip) -> Heard:
        return self.policy.heard(self.policy.condition(clip.x))

    def _tokens(self, prepared: Heard, plans: Sequence[Plan]) -> list[Tokens]:
        return sampled(self.policy, prepared, plans, self.steps)

    def draw(self, shape: Sequence[int], t: float, randomness: torch.Generator) -> Tensor:
        """Whether each token [G, 1 + F] is hidden at progress t; the first column always counts."""
        groups, columns = shape
        hidden = torch.rand(groups, columns, generator=randomness) < hidden_share(t)
        hidden[:, 0] = True
        return hidden

    def _log_probability(self, policy: Masked, rows: Rows, heard: Heard) -> tuple[Tensor, Tensor]:
        assert rows.draw is not None
        visible, valid = ~rows.draw[..., 1:], rows.heard[rows.clip]
        return log_probability(policy, rows.target, visible, heard, valid), rows.draw

    def _further(self) -> dict[str, Any]:
        return {"steps": self.steps}
