from uuid import UUID

import pytest

from app.errors import InvalidInput
from app.rules.sides import completion_on_side, ranking_of_places, shown_order

COMPLETIONS = [UUID(int=1), UUID(int=2)]


def test_the_order_is_stable_for_a_comparison_and_annotator() -> None:
    assert shown_order(UUID(int=9), UUID(int=8), COMPLETIONS) == shown_order(
        UUID(int=9), UUID(int=8), COMPLETIONS
    )


def test_each_completion_is_on_the_left_about_half_the_time() -> None:
    """1,000 comparisons: 500 ± 4 standard deviations of 15.8."""
    left = sum(shown_order(UUID(int=i), UUID(int=7), COMPLETIONS)[0].int == 1 for i in range(1000))

    assert 437 < left < 563


def test_a_side_names_the_completion_that_was_shown_there() -> None:
    assert completion_on_side("B", COMPLETIONS) == UUID(int=2)


def test_a_side_that_was_not_shown_is_refused() -> None:
    with pytest.raises(InvalidInput, match="side 'C', but the sides shown were A, B"):
        completion_on_side("C", COMPLETIONS)


def test_places_are_a_ranking_whatever_numbers_stand_for_it() -> None:
    assert ranking_of_places(["2", "1", "2"]) == [["B"], ["A", "C"]]
    assert ranking_of_places(["4", "99", "7"]) == [["A"], ["C"], ["B"]]


@pytest.mark.parametrize("place", ["", "0", "-1", "1.5", "100", "9" * 5000, "one", "²", "٢"])
def test_what_is_no_place_is_named_by_its_response(place: str) -> None:
    with pytest.raises(InvalidInput, match="Response B has no place"):
        ranking_of_places(["1", place, "2"])


def test_more_places_than_there_are_letters_are_refused() -> None:
    with pytest.raises(InvalidInput, match="27 places were given"):
        ranking_of_places(["1"] * 27)
