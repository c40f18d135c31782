"""Which side showed a response is no part of what annotators agree on."""

import random
from dataclasses import asdict

from helpers.data import NOON, add_annotator, lease, make_project, project_of, submit
from helpers.slices import by, read
from sqlalchemy import select, update

from app.db import Database
from app.models.judgments import Judgment
from app.rules.project_statistics import Dimension
from app.services import agreement, annotator_matrix, leaderboards, statistics


def test_with_sides_drawn_anew_the_same_judgments_have_the_same_figures(database: Database) -> None:
    make_project(database, pairs=24, overlap=3)
    dice = random.Random(4)
    for name in ("ada", "bo", "cy"):
        person = add_annotator(database, name)
        while (view := lease(database, person)) is not None:
            submit(database, person, view, dice.choice(["A", "A", "B", "tie", "both_bad"]))
    with database.reading() as session:
        project = project_of(session)

    def figures() -> tuple[object, ...]:
        found = read(database)
        with database.reading() as session:
            matrix = annotator_matrix.for_project(session, found)
        return (
            agreement.summary(project, found),
            [asdict(row) for row in by(database, Dimension.WEEK).rows],
            {pair: cell.table.tolist() for pair, cell in matrix.cells.items()},
            leaderboards.for_project(found),
        )

    def left() -> int:
        rows = read(database).annotators().values()
        return sum(sided.side_a for sums in rows for sided in sums.sides.values())

    before, on_the_left = figures(), left()
    with database.writing() as session:
        turned = {j.id: j.shown_order[::-1] for j in session.scalars(select(Judgment))}
        for key, order in turned.items():
            session.execute(update(Judgment).where(Judgment.id == key).values(shown_order=order))
        statistics.forget(session, project.id, now=NOON)

    assert figures() == before
    decisive = before[0]["n_judgments"] - round(
        before[0]["n_judgments"]
        * sum(before[0]["verdict_shares"][name] for name in ("tie", "both_bad"))
    )
    # Every response that was chosen on the left stands on the right now.
    assert left() == decisive - on_the_left != on_the_left
