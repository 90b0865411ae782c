"""mgm-tiny: a small masked generative model that restores 16 kHz speech.

It generates tokens of band gains, all frames at once, in a few steps. Training data, abilities and
limits: `weights/mgm-tiny/README.md`.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from gensr_pref.generators.base import Rows
from gensr_pref.generators.tiny.base import Clip, positive_integer
from gensr_pref.generators.tiny.code_sampling import SamplingPlan
from gensr_pref.generators.tiny.masked import (
    Masked,
    hidden_share,
    masked_log_probability,
    sample_tokens,
)
from gensr_pref.generators.tiny.token_generator import TokenGenerator, Tokens
from gensr_pref.generators.tiny.token_model import DecoderInput

TEMPERATURE = 1.0
SPREAD = (0.1, 0.4)
CLIP_TEMPERATURE = 1.0
STEPS = 8


class MaskedTiny(TokenGenerator[Masked, DecoderInput]):
    """The generator ``mgm-tiny``.

    Args:
        temperature: of the tokens of frames. For a pair [low, high] it is drawn uniformly for every
            candidate, from the candidate's seed; likewise for the next two options.
        spread: scale of a token's distance from the expected gain; see `code_sampling`.
        clip_temperature: of the first column, which makes candidates differ as wholes.
        top_p: total probability of the likeliest codes of a frame among which is drawn.
        steps: number of steps from all tokens hidden to none.
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
        self.steps = positive_integer("steps", steps)

    def _prepare(self, clip: Clip) -> DecoderInput:
        return self.policy.decoder_input(self.policy.condition(clip.x))

    def _tokens(self, prepared: DecoderInput, plans: Sequence[SamplingPlan]) -> list[Tokens]:
        return sample_tokens(self.policy, prepared, plans, self.steps)

    def draw(self, shape: Sequence[int], t: float, randomness: torch.Generator) -> Tensor:
        """Draw a mask [G, 1 + F] of the tokens that are hidden at progress t.

        The first column is always in it, so that its likelihood always counts.
        """
        groups, columns = shape
        hidden = torch.rand(groups, columns, generator=randomness) < hidden_share(t)
        hidden[:, 0] = True
        return hidden

    def _log_probability(
        self, policy: Masked, rows: Rows, inputs: DecoderInput
    ) -> tuple[Tensor, Tensor]:
        assert rows.draw is not None
        visible, valid = ~rows.draw[..., 1:], rows.input_mask[rows.clip]
        return masked_log_probability(policy, rows.target, visible, inputs, valid), rows.draw

    def _extra_options(self) -> dict[str, int]:
        return {"steps": self.steps}
