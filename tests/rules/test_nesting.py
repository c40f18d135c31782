import json

import pytest

from app.rules.nesting import DEEPEST, is_too_deep


@pytest.mark.parametrize("inside", ["", "1", '"[["', "{}", "[], 1, []"])
@pytest.mark.parametrize("levels", [1, DEEPEST - 1, DEEPEST, DEEPEST + 1, 500])
def test_levels_are_those_of_lists_and_objects_whatever_is_in_the_deepest(
    levels: int, inside: str
) -> None:
    listed = json.loads("[" * levels + inside + "]" * levels)
    own = 1 if inside in ("{}", "[], 1, []") else 0
    assert is_too_deep(listed) == (levels + own > DEEPEST)


def test_objects_count_as_lists_do_and_width_does_not() -> None:
    for levels, too_deep in ((DEEPEST, False), (DEEPEST + 1, True)):
        assert is_too_deep(json.loads('{"a":' * levels + "1" + "}" * levels)) == too_deep
    assert not is_too_deep([[n] for n in range(1000)])
    assert not is_too_deep("text")
    assert not is_too_deep(None)
