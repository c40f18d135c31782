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

    @property
    def enough(self) -> float:
        """How many times likelier one explanation has to be than the other."""
        return (1 - self.wrong_decisions) / self.wrong_decisions

    def decide(self, right: int, n: int) -> GoldDecision:
        evidence = self.evidence(right, n)
        if n < FEWEST or abs(evidence) < math.log(self.enough):
            return GoldDecision.GO_ON
        return GoldDecision.GOOD_ENOUGH if evidence > 0 else GoldDecision.TOO_LOW


@dataclass(frozen=True, kw_only=True)
class GoldAccuracy:
    accuracy: Statistic
    """With Wilson's interval."""
    exact: Statistic
    """With that of Clopper and Pearson, for decisions about pay."""
    decision: GoldDecision
    rule: GoldRule
    evidence: float
    """Natural logarithm of how much likelier the answers are from a good annotator than from a bad
    one."""

    @property
    def times_likelier(self) -> float:
        """How much likelier under the better of the two explanations, 1 or more; infinite beyond
        what a float holds."""
        return math.exp(abs(self.evidence)) if abs(self.evidence) < 700 else math.inf

    @property
    def p(self) -> float | None:
        """Of being good: at most so likely whenever one looks, because a good annotator's answers
        are ever so many times likelier from a bad one with no more than this probability (Ville
        1939). None without answers."""
        return math.exp(min(0.0, self.evidence)) if self.accuracy.n else None


def gold_accuracy(right: int, n: int, rule: GoldRule = GoldRule()) -> GoldAccuracy:
    return GoldAccuracy(
        accuracy=wilson(right, n, undefined="no_gold"),
        exact=clopper_pearson(right, n, undefined="no_gold"),
        decision=rule.decide(right, n),
        rule=rule,
        evidence=rule.evidence(right, n),
    )
