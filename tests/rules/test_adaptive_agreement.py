"""Agreement where the queue asks more annotators about what others disagree on."""

import numpy as np
from helpers.batches import batch_of, statistics_of_batch

from app.rules.agreement import statistics_of
from app.rules.bootstrap import Statistic
from app.rules.judged_batch import TIE
from app.rules.project_statistics import Counted, ProjectStatistics
from app.rules.queue_policy import QueuePolicy, target_after

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
