"""`prefloop agreement --judgments FILE`: keys, rules of what counts, invariances, mistakes."""

import gzip
import json
import random

import krippendorff
import pytest
from helpers.agreement import KRIPPENDORFF
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from prefloop.cli import app

STATISTICS = {
    "percent_agreement", "percent_agreement_pairs", "percent_agreement_no_ties",
    "percent_agreement_no_ties_pairs", "krippendorff_alpha_nominal_no_ties", "chance_agreement",
    "agreement_with_majority", "leave_one_out_agreement", "cohen_kappa_mean", "fleiss_kappa",
    "fleiss_kappa_pooled", "krippendorff_alpha_nominal", "krippendorff_alpha_ordinal",
    "krippendorff_alpha_interval", "gwet_ac1", "gwet_ac2_quadratic",
}  # fmt: skip
COUNTS = {"n_judgments", "n_items", "n_items_overlap", "n_annotators", "n_pairs"}


def prefloop(*arguments):
    return CliRunner().invoke(app, ["agreement", *map(str, arguments)])


@pytest.fixture
def measured(tmp_path):
    """Writes rows to a file and gives the object that the command prints."""

    def measure(rows, *options):
        path = tmp_path / "judgments.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        found = prefloop("--judgments", path, "--json", *options)
        assert found.exit_code == 0, found.output
        return json.loads(found.stdout)

    return measure


def row(item, annotator, label, **more):
    return {"item": item, "annotator": annotator, "label": label, **more}


def published() -> list[dict]:
    return [
        row(item, f"observer {number}", label)
        for number, observer in enumerate(KRIPPENDORFF)
        for item, label in enumerate(observer)
    ]


def crowd(items=40, annotators=6, labels=("A", "B", "tie"), seed=1) -> list[dict]:
    dice = random.Random(seed)
    rows = []
    for item in range(items):
        truth = dice.choice(labels)
        for person in dice.sample(range(annotators), 3):
            label = truth if dice.random() < 0.6 else dice.choice(labels)
            rows.append(row(f"i{item}", f"p{person}", label))
    return rows


def unnamed(found: dict) -> list[float]:
    """What must not depend on names: counts, statistics, and the lists without names."""
    listed = [
        sorted((row["n"], -9.0 if row["value"] is None else row["value"]) for row in found[name])
        for name in ("cohen_kappa", "leave_one_out_by_annotator")
    ]
    return [
        *(found[name] for name in sorted(COUNTS)),
        *(found[name][part] or 0.0 for name in sorted(STATISTICS) for part in ("value", "n")),
        *(number for rows in listed for row in rows for number in row),
    ]


def test_the_object_has_every_key_and_every_statistic_its_parts(measured):
    found = measured(published(), "--models", "dawid-skene,one-coin")

    assert found.keys() >= STATISTICS | COUNTS | {"cohen_kappa", "leave_one_out_by_annotator"}
    for name in STATISTICS:
        assert found[name].keys() == {"value", "low", "high", "n", "reason"}
    assert found["cohen_kappa"][0].keys() == {"a", "b", "n", "value"}
    assert len(found["cohen_kappa"]) == 6
    assert found["leave_one_out_by_annotator"][0].keys() == {"annotator", "n", "value"}
    for model in ("dawid_skene", "one_coin"):
        assert found[model].keys() == {"posterior", "priors", "annotators"}
        assert found[model]["posterior"].keys() == {str(item) for item in range(12)}
        assert all(sum(p.values()) == pytest.approx(1) for p in found[model]["posterior"].values())
        assert found[model]["priors"].keys() == {"1", "2", "3", "4", "5"}
        accuracy = found[model]["annotators"]["observer 0"]
        assert accuracy.keys() == {"accuracy", "low", "high", "skill"}
        assert accuracy["skill"].keys() == {"value", "low", "high"}
        assert accuracy["low"] <= accuracy["accuracy"] <= accuracy["high"]


def test_the_published_example_has_its_published_figures(measured):
    found = measured(published())

    assert [found[name] for name in ("n_judgments", "n_items", "n_items_overlap")] == [41, 12, 11]
    assert (found["n_annotators"], found["n_pairs"]) == (4, 3 + 8 * 6 + 3 + 1)
    for name, value in (
        ("krippendorff_alpha_nominal", 0.743),
        ("krippendorff_alpha_ordinal", 0.815),
        ("krippendorff_alpha_interval", 0.849),
        ("gwet_ac1", 0.775),
    ):
        assert found[name]["value"] == pytest.approx(value, abs=5e-4)
        assert (found[name]["n"], found[name]["low"]) == (11, None)
        assert found[name]["reason"] == "too_few_for_interval"


