"""Distribution of a frame's tokens: the encoder's Gaussian over the codes, with a correction.

The encoder predicts N(m, s^2) for the gains y of a frame. On the codes c_k of group g this gives
the logits

    base_k = -a_g / 2 * sum over the group's bands of ((c_k - m) / s)^2 + b_k,

with learned a_g and b_k. A network adds a correction:

    logit_k = base_k + sum over bands of c_k u / s + w_k,

where u, the shift of the mean in units of s, and w come from the network's hidden state. Earlier
tokens therefore matter only as far as they deviate from the encoder's prediction. A network whose
input is absolute gains can do well in training by repeating the last frame; with z = (y - m) / s as
its input it has to learn how a deviation continues.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from gensr_pref.generators.tiny.precision import at_least_float32

Z_LIMIT = 4.0  # largest magnitude of a residual z


class CodeHead(nn.Module):
    """Logits of the codes of G groups of D bands, from hidden states.

    Args:
        groups: G.
        codes: K, per group.
        bands: D, per group.
        width: channels of the hidden state that is its input.
        hidden: channels of its hidden layer, per group.
        ordered: whether a group is conditioned on the groups before it (lower bands) in its frame.
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
        """Return the encoder's own logits.

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

    def pre_activation(self, state: Tensor, z: Tensor | None = None) -> Tensor:
        """Return the groups' hidden layers before the nonlinearity: [B, F, G * H].

        Args:
            state: [B, F, width].
            z: [B, F, G * D] residuals of the frame, of which a group sees lower groups; only if
                ordered.
        """
        summed: Tensor = self.hear(state)
        if self.earlier is None or z is None:
            return summed
        return summed + functional.linear(z, self.earlier * self.below)

    def correction(self, codebook: Tensor, pre_activation: Tensor, inverse_scale: Tensor) -> Tensor:
        """Return the network's correction of the logits: [B, F, G, K].

        Args:
            codebook: [G, K, D].
            pre_activation: [B, F, G * H] output of `pre_activation`.
            inverse_scale: [B, F, G * D] 1 / s.
        """
        hidden = functional.gelu(pre_activation)
        grouped = hidden.view(*hidden.shape[:2], self.groups, self.hidden)
        out = at_least_float32(torch.einsum("bfgh,gho->bfgo", grouped, self.leave))
        free, shift = out[..., : self.codes], out[..., self.codes :]
        return free + _by_code(codebook, shift.flatten(2) * inverse_scale)


def _by_code(codebook: Tensor, values: Tensor) -> Tensor:
    """Return the inner products [B, F, G, K] of codes [G, K, D] with values [B, F, G * D].

    Computed in float32 even under autocast: 1 / s^2 reaches 400, and differences of codes matter.
    """
    groups, _, bands = codebook.shape
    grouped = at_least_float32(values).view(*values.shape[:2], groups, bands)
    with torch.autocast(values.device.type, enabled=False):
        return torch.einsum("gkd,bfgd->bfgk", codebook, grouped)


def chosen_log_probability(logits: Tensor, tokens: Tensor) -> Tensor:
    """Return the log-probabilities [...] of tokens [...] under logits [..., K]."""
    log_p = at_least_float32(logits).log_softmax(-1)
    return log_p.gather(-1, tokens.long()[..., None])[..., 0]
