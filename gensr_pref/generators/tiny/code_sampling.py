"""How a code is drawn from a distribution over codes: temperature, top-p, and spread.

Temperature and top-p are the usual ones. Neither makes a cautious candidate of a distribution with
two peaks, keep the sound or remove it: cold, it becomes one or the other. Spread does. The gains c
of the code that was drawn are pulled towards the expected gains E[c], and the code nearest to

    E[c] + spread (c - E[c])

is taken: at 1 what was drawn, at 0 the estimate of the smallest mean square error.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Draw:
    """A way to draw codes.

    Attributes:
        temperature: 0 takes the likeliest code.
        top_p: probability that the likeliest codes must hold, in (0, 1]; the others are left out.
        spread: in [0, 1].
    """

    temperature: float = 1.0
    top_p: float = 1.0
    spread: float = 1.0

    def __call__(self, logits: Array, codes: Array, uniform: Any) -> Any:
        """Codes [...] from logits [..., K], codes [K, D] and numbers in [0, 1) [...]."""
        if self.temperature == 0:
            return logits.argmax(-1)
        weights = np.exp((logits - logits.max(-1, keepdims=True)) / np.float32(self.temperature))
        if self.top_p < 1:
            weights = _nucleus(weights, self.top_p)
        total = weights.cumsum(-1)
        found = (total[..., :-1] <= (uniform * total[..., -1])[..., None]).sum(-1)
        if self.spread == 1:
            return found
        mean = weights @ codes / total[..., -1:]
        aim = mean + np.float32(self.spread) * (codes[found] - mean)
        return (np.square(codes).sum(-1) - 2 * aim @ codes.T).argmin(-1)


@dataclass(frozen=True)
class Plan:
    """How one candidate is drawn.

    Attributes:
        rng: all that is random about it.
        first: how its first column is drawn.
        draw: how the others are.
    """

    rng: np.random.Generator
    first: Draw
    draw: Draw


def _nucleus(weights: Array, top_p: float) -> Array:
    """Weights [..., K], zero outside the fewest likeliest that hold `top_p` of them."""
    order = np.argsort(-weights, axis=-1, kind="stable")
    ordered = np.take_along_axis(weights, order, -1)
    before = ordered.cumsum(-1) - ordered
    ordered[before >= top_p * ordered.sum(-1, keepdims=True)] = 0
    kept = np.empty_like(weights)
    np.put_along_axis(kept, order, ordered, -1)
    return kept
