"""The strip of published studies says what they report (STATISTICS 1)."""

from app.web.published import STUDIES


def test_studies_have_the_shares_that_they_report_in_order_of_size() -> None:
    assert [study.share for study in STUDIES] == sorted(study.share for study in STUDIES)
    assert {study.study: study.share for study in STUDIES} == {
        "MT-bench, all votes": 0.63,
        "HH": 0.63,
        "AlpacaEval": 0.657,
        "Summaries, labelers": 0.72,
        "InstructGPT, training": 0.726,
        "Summaries, researchers": 0.73,
        "Summaries, both": 0.77,
        "InstructGPT, held-out": 0.773,
        "MT-bench, without ties": 0.81,
    }


def test_none_is_taken_for_what_it_is_not() -> None:
    """HH's 63 % is of a researcher and a crowdworker, and InstructGPT gives no formula; with and
    without ties MT-bench's same votes are two numbers."""
    measured = {study.study: study.measured for study in STUDIES}
    assert "researcher and a crowdworker" in measured["HH"]
    for name in ("InstructGPT, training", "InstructGPT, held-out"):
        assert "no formula given, ties not defined" in measured[name]
    assert "ties are votes" in measured["MT-bench, all votes"]
    assert "left out" in measured["MT-bench, without ties"]
    for name in ("Summaries, labelers", "Summaries, researchers", "Summaries, both"):
        assert "indifferent" in measured[name]
