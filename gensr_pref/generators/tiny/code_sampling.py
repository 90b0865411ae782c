"""Drawing a code from a distribution over codes: temperature, top-p and spread.

Temperature and top-p (A. Holtzman et al., arXiv 1904.09751) are the usual ones. If a distribution
has two peaks, keep the sound or remove it, neither gives a cautious candidate: at a low temperature
it takes one or the other. Spread does. The gains c of the drawn code are pulled towards the
expected gains E[c], and the result is the code nearest to

    E[c] + spread (c - E[c]),

at spread 1 the drawn code, at 0 the estimate with the smallest mean square error.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]


@dataclass(frozen=True)
class CodeSampler:
    """Rule for drawing codes.

    Attributes:
        temperature: of the distribution; 0 takes the likeliest code.
        top_p: total probability of the likeliest codes among which is drawn, in (0, 1].
        spread: in [0, 1]; see the module.
    """

    temperature: float = 1.0
    top_p: float = 1.0
    spread: float = 1.0

    def __call__(self, logits: Array, codes: Array, uniform: Any) -> Any:
        """Draw indices of codes [...].

        Args:
            logits: [..., K].
            codes: [K, D] gains of the codes.
            uniform: [...] random numbers in [0, 1).
        """
        if self.temperature == 0:
            return logits.argmax(-1)
        weights = np.exp((logits - logits.max(-1, keepdims=True)) / np.float32(self.temperature))
        if self.top_p < 1:
            weights = _nucleus(weights, self.top_p)
        total = weights.cumsum(-1)
        drawn = (total[..., :-1] <= (uniform * total[..., -1])[..., None]).sum(-1)
        if self.spread == 1:
            return drawn
        mean = weights @ codes / total[..., -1:]
        target = mean + np.float32(self.spread) * (codes[drawn] - mean)
        return (np.square(codes).sum(-1) - 2 * target @ codes.T).argmin(-1)


@dataclass(frozen=True)
class SamplingPlan:
    """Sampling rules of one candidate.

    Attributes:
        rng: source of all its randomness.
        first: rule for the codes of the first column.
        frames: rule for the codes of the frames.
    """

    rng: np.random.Generator
    first: CodeSampler
    frames: CodeSampler


def _nucleus(weights: Array, top_p: float) -> Array:
    """Return the weights [..., K], zero outside the fewest likeliest codes that hold `top_p`."""
    order = np.argsort(-weights, axis=-1, kind="stable")
    ordered = np.take_along_axis(weights, order, -1)
    before = ordered.cumsum(-1) - ordered
    ordered[before >= top_p * ordered.sum(-1, keepdims=True)] = 0
    nucleus = np.empty_like(weights)
    np.put_along_axis(nucleus, order, ordered, -1)
    return nucleus
