"""Strengths at equal length of a project's own judgments: which enter, and which side is left."""

from __future__ import annotations

import math
from uuid import UUID

import numpy as np
import pytest
from helpers.data import NOON, import_plain, make_project, project_of
from helpers.office import SLUG, make_office
from sqlalchemy import select
from sqlalchemy.orm import Session

from app.db import Database
from app.models.judgments import Judgment
from app.models.projects import Comparison, Completion
from app.rules import style_control
from app.rules.style_control import ShownContests, StyleControl
from app.services import annotator_models, leaderboards, source_models, statistics
from app.services.kept_fits import SourceFits
from app.services.leaderboards import Board
from app.services.source_models import AT_EQUAL_LENGTH, LENGTH, SIDE, STYLE_EFFECT


def contest(
    number: int, sources: tuple[str, str], lengths: tuple[int, int], verdict: int
) -> dict[str, object]:
    return {
        "prompt": f"Contest {number}?",
        "completions": [
            {"text": letter * length, "source": source}
            for letter, source, length in zip("ab", sources, lengths, strict=True)
        ],
        "judgments": [{"annotator": "w", "verdict": verdict}],
    }


# At equal length `good` wins 3 of 4; twice as long as `other`, whichever comes first, 2 of 4.
CONTESTS = [
    *(contest(i, ("good", "other"), (30, 30), verdict) for i, verdict in enumerate((1, 1, 1, 2))),
    *(contest(10 + i, ("good", "other"), (60, 30), verdict) for i, verdict in enumerate((1, 2))),
    *(contest(20 + i, ("other", "good"), (20, 40), verdict) for i, verdict in enumerate((2, 1))),
]


def told(database: Database, slug: str = "p") -> tuple[SourceFits, Board]:
    with database.reading() as session:
        project = project_of(session, slug)
        fits = annotator_models.of_sources(session, project, 0)
    sums = statistics.read(database, project.id, now=NOON)
    return fits, leaderboards.for_project(sums, fits)


def test_length_takes_off_what_it_explains(database: Database) -> None:
    make_project(database, pairs=0)
    assert not import_plain(database, CONTESTS).rejected
    fits, board = told(database)
    found = fits[STYLE_EFFECT].of
    # Odds of 3 at equal length and of 1 at twice the length.
    assert found[LENGTH].value == pytest.approx(-math.log(3) / math.log(2))
    assert (found[LENGTH].n, fits[STYLE_EFFECT].judgments) == (8, 8)
    assert (found[SIDE].value, found[SIDE].reason) == (None, "no_shown_sides")
    assert fits[AT_EQUAL_LENGTH].of["good"].value == pytest.approx(math.log(3) / 2)
    first, second = board.by_equal_length
    assert (first.name, second.name) == ("good", "other")
    assert first.at_equal_length.value == pytest.approx(math.log(3) / 2)
    # As it is, it wins 5 of 8.
    assert first.rating.strength.value == pytest.approx(math.log(5 / 3) / 2)
    # Twice as long is chosen at odds of 1 to 3.
    assert board.twice_as_long.value == pytest.approx(0.25)
    assert board.on_the_left.reason == "no_shown_sides"


def test_known_answers_and_contests_of_a_source_with_itself_stay_out(database: Database) -> None:
    make_project(database, pairs=0)
    import_plain(database, CONTESTS)
    before = told(database)[0]
    planted = contest(90, ("good", "other"), (10, 70), 2) | {"gold": 1}
    assert not import_plain(database, [planted, contest(91, ("good", "good"), (9, 7), 1)]).rejected
    assert told(database)[0] == before


def test_the_sources_are_those_of_the_leaderboard(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_project(database, pairs=0)
    rare = [contest(30, ("good", "rare"), (30, 50), 1), contest(31, ("rare", "other"), (9, 8), 1)]
    import_plain(database, CONTESTS)
    alone = told(database)[0]
    import_plain(database, rare)
    for module in (source_models, leaderboards):
        monkeypatch.setattr(module, "MOST_SOURCES", 2)
    fits, board = told(database)
    assert fits == alone
    assert [row.name for row in board.rows] == ["good", "other"]
    assert board.rows[0].at_equal_length.n == board.rows[0].rating.strength.n == 8


def test_a_board_without_fits_says_so(database: Database) -> None:
    make_project(database, pairs=0)
    import_plain(database, CONTESTS)
    with database.reading() as session:
        project_id = project_of(session).id
    board = leaderboards.for_project(statistics.read(database, project_id, now=NOON))
    assert {row.at_equal_length.reason for row in board.rows} == {"not_fitted"}
    assert (board.length.reason, board.side.reason) == ("not_fitted", "not_fitted")
    assert board.by_equal_length == []


def written_out(session: Session, slug: str) -> tuple[list[str | None], StyleControl]:
    """Style control on a plain loop over the judgments of pairs, the left response first."""
    sources: list[str | None] = []
    rows = []
    for judgment, comparison in session.execute(
        select(Judgment, Comparison)
        .join(Comparison, Comparison.id == Judgment.comparison_id)
        .where(Judgment.project_id == project_of(session, slug).id)
    ):
        if comparison.kind == "gold" or judgment.kind == "repeat":
            continue
        left, right = (session.get_one(Completion, UUID(key)) for key in judgment.shown_order)
        for source in (left.source, right.source):
            if source not in sources:
                sources.append(source)
        won = {left.id: 1.0, right.id: 0.0, None: 0.5}[judgment.preferred_id]
        ratio = math.log(len(left.text) / len(right.text))
        numbers = (sources.index(left.source), sources.index(right.source))
        rows.append((*numbers, comparison.prompt_id.int % 2**61, won, ratio))
    first, second, prompts, won, ratio = map(np.array, zip(*rows, strict=True))
    found = style_control.fit(
        ShownContests(
            first=first, second=second, prompts=prompts, won=won, log_ratio=ratio,
            side=np.ones(len(rows)), n_sources=len(sources),
        )
    )  # fmt: skip
    return sources, found


def test_what_people_saw_on_their_sides_is_what_is_fitted(database: Database) -> None:
    make_office(database, comparisons=48)
    fits, board = told(database, SLUG)
    with database.reading() as session:
        names, wanted = written_out(session, SLUG)
    at_equal_length = fits[AT_EQUAL_LENGTH].of
    pairs = [
        *zip((at_equal_length[str(name)] for name in names), wanted.strengths, strict=True),
        (fits[STYLE_EFFECT].of[LENGTH], wanted.length),
        (fits[STYLE_EFFECT].of[SIDE], wanted.side),
    ]
    for one, other in pairs:
        assert (one.value, one.low, one.high) == pytest.approx(
            (other.value, other.low, other.high), abs=1e-6
        )
        assert one.n == other.n > 0
    assert board.side.n == board.judgments
