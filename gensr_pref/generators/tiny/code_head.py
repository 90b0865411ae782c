"""The distribution of a frame's tokens: the encoder's Gaussian over the codes, corrected.

The encoder expects the gains y of a frame to be about N(m, s^2). Over the codes c_k of group g
that is a distribution by itself,

    base_k = -a_g / 2 * sum over the group's bands of ((c_k - m) / s)^2 + b_k,

with a_g and b_k learned, and a network adds to it:

    logit_k = base_k + sum over bands of c_k u / s + w_k,

where u, the shift of the mean in units of s, and w come from the network's hidden state. History
therefore enters only as far as it departs from what the encoder expected. A network that hears
absolute gains can do well in training by repeating the last frame; one that hears z = (y - m) / s
has to learn how a departure goes on.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from gensr_pref.generators.tiny.precision import at_least_float32

Z_LIMIT = 4.0  # of a normalised residual


class CodeHead(nn.Module):
    """Logits of the codes of G groups of D bands, from hidden states.

    Args:
        groups: G.
        codes: K, per group.
        bands: D, per group.
        width: channels of the hidden state it reads.
        hidden: channels of its own, per group.
        ordered: whether a group is told of the groups before it (lower bands) in its frame.
    """

    def __init__(
        self, groups: int, codes: int, bands: int, width: int, hidden: int, ordered: bool
    ) -> None:
        super().__init__()
        self.groups, self.codes, self.bands, self.hidden = groups, codes, bands, hidden
        self.hear = nn.Linear(width, groups * hidden)
        self.leave = nn.Parameter(torch.zeros(groups, hidden, codes + bands))
        self.sharpness = nn.Parameter(torch.full((groups, 1), 0.5))
        self.bias = nn.Parameter(torch.zeros(groups, codes))
        self.below: Tensor
        self.earlier: nn.Parameter | None = None
        if ordered:
            self.earlier = nn.Parameter(torch.randn(groups * hidden, groups * bands) * 0.05)
            below = torch.ones(groups, groups).tril(-1)
            mask = below.repeat_interleave(hidden, 0).repeat_interleave(bands, 1)
            self.register_buffer("below", mask, persistent=False)

    def base(self, codebook: Tensor, mean: Tensor, inverse_scale: Tensor) -> Tensor:
        """The encoder's own logits.

        Args:
            codebook: [G, K, D].
            mean: [B, F, G * D] m.
            inverse_scale: [B, F, G * D] 1 / s.

        Returns:
            [B, F, G, K], up to a constant over the codes.
        """
        precision = inverse_scale.square()
        squared = _by_code(codebook.square(), precision)
        crossed = _by_code(codebook, mean * precision)
        return self.sharpness * (crossed - 0.5 * squared) + self.bias

    def before(self, state: Tensor, z: Tensor | None = None) -> Tensor:
        """What the groups' hidden layers add up: [B, F, width], [B, F, G * D] -> [B, F, G * H]."""
        heard: Tensor = self.hear(state)
        if self.earlier is None or z is None:
            return heard
        return heard + functional.linear(z, self.earlier * self.below)

    def correction(self, codebook: Tensor, before: Tensor, inverse_scale: Tensor) -> Tensor:
        """What the network adds to the base: [B, F, G, K]."""
        inner = functional.gelu(before).view(*before.shape[:2], self.groups, self.hidden)
        out = at_least_float32(torch.einsum("bfgh,gho->bfgo", inner, self.leave))
        free, shift = out[..., : self.codes], out[..., self.codes :]
        return free + _by_code(codebook, shift.flatten(2) * inverse_scale)


def _by_code(codebook: Tensor, values: Tensor) -> Tensor:
    """Inner products of [G, K, D] with [B, F, G * D]: [B, F, G, K].

    In float32 whatever the rest is in: 1 / s^2 reaches 400, and differences of codes count.
    """
    groups, _, bands = codebook.shape
    grouped = at_least_float32(values).view(*values.shape[:2], groups, bands)
    with torch.autocast(values.device.type, enabled=False):
        return torch.einsum("gkd,bfgd->bfgk", codebook, grouped)


def chosen_log_probability(logits: Tensor, tokens: Tensor) -> Tensor:
    """Log-probabilities of tokens [...] under logits [..., K]: [...]."""
    log_p = at_least_float32(logits).log_softmax(-1)
    return log_p.gather(-1, tokens.long()[..., None])[..., 0]
