import pytest
from scipy.stats import binomtest

from app.rules.proportions import wilson


def test_eight_of_ten_as_published() -> None:
    """STATISTICS textbooks give [0.490, 0.943] for 8 of 10."""
    found = wilson(8, 10)

    assert (found.value, found.low, found.high) == pytest.approx((0.8, 0.4902, 0.9433), abs=1e-4)


@pytest.mark.parametrize(("k", "n"), [(0, 7), (7, 7), (13, 29), (500, 1000)])
def test_the_interval_equals_scipys(k: int, n: int) -> None:
    peer = binomtest(k, n).proportion_ci(method="wilson")

    found = wilson(k, n)

    assert (found.low, found.high) == pytest.approx((peer.low, peer.high), abs=1e-9)


def test_no_trials_are_undefined() -> None:
    assert wilson(0, 0).value is None
