"""ar-tiny: a small autoregressive model that restores 16 kHz speech.

It generates tokens of band gains, frame by frame, and from low to high bands within a frame.
Training data, abilities and limits: `weights/ar-tiny/README.md`.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from gensr_pref.generators.base import Rows
from gensr_pref.generators.tiny.autoregressive import Autoregressive, ar_log_probability
from gensr_pref.generators.tiny.base import Clip
from gensr_pref.generators.tiny.code_sampling import SamplingPlan
from gensr_pref.generators.tiny.incremental import Decoding
from gensr_pref.generators.tiny.token_generator import TokenGenerator, Tokens, fraction
from gensr_pref.generators.tiny.token_model import DecoderInput

TEMPERATURE = 1.0
SPREAD = (0.1, 0.4)
CLIP_TEMPERATURE = 1.0
HISTORY = 0.25


class AutoregressiveTiny(TokenGenerator[Autoregressive, Decoding]):
    """The generator ``ar-tiny``.

    Args:
        temperature: of the tokens of frames. For a pair [low, high] it is drawn uniformly for every
            candidate, from the candidate's seed; likewise for the next two options.
        spread: scale of a token's distance from the expected gain; see `code_sampling`.
        clip_temperature: of the first column, which makes candidates differ as wholes.
        top_p: total probability of the likeliest codes of a frame among which is drawn.
        history: fraction of the frames that later frames are conditioned on. At 1 the samples
            follow the model's likelihood, and are worse: the model repeats its mistakes.
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
        self.history = fraction("history", history)

    def _prepare(self, clip: Clip) -> Decoding:
        policy = self.policy
        return Decoding(policy, policy.decoder_input(policy.condition(clip.x)))

    def _tokens(self, prepared: Decoding, plans: Sequence[SamplingPlan]) -> list[Tokens]:
        return [prepared.tokens(plan, self.history) for plan in plans]

    def draw(self, shape: Sequence[int], t: float, randomness: torch.Generator) -> Tensor:
        """Draw a mask [F] of the frames that later ones are conditioned on, as in sampling.

        Each frame is in it with probability `history`.
        """
        return (torch.rand(shape[1] - 1, generator=randomness) < self.history).float()

    def _log_probability(
        self, policy: Autoregressive, rows: Rows, inputs: DecoderInput
    ) -> tuple[Tensor, Tensor]:
        assert rows.draw is not None
        log_p = ar_log_probability(policy, rows.target, rows.draw, inputs)
        return log_p, torch.ones_like(log_p, dtype=torch.bool)

    def _extra_options(self) -> dict[str, float]:
        return {"history": self.history}
