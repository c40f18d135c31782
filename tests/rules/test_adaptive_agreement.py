"""Agreement where the queue asks more annotators about what others disagree on."""

from datetime import date
from uuid import UUID

import numpy as np
from helpers.batches import batch_of, statistics_of_batch

from app.rules.agreement import statistics_of
from app.rules.bootstrap import Floats, Statistic
from app.rules.judged_batch import TIE
from app.rules.project_statistics import Counted, ProjectStatistics
from app.rules.queue_policy import QueuePolicy, target_after
from app.rules.tallies import CREDIT, Vote, contribution

NAME = "percent_agreement"
ADAPTIVE = QueuePolicy(overlap=2, adaptive_max=7)


def judged_until_it_stops(p_first: float, rng: np.random.Generator) -> list[int]:
    """What annotators say of a comparison whose first response each prefers with this
    probability."""
    given: list[int] = []
    while len(given) < target_after(
        ADAPTIVE, 2, len(given), (given.count(0), given.count(1), 0, 0)
    ):
        given.append(0 if rng.random() < p_first else 1)
    return given


def agreement(found: ProjectStatistics, counted: Counted) -> Statistic:
    return statistics_of(found.table(counted=counted), [False] * 4, None, [NAME])[NAME]


def test_the_first_two_judgments_tell_the_agreement_that_adaptive_stopping_hides():
    """Half of the comparisons are a coin's toss, of the others 95 % of annotators prefer one: two
    random annotators agree in (0.5 + 0.95^2 + 0.05^2) / 2 = 0.7025."""
    truth, covered = 0.7025, 0
    for seed in range(30):
        rng = np.random.default_rng(seed)
        says = [judged_until_it_stops(0.5 if i % 2 else 0.95, rng) for i in range(250)]
        found = statistics_of_batch(batch_of(says))
        naive, fair = agreement(found, "all"), agreement(found, "first_two")

        assert naive.value is not None
        assert naive.low is not None
        assert naive.high is not None
        assert fair.low is not None
        assert fair.high is not None
        # Of disputed comparisons the later judgments half agree: all together look much better.
        assert naive.value - truth > naive.high - naive.low
        assert naive.n == fair.n == 250
        covered += fair.low < truth < fair.high
    # 95 % of 30 are 28.5; fewer than 25 come once in a hundred times.
    assert covered >= 25


def credits_of(crowd: int, rng: np.random.Generator, *, first_only: bool) -> Floats:
    """(2, crowd): what each annotator earned by agreeing, and with how many judgments. All are
    right four times of five. The second half came late: of ten comparisons they begin one, and
    give what is asked for beyond the first two."""
    sums = np.zeros((2, crowd))
    for _ in range(4000):
        early, late = rng.permutation(crowd // 2), crowd // 2 + rng.permutation(crowd // 2)
        begun_late = rng.random() < 0.1
        judges = [*late] if begun_late else [*early[:2], *late]
        says = judged_until_it_stops(0.8, rng)
        votes = [
            Vote(
                annotator_id=UUID(int=int(who)),
                day=date(2026, 5, 4),
                kind="normal",
                verdict="preferred",
                choice=label,
                preferred_position=label,
                side=None,
            )
            for who, label in zip(judges, says, strict=False)
        ]
        added = contribution(votes, gold=False, size=2, first_only=first_only)
        for (who, _), counts in added.days.items():
            sums[:, who.int] += counts["credit"] / CREDIT, counts["shared"]
    return sums


def test_people_of_equal_quality_earn_equal_credit_whenever_they_came() -> None:
    """Two of them agree with probability 0.8^2 + 0.2^2 = 0.68."""
    crowd = 14
    earned, n = credits_of(crowd, np.random.default_rng(5), first_only=True)
    share, error = earned / n, np.sqrt(0.68 * 0.32 / n)
    assert n.min() > 80
    # One of fourteen is more than three standard errors off once in thirty such crowds.
    assert np.abs((share - 0.68) / error).max() < 3

    earned, n = credits_of(crowd, np.random.default_rng(5), first_only=False)
    share = earned / n
    # Who came late sees disputed comparisons above all, where nobody can agree with many.
    assert share[7:].max() < share[:7].min() - 0.05


def test_the_first_two_are_those_that_were_presented_first():
    # The second comparison's first judgment is revised to a tie after two others came.
    says = [[0, 0, 1], [0, 1, 1, TIE], [1], [0, 1]]
    found = statistics_of_batch(batch_of(says, supersedes=[-1] * 3 + [-1, -1, -1, 3] + [-1] * 3))

    def counts(counted: Counted) -> list[list[int]]:
        table = found.table(counted=counted)
        order = np.argsort(table.groups)
        return table.counts[order].tolist()

    assert counts("all") == [[2, 1, 0, 0], [0, 2, 1, 0], [0, 1, 0, 0], [1, 1, 0, 0]]
    assert counts("first_two") == [[2, 0, 0, 0], [0, 1, 1, 0], [0, 1, 0, 0], [1, 1, 0, 0]]
    assert [one.comparisons for one in found.slices("all")] == [4]
