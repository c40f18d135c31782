"""When to stop testing an annotator with known answers: Wald's sequential probability ratio test.

Wald 1945, Annals of Mathematical Statistics 16, 117. Looking after every answer is allowed: at most
5 % of good annotators are ever found too low, and at most 5 % of bad ones good enough. Known
answers leak, so a decision is also the moment to stop planting them.
"""

import math
from dataclasses import dataclass
from enum import StrEnum

from app.rules.bootstrap import Statistic
from app.rules.proportions import wilson
from app.rules.significance import clopper_pearson

FEWEST = 20
"""Known answers before anything is decided: 8 of 10 is anything from 0.49 to 0.94."""


class GoldDecision(StrEnum):
    GOOD_ENOUGH = "good_enough"
    TOO_LOW = "too_low"
    GO_ON = "go_on"


@dataclass(frozen=True, kw_only=True)
class GoldRule:
    """Accuracies between which it does not matter what is decided."""

    good: float = 0.9
    bad: float = 0.7
    wrong_decisions: float = 0.05
    """Highest share of wrong decisions, of either kind."""

    def __post_init__(self) -> None:
        if not 0 < self.bad < self.good < 1:
            raise ValueError(f"bad {self.bad} and good {self.good}: expected 0 < bad < good < 1")
        if not 0 < self.wrong_decisions < 0.5:
            raise ValueError(f"wrong_decisions is {self.wrong_decisions}; expected 0 to 0.5")

    def evidence(self, right: int, n: int) -> float:
        """Natural logarithm of how much likelier the answers are from a good annotator."""
        wrong = n - right
        return right * math.log(self.good / self.bad) + wrong * math.log(
            (1 - self.good) / (1 - self.bad)
        )

    def decide(self, right: int, n: int) -> GoldDecision:
        bound = math.log((1 - self.wrong_decisions) / self.wrong_decisions)
        evidence = self.evidence(right, n)
        if n < FEWEST or abs(evidence) < bound:
            return GoldDecision.GO_ON
        return GoldDecision.GOOD_ENOUGH if evidence > 0 else GoldDecision.TOO_LOW


@dataclass(frozen=True, kw_only=True)
class GoldAccuracy:
    accuracy: Statistic
    """With Wilson's interval."""
    exact: Statistic
    """With that of Clopper and Pearson, for decisions about pay."""
    decision: GoldDecision


def gold_accuracy(right: int, n: int, rule: GoldRule = GoldRule()) -> GoldAccuracy:
    return GoldAccuracy(
        accuracy=wilson(right, n, undefined="no_gold"),
        exact=clopper_pearson(right, n, undefined="no_gold"),
        decision=rule.decide(right, n),
    )