def test_only_the_first_label_of_an_annotator_on_an_item_counts(measured):
    plain = [row(1, "a", "A"), row(1, "b", "B"), row(2, "a", "A"), row(2, "b", "A")]
    noise = [
        row(1, "a", "skip"), row(1, "b", None), plain[0],
        row(1, "a", "B"), row(1, "c", "A", repeat=True), plain[1],
        row(1, "b", "A"), row(2, "c", "B", gold=True), row(3, "a", "skip"), row(3, "b", None),
        row(2, "a", "B", repeat=True, gold=False), {**plain[2], "repeat": False}, plain[3],
    ]  # fmt: skip

    found, expected = measured(noise), measured(plain)

    assert found == expected
    assert (found["n_judgments"], found["n_items"], found["n_annotators"]) == (4, 2, 2)
    assert found["percent_agreement"]["value"] == 0.5


def test_ties_are_those_of_the_tie_label(measured):
    rows = [row(1, "a", 1), row(1, "b", 1), row(1, "c", 0), row(2, "a", 0), row(2, "b", 2)]

    found = measured(rows, "--tie-label", "0")

    assert found["percent_agreement"]["value"] == pytest.approx((1 / 3 + 0) / 2)
    assert found["percent_agreement_no_ties"] == {
        "value": 1.0, "low": None, "high": None, "n": 1, "reason": "too_few_for_interval",
    }  # fmt: skip
    assert found["krippendorff_alpha_nominal_no_ties"]["reason"] == "one_category"


def test_declared_categories_that_nobody_used_change_ac1_only(measured):
    rows = crowd(labels=("A", "B"))

    found, expected = measured(rows, "--categories", "A, tie, B"), measured(rows)

    for name in STATISTICS - {"gwet_ac1"}:
        assert found[name] == expected[name]
    assert found["gwet_ac1"]["value"] > expected["gwet_ac1"]["value"]


def test_labels_are_ordered_as_told_or_as_numbers_never_as_texts(measured):
    words = [
        row(*given) for given in ((1, "a", "A"), (1, "b", "tie"), (2, "a", "B"), (2, "b", "B"))
    ]
    numbers = [{**r, "label": {"A": 9, "tie": 10, "B": 11}[r["label"]]} for r in words]

    told = measured(words, "--ordinal", "A,tie,B")["krippendorff_alpha_ordinal"]["value"]
    peer = krippendorff.alpha([[9, 11], [10, 11]], level_of_measurement="ordinal")

    assert told == pytest.approx(peer)
    for rows in (numbers, [{**r, "label": str(r["label"])} for r in numbers]):
        found = measured(rows)
        assert found["krippendorff_alpha_ordinal"]["value"] == pytest.approx(peer)
        assert found["krippendorff_alpha_interval"]["value"] is not None
    plain = measured(words)
    assert plain["krippendorff_alpha_ordinal"]["reason"] == "no_order"
    for name in ("krippendorff_alpha_interval", "gwet_ac2_quadratic"):
        assert (plain[name]["value"], plain[name]["reason"]) == (None, "not_numeric")


@pytest.mark.parametrize("text", ["", "\n \n", '{"item": 1, "annotator": 2, "label": "skip"}\n'])
def test_a_file_without_labels_is_answered_with_nulls_and_reasons(tmp_path, text):
    path = tmp_path / "empty.jsonl"
    path.write_text(text)

    result = prefloop("--judgments", path, "--json", "--models", "one-coin,dawid-skene")
    found = json.loads(result.stdout)

    assert result.exit_code == 0
    assert all(found[name] == 0 for name in COUNTS)
    for name in STATISTICS:
        assert found[name] == {
            "value": None, "low": None, "high": None, "n": 0, "reason": "no_overlap",
        }  # fmt: skip
    assert (found["cohen_kappa"], found["leave_one_out_by_annotator"]) == ([], [])
    assert found["one_coin"] == {"posterior": {}, "priors": {}, "annotators": {}}
    assert prefloop("--judgments", path).exit_code == 0


@given(st.randoms(use_true_random=False))
@settings(max_examples=5, deadline=None)
def test_the_order_of_lines_changes_nothing_at_all(tmp_path_factory, dice):
    rows, path = crowd(), tmp_path_factory.mktemp("order") / "rows.jsonl"
    outputs = []
    for _ in range(2):
        path.write_text("".join(json.dumps(r) + "\n" for r in rows))
        outputs.append(prefloop("--judgments", path, "--json", "--ordinal", "A,tie,B").stdout)
        dice.shuffle(rows)

    assert outputs[0] == outputs[1]


