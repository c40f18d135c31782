"""Filters of lists by judgments, each against what plain Python says of every judgment."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from helpers.data import (
    NOON,
    add_annotator,
    import_plain,
    lease,
    make_project,
    pair,
    project_of,
    submit,
)
from sqlalchemy import select

from app.models.accounts import Annotator
from app.models.judgments import Judgment
from app.models.projects import Comparison, ComparisonCompletion, Completion, Prompt
from app.rules.queue_policy import QueuePolicy
from app.services import comparison_search, projects, statistics
from app.services.comparison_filters import ComparisonFilter


@dataclass
class Given:
    """A judgment, and what it is about."""

    judgment: Judgment
    comparison: Comparison
    words: int
    chosen: str | None
    left: str | None
    """The text of the other response."""
    position: int | None

    @property
    def is_right(self) -> bool:
        return self.position == self.comparison.gold_position

    @property
    def chose_a(self) -> bool:
        key = self.judgment.preferred_id
        return key is not None and self.judgment.shown_order[0] == key.hex


def everything_given(session) -> list[Given]:
    texts = {
        (row.comparison_id, row.completion_id): (row.position, text)
        for row, text in session.execute(
            select(ComparisonCompletion, Completion.text).join(
                Completion, Completion.id == ComparisonCompletion.completion_id
            )
        )
    }
    found = []
    for judgment, comparison, prompt in session.execute(
        select(Judgment, Comparison, Prompt)
        .join(Comparison, Comparison.id == Judgment.comparison_id)
        .join(Prompt, Prompt.id == Comparison.prompt_id)
    ):
        mine = {key: one for (of, key), one in texts.items() if of == comparison.id}
        position, chosen = mine.get(judgment.preferred_id, (None, None))
        left = next((text for _, text in mine.values() if text != chosen), None)
        said = [*(text for _, text in mine.values()), *(m["content"] for m in prompt.messages)]
        words = sum(len(text.split()) for text in said)
        found.append(Given(judgment, comparison, words, chosen, left, position))
    return found


def first_of(one: Given, given: list[Given]) -> Given:
    return next(
        other
        for other in given
        if other.comparison.id == one.comparison.id
        and other.judgment.annotator_id == one.judgment.annotator_id
        and other.judgment.kind != "repeat"
    )


def is_repeat(one: Given, given: list[Given]) -> bool:
    return one.judgment.kind == "repeat"


def has_same_verdict(one: Given, given: list[Given]) -> bool:
    before = first_of(one, given)
    return (one.judgment.verdict, one.position) == (before.judgment.verdict, before.position)


def is_swapped(one: Given, given: list[Given]) -> bool:
    return one.judgment.shown_order != first_of(one, given).judgment.shown_order


def counts(one: Given) -> bool:
    return (one.judgment.kind, one.comparison.kind) == ("normal", "normal")


def is_longer(one: Given, *, either: bool) -> bool:
    if one.chosen is None:
        return False
    difference = len(one.chosen) - len(one.left)
    return abs(difference) > 30 and (either or difference > 0)


Holds = Callable[[Given, list[Given]], bool]
OF_JUDGMENTS: list[tuple[dict[str, Any], Holds]] = [
    ({"kind": "any"}, lambda one, _: True),
    ({"kind": "counted"}, lambda one, _: counts(one)),
    ({"kind": "planted"}, lambda one, _: not counts(one)),
    ({"kind": "gold"}, lambda one, _: one.judgment.kind == "gold"),
    ({"kind": "gold_right"}, lambda one, _: one.judgment.kind == "gold" and one.is_right),
    ({"kind": "gold_wrong"}, lambda one, _: one.judgment.kind == "gold" and not one.is_right),
    ({"kind": "repeat"}, is_repeat),
    ({"kind": "repeat_same"}, lambda one, g: is_repeat(one, g) and has_same_verdict(one, g)),
    ({"kind": "repeat_other"}, lambda one, g: is_repeat(one, g) and not has_same_verdict(one, g)),
    ({"kind": "repeat_swapped"}, lambda one, g: is_repeat(one, g) and is_swapped(one, g)),
    ({"kind": "repeat_kept"}, lambda one, g: is_repeat(one, g) and not is_swapped(one, g)),
    ({"chose": "a"}, lambda one, _: one.chose_a),
    ({"chose": "a_or_b"}, lambda one, _: one.chosen is not None),
    ({"chose": "seen"}, lambda one, _: True),
    ({"chose": "longer"}, lambda one, _: is_longer(one, either=False)),
    ({"chose": "longer_or_shorter"}, lambda one, _: is_longer(one, either=True)),
    ({"chose": "markdown"}, lambda one, _: "**" in (one.chosen or "")),
    (
        {"chose": "markdown_or_plain"},
        lambda one, _: one.chosen is not None and "**" in one.chosen + one.left,
    ),
    ({"layout": "stacked"}, lambda one, _: one.judgment.layout == "stacked"),
    ({"reason": "clear"}, lambda one, _: "clear" in one.judgment.reason_codes),
    ({"reason": "cle"}, lambda one, _: False),
    ({"given": 0}, lambda one, _: one.chosen is not None and one.judgment.strength is None),
    # Nobody needs 9 to 11 s, so that no bin of the histogram is cut by 10 s.
    ({"time": "5"}, lambda one, _: 5_500 < one.judgment.active_ms < 9_000),
    ({"time": "10"}, lambda one, _: 10_500 < one.judgment.active_ms < 19_000),
    ({"time": "known"}, lambda one, _: True),
    ({"time": "fast"}, lambda one, _: one.words / one.judgment.active_ms * 1000 > 12),
]


def test_what_is_asked_of_judgments_is_what_each_of_the_listed_and_counted_ones_is(database):
    judge_with_known_answers_and_repeats(database)
    with database.reading() as session:
        given = everything_given(session)
        people = session.scalars(select(Annotator).order_by(Annotator.name)).all()
        project = project_of(session)
        for asked, holds in OF_JUDGMENTS:
            such = [one for one in given if holds(one, given)]
            for name in ("", *(person.name for person in people)):
                mine = [
                    one
                    for one in such
                    if not name or one.judgment.annotator_id == id_of(people, name)
                ]
                wanted = ComparisonFilter(annotator=name, **asked)
                found = comparison_search.find(session, project, wanted)
                assert set(found.ids) == {one.comparison.id for one in mine}, (asked, name)
                assert found.number == len(mine), (asked, name)
            # A predicate that holds for none, or for all, would prove little.
            assert such or asked == {"reason": "cle"}, asked


def id_of(people, name):
    return next(person.id for person in people if person.name == name)


def judge_with_known_answers_and_repeats(database):
    """Two judge two dozen comparisons, eight of them with a known answer, and some again. ada
    always says the same, and knows the answers; lin says something else when asked again."""
    make_project(database, pairs=0)
    import_plain(database, [planned(number) for number in range(1, 25)])
    with database.writing() as session:
        policy = QueuePolicy(overlap=2, gold_share=0.25, repeat_share=0.25, repeat_after_hours=1)
        projects.set_policy(session, project_of(session), policy)
    seen: Counter[tuple[str, int]] = Counter()
    for name in ("ada", "lin"):
        person = add_annotator(database, name, annotator_id=uuid5(NAMESPACE_URL, name))
        for i in range(32):
            now = NOON + timedelta(hours=2 * i)
            view = lease(database, person, now=now)
            if view is None:
                break
            number = view.messages[-1]["content"].count("x")
            turns = seen[name, number] if name == "lin" else 0
            seen[name, number] += 1
            word = ("first", "second")[(number + turns + (name == "lin")) % 2]
            side = "AB"[[side.text.split()[0] for side in view.sides].index(word)]
            verdict = {2: "tie", 4: "both_bad"}.get(number % 8, side)
            submit(
                database, person, view, verdict,
                now=now + timedelta(minutes=1),
                strength=1 + i % 3 if verdict in "AB" and i % 4 else None,
                active_ms=(700, 6_000, 8_000, 12_000, 18_000, 45_000)[i % 6],
                layout="stacked" if i % 3 == 0 else "side_by_side",
                reason_codes=["clear", "kind"] if i % 2 else ["unclear"],
            )  # fmt: skip


def planned(number: int) -> dict[str, Any]:
    """Texts of 20 to 100 characters and some ten words; of every second pair one is bold."""
    texts = [
        f"first {number} " + "and so on " * (number % 3 * 2),
        f"second {'**bold** ' * (number % 2)}{number} " + "and on " * (number % 4 * 2),
    ]
    record = pair(number, completions=[text.strip() for text in texts])
    return record | ({"gold": 1 + number % 2} if number % 3 == 0 else {})


def test_a_ranking_is_right_where_the_known_answer_alone_is_its_best(database):
    """Of three responses the second is best; of three others all are alike."""
    make_project(database, pairs=0)
    rankings = {
        "u": [2, 1, 3],
        "v": [2, [1, 3]],
        "w": [[2, 1], 3],
        "x": [[1, 2, 3]],
        "y": [1, 2, 3],
    }
    judgments = [{"annotator": name, "ranking": given} for name, given in rankings.items()]
    judgments.append({"annotator": "z", "verdict": 2})
    import_plain(
        database,
        [
            {"prompt": f"Gold {gold}?", "completions": list("abc"), "gold": gold,
             "judgments": judgments}
            for gold in (2, "tie")
        ],
    )  # fmt: skip

    with database.reading() as session:
        project = project_of(session)
        counts = {
            kind: comparison_search.find(session, project, ComparisonFilter(kind=kind)).number
            for kind in ("gold", "gold_right", "gold_wrong")
        }
    # u, v and z of the first, x of the second.
    assert counts == {"gold": 12, "gold_right": 4, "gold_wrong": 8}
    sums = statistics.read(database, project.id, now=NOON).annotators()
    assert sum(row.gold.gold for row in sums.values()) == 12
    assert sum(row.gold.right for row in sums.values()) == 4
