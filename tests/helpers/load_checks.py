"""The promises of the queue, checked on what a database holds and what annotators remember.

Each check says in a sentence what is wrong; none of them uses anything of `app`.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator

from helpers.load_clocks import wrong_late_marks
from helpers.load_ledger import Ledger, Outcome, Sent
from helpers.load_stored import Row, Stored
from helpers.load_sums import wrong_sums

Key = tuple[str, str]


def violations(stored: Stored, ledger: Ledger) -> list[str]:
    """Everything that is wrong; empty where every promise was kept.

    To be called when every lease has had time to end and somebody asked for work since.
    """
    return [
        *_overlap(stored),
        *_judged_twice(stored),
        *_acknowledged(stored, ledger),
        *wrong_late_marks(stored, ledger),
        *_verdicts(stored, ledger),
        *_assignments(stored),
        *_preferences(stored),
        *_skips(stored, ledger),
        *_open_slots(stored),
        *wrong_sums(stored),
    ]


def _overlap(stored: Stored) -> Iterator[str]:
    """On time never more annotators than wanted, and in the end never fewer.

    A late judgment is kept and may be one more; whether it is late, `wrong_late_marks` checks by
    the annotators' clock. Everybody may judge gold, and nobody waits for it.
    """
    everybody, on_time = defaultdict(set), defaultdict(set)
    for judgment in stored.judgments:
        if judgment["kind"] != "repeat":
            everybody[judgment["comparison_id"]].add(judgment["annotator_id"])
            if not judgment["late"]:
                on_time[judgment["comparison_id"]].add(judgment["annotator_id"])
    for comparison in stored.comparisons:
        found, wanted = comparison["id"], comparison["target"]
        if comparison["kind"] == "gold":
            continue
        if len(on_time[found]) > wanted:
            yield f"comparison {found}: {len(on_time[found])} judged on time, wanted {wanted}"
        if len(everybody[found]) < wanted:
            yield f"comparison {found}: {len(everybody[found])} judged, wanted {wanted}"


def _judged_twice(stored: Stored) -> Iterator[str]:
    """Nobody judged a comparison twice, but for one repeat."""
    given = Counter(
        (judgment["comparison_id"], judgment["annotator_id"], judgment["kind"] == "repeat")
        for judgment in stored.judgments
    )
    for (comparison, annotator, repeat), n in given.items():
        if n > 1 or (repeat and not given[comparison, annotator, False]):
            yield f"annotator {annotator} judged comparison {comparison} {n} times ({repeat=})"


def _acknowledged(stored: Stored, ledger: Ledger) -> Iterator[str]:
    """What was acknowledged is stored once, what was refused is not, and no more than was sent."""
    found = Counter((row["annotator_id"], row["idempotency_key"]) for row in stored.judgments)
    for sent in ledger.sent:
        n = found.pop((sent.annotator_id, sent.key), 0)
        if sent.outcome is Outcome.UNKNOWN or n != (sent.outcome is Outcome.ACKNOWLEDGED):
            yield f"verdict {sent.key} was {sent.outcome} and is stored {n} times"
        if sent.created > 1:
            yield f"verdict {sent.key} was called new {sent.created} times"
    for annotator, key in found:
        yield f"verdict {key} of {annotator} is stored and nobody sent it"


def _verdicts(stored: Stored, ledger: Ledger) -> Iterator[str]:
    """What is stored is what was clicked: the text on that side, for the order that was shown."""
    sent: dict[Key, Sent] = {(sent.annotator_id, sent.key): sent for sent in ledger.sent}
    texts = {row["id"]: row["text"] for row in stored.completions}
    for row in stored.judgments:
        click = sent.get((row["annotator_id"], row["idempotency_key"]))
        if click is None:
            continue
        is_side = click.verdict in click.seen
        told = (
            click.assignment_id,
            list(click.seen.items()),
            "preferred" if is_side else click.verdict,
            click.seen.get(click.verdict),
            click.strength,
        )
        kept = (
            row["assignment_id"],
            list(zip("ABC", (texts[key] for key in row["shown_order"]), strict=False)),
            row["verdict"],
            texts.get(row["preferred_id"]),
            row["strength"],
        )
        if told != kept:
            yield f"judgment {row['id']}: sent {told}, stored {kept}"


def _assignments(stored: Stored) -> Iterator[str]:
    """No lease is left, and judgments agree with the assignments that they answer."""
    given: defaultdict[str, list[Row]] = defaultdict(list)
    for judgment in stored.judgments:
        given[judgment["assignment_id"]].append(judgment)
    shared = ("comparison_id", "annotator_id", "kind", "shown_order")
    for row in stored.assignments:
        answers = given.pop(row["id"], [])
        if row["state"] == "leased":
            yield f"assignment {row['id']} is still on lease"
        if len(answers) != (row["state"] == "judged"):
            yield f"assignment {row['id']} is {row['state']} and has {len(answers)} judgments"
        if any(answer[name] != row[name] for answer in answers for name in shared):
            yield f"assignment {row['id']} and its judgment differ: {row}, {answers}"
    for assignment in given:
        yield f"a judgment answers assignment {assignment}, which does not exist"


def _preferences(stored: Stored) -> Iterator[str]:
    """The preferred completion beats every other that was shown; nothing else gives a row."""
    found = defaultdict(list)
    for row in stored.preferences:
        found[row["judgment_id"]].append((row["chosen_id"], row["rejected_id"]))
    for row in stored.judgments:
        best = row["preferred_id"]
        others = [key for key in row["shown_order"] if best is not None and key != best]
        expected = sorted((best, other) for other in others)
        if sorted(found.pop(row["id"], [])) != expected:
            yield f"judgment {row['id']}: its preference rows are not {expected}"
    for judgment in found:
        yield f"preference rows of judgment {judgment}, which does not exist"


def _skips(stored: Stored, ledger: Ledger) -> Iterator[str]:
    """What was acknowledged as skipped is."""
    states = {row["id"]: row["state"] for row in stored.assignments}
    found = Counter(row["assignment_id"] for row in stored.skips)
    for assignment in ledger.skipped:
        if found[assignment] != 1 or states.get(assignment) != "skipped":
            yield f"the skip of assignment {assignment} was acknowledged and is not stored"


def _open_slots(stored: Stored) -> Iterator[str]:
    given = defaultdict(set)
    for row in stored.judgments:
        if row["kind"] != "repeat":
            given[row["comparison_id"]].add(row["annotator_id"])
    leased = Counter(
        row["comparison_id"]
        for row in stored.assignments
        if row["state"] == "leased" and row["kind"] == "normal"
    )
    for row in stored.comparisons:
        expected = max(0, row["target"] - len(given[row["id"]]) - leased[row["id"]])
        if row["open_slots"] != expected:
            yield f"comparison {row['id']}: open_slots is {row['open_slots']}, counted {expected}"