NAMES = {
    "separators": lambda name: f"{name[0]}|{name[1:]},\t;:/\u2028{name}",
    "unicode": lambda name: f"Ж{name}🙂 e\u0301",
    "numbers": lambda name: int(name[1:]) if name[1:].isdigit() else name,
    "texts of numbers": lambda name: name[1:] if name[1:].isdigit() else name,
}


@pytest.mark.parametrize("kind", NAMES)
def test_new_names_of_items_annotators_and_labels_change_no_value(measured, kind):
    rename = NAMES[kind]
    rows = crowd()
    named = [row(rename(r["item"]), rename(r["annotator"]), rename(r["label"])) for r in rows]

    found = unnamed(measured(named, "--tie-label", rename("tie")))
    assert found == pytest.approx(unnamed(measured(rows)), abs=1e-12)


def test_ids_that_join_to_one_text_stay_apart(measured):
    rows = [row("a|b", "c", "A"), row("a", "b|c", "A"), row(1, "c", "A"), row("1", "c", "B")]

    found = measured(rows)

    assert (found["n_items"], found["n_annotators"], found["n_judgments"]) == (4, 2, 4)


def test_a_and_b_may_change_places(measured):
    rows = crowd()
    turned = [{**r, "label": {"A": "B", "B": "A"}.get(r["label"], r["label"])} for r in rows]

    found, expected = (unnamed(measured(r, "--ordinal", "A,tie,B")) for r in (turned, rows))
    assert found == pytest.approx(expected, abs=1e-12)


def test_labels_come_in_the_order_in_which_they_appear_and_annotators_are_every_pair(measured):
    rows = [row(1, "z", "tie"), row(1, "b", "B"), row(2, "a", 10), row(2, "z", 9), row(3, "c", "B")]

    found = measured(rows, "--models", "one-coin")

    assert list(found["one_coin"]["priors"]) == ["tie", "B", "10", "9"]
    assert [(one["a"], one["b"], one["n"]) for one in found["cohen_kappa"]] == [
        ("a", "b", 0), ("a", "c", 0), ("a", "z", 1), ("b", "c", 0), ("b", "z", 1), ("c", "z", 0)
    ]  # fmt: skip


def test_items_judged_once_change_only_what_takes_its_chance_from_all_labels(measured):
    rows = crowd()
    more = measured([*rows, *(row(f"single {i}", "p0", "A") for i in range(30))])
    less = measured(rows)

    for name in STATISTICS - {"fleiss_kappa", "gwet_ac1"}:
        assert more[name] == less[name], name
    assert more["n_items"] == less["n_items"] + 30


def test_seed_and_number_of_resamples_are_options(measured):
    rows = crowd()

    def interval(*options):
        found = measured(rows, *options)["krippendorff_alpha_nominal"]
        return found["low"], found["high"]

    assert interval("--seed", "1") == interval("--seed", "1")
    assert interval("--seed", "1") != interval("--seed", "2")
    assert interval("--bootstrap", "300") != interval("--bootstrap", "2000")
    assert interval("--bootstrap", "0") == (None, None)


def test_gzip_and_a_byte_order_mark_are_read(tmp_path):
    text = b"\xef\xbb\xbf" + b"\r\n".join(json.dumps(r).encode() for r in crowd())
    plain, packed = tmp_path / "a.jsonl", tmp_path / "b.gz"
    plain.write_bytes(text)
    packed.write_bytes(gzip.compress(text))

    found = [prefloop("--judgments", path, "--json") for path in (plain, packed)]

    assert found[0].exit_code == 0
    assert found[0].stdout == found[1].stdout


def test_people_read_an_aligned_table_with_n_interval_and_reason(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(r) + "\n" for r in crowd()))

    shown = prefloop("--judgments", path, "--models", "one-coin")

    lines = shown.stdout.splitlines()
    assert lines[0].split() == ["statistic", "value", "95", "%", "interval", "n"]
    assert lines[1].startswith("percent agreement")
    assert lines[1].endswith(" 40")
    assert any("labels have no order" in line for line in lines)
    assert any(line.startswith("p3") and " to " in line for line in lines)
    assert lines[-7].split()[-3:] == ["one", "coin", "skill"]
    assert "120 judgments of 6 annotators on 40 items" in shown.stderr


