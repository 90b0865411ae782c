"""Alarms about known failures of preference training, raised during the training.

Others have reported the failures; the bounds are our choice. Each alarm is raised once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from gensr_pref.statistics.intervals import clopper_pearson

SATURATED = 0.95  # training accuracy from which it is suspicious early on
EARLY = 0.2  # share of the steps that counts as early
CHOSEN_FALLS = -1.0  # mean reward of the chosen side, which is then e times less likely
EXPLODED = 10.0  # mean margin; its sigmoid is 1 to four digits
NEAR_CHANCE = 0.65  # accuracy that the interval must exclude for the chance alarm


@dataclass
class Alarms:
    """The alarms that have been raised, by name."""

    raised: dict[str, str] = field(default_factory=dict)

    def check_training(self, means: Mapping[str, float], progress: float) -> list[str]:
        """Return new alarms from the means over several training steps.

        Args:
            means: means of accuracy, margin and reward_chosen.
            progress: share of the steps that are done.
        """
        alarms = {}
        if means["accuracy"] >= SATURATED and progress <= EARLY:
            alarms["saturated"] = (
                f"training accuracy is {means['accuracy']:.2f} after {progress:.0%} of the steps: "
                "the pairs differ in something simple, or are memorised. Look at the "
                "audit's biases and at held-out accuracy; lower learning_rate"
            )
        if means["reward_chosen"] < CHOSEN_FALLS and means["margin"] > 0:
            alarms["chosen_falls"] = (
                f"the chosen side has become less likely (reward {means['reward_chosen']:.2f}) and "
                "the rejected one even less: both sides get worse while the margin grows. Set or "
                "raise anchor.weight"
            )
        if means["margin"] > EXPLODED:
            alarms["exploded"] = (
                f"the margin is {means['margin']:.1f}, where its sigmoid is flat: lower beta or "
                "learning_rate, fewer epochs, or objective.name=ipo"
            )
        return self._new(alarms)

    def check_held_out(self, accuracy: float, clips: int, training: float) -> list[str]:
        """Return new alarms from an evaluation on held-out pairs.

        The alarm "chance" is raised only if the exact interval of the accuracy contains one half
        and excludes `NEAR_CHANCE`, so it needs enough clips.

        Args:
            accuracy: accuracy on held-out pairs.
            clips: number of their clips; pairs of one clip share candidates and count once.
            training: training accuracy since the last evaluation.
        """
        low, high = clopper_pearson(accuracy, clips) if clips else (0.0, 1.0)
        if low > 0.5 or high >= NEAR_CHANCE or training < 0.7:
            return []
        return self._new(
            {
                "chance": f"accuracy is {training:.2f} on training pairs and {accuracy:.2f} "
                f"[{low:.2f}, {high:.2f}] on those of {clips} held-out clips, which is chance: "
                "the pairs are memorised. Use more pairs, fewer epochs or train: decoder; or no "
                "model can learn them (learnability in the audit)"
            }
        )

    def _new(self, alarms: Mapping[str, str]) -> list[str]:
        new = {name: text for name, text in alarms.items() if name not in self.raised}
        self.raised.update(new)
        return list(new.values())