GOOD = b'{"item": 1, "annotator": "a", "label": "A"}\n'


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        (b'{"item": 1, "annotator"', "is not JSON (Expecting ':' delimiter, column"),
        (b'{"item": 1, "annotator": "a", "label": NaN}', "is not JSON (NaN is no JSON number)"),
        (b'[1, "a", "A"]', "is not an object"),
        (b'{"item": 1, "annotator": "a", "label": "A"} {}', "holds more than one JSON value"),
        (b'{"item": 1, "annotator": "a"}', "has no 'label'"),
        (b'{"item": null, "annotator": "a", "label": "A"}', "item is null; expected a text or"),
        (b'{"item": 1, "annotator": true, "label": "A"}', "annotator is true; expected"),
        (b'{"item": [1], "annotator": "a", "label": "A"}', "item is [1]; expected"),
        (b'{"item": 1, "annotator": "a", "label": {"x": 1}}', 'label is {"x": 1}; expected'),
        (b'{"item": 1, "annotator": "a", "label": true}', "label is true; expected"),
        (b'{"item": 1, "annotator": "\xff", "label": "A"}', "is not UTF-8 text"),
        (
            b'{"item": "\\ud800", "annotator": "a", "label": "A"}',
            "'\\ud800' holds half a character",
        ),
        (b"[" * 100_000, "is not JSON (maximum recursion depth exceeded"),
        (b'{"item": 1, "annotator": "b", "label": "C"}', 'label "C" is not among the categories'),
    ],
)
def test_a_line_that_cannot_be_read_is_named_with_its_number(tmp_path, line, sentence):
    path = tmp_path / "bad.jsonl"
    path.write_bytes(GOOD + b"\n" + line + b"\n" + GOOD)

    found = prefloop("--judgments", path, "--json", "--categories", "A,B")

    assert found.exit_code == 1
    assert f"bad.jsonl, line 3: {sentence}" in found.stderr
    assert (found.stdout, len(found.stderr.strip().splitlines())) == ("", 1)


def test_a_file_that_cannot_be_read_is_one_sentence(tmp_path):
    cut = tmp_path / "cut.gz"
    cut.write_bytes(gzip.compress(GOOD * 1000)[:40])

    for path, sentence in (
        (tmp_path / "none", "none: cannot be read (No such file or directory)."),
        (tmp_path, "cannot be read (Is a directory)."),
        (cut, "cut.gz: cannot be read (Compressed file ended"),
    ):
        found = prefloop("--judgments", path)
        assert found.exit_code == 1
        assert sentence in found.stderr
        assert len(found.stderr.strip().splitlines()) == 1


def test_a_label_without_a_place_in_the_order_is_an_error(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_bytes(GOOD)

    found = prefloop("--judgments", path, "--ordinal", "B,C")

    assert found.exit_code == 1
    assert "--ordinal B,C has no place for the label 'A'" in found.stderr


def test_ids_that_a_model_could_not_tell_apart_are_an_error(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_bytes(GOOD + GOOD.replace(b'"item": 1', b'"item": "1"'))

    found = prefloop("--judgments", path, "--models", "one-coin")

    assert found.exit_code == 1
    assert "item 1 is a number on some lines and a text on others" in found.stderr


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((), "Name either --project P or --judgments FILE."),
        (("--project", "p", "--judgments", "f"), "Name either --project P or --judgments FILE."),
        (("--project", "p", "--seed", "1"), "--seed goes with --judgments, not with --project."),
        (("--judgments", "f", "--models", "glad"), "not 'glad'"),
        (("--judgments", "f", "--smoothing", "1"), "--smoothing belongs to --models"),
        (("--judgments", "f", "--priors", "equal"), "--priors belongs to --models"),
        (
            ("--judgments", "f", "--models", "one-coin", "--priors", "flat"),
            "--priors knows estimated and equal, not 'flat'",
        ),
        (("--judgments", "f", "--categories", "A,,B"), "has an empty place"),
        (("--judgments", "f", "--ordinal", "A,B,A"), "--ordinal names 'A' twice"),
        (("--judgments", "f", "--categories", "A,skip"), "which is a missing label"),
        (
            ("--judgments", "f", "--models", "one-coin", "--smoothing", "-1"),
            "should be greater than or equal to 0",
        ),
        (("--judgments", "f", "--bootstrap", "-5"), "should be greater than or equal to 0"),
    ],
)
def test_options_that_do_not_go_together_are_wrong_usage(arguments, sentence):
    found = prefloop(*arguments)

    assert found.exit_code == 2
    assert sentence in " ".join(found.output.replace("│", " ").split())
