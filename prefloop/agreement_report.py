"""The figures of a plain file of judgments, as the one object that `--json` prints."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

import numpy as np

from app.errors import InvalidInput
from app.rules.agreement import Table, estimate, measure
from app.rules.bootstrap import Resampling, Statistic
from app.rules.coefficients import gwet_ac2_quadratic
from app.rules.cohen import AnnotatorPairs, annotator_pairs, kappas, mean_kappa
from app.rules.judgment_table import count_patterns, leave_one_out_by_annotator
from app.rules.krippendorff import krippendorff_alpha_interval
from app.rules.latent_truth import Estimates
from app.rules.other_annotators import VerdictPairs, for_other_annotators
from prefloop.console import say
from prefloop.judgment_file import Id, JudgmentFile, number_of

EVERY_PAIR_UP_TO = 500
"""Annotators; of more, only pairs that share an item are listed."""
COUNTS = ("n_judgments", "n_items", "n_items_overlap", "n_annotators", "n_pairs")
KEYS = ("value", "low", "high", "n", "reason")
"""Of a statistic."""
STATISTICS = (
    "percent_agreement", "percent_agreement_pairs", "percent_agreement_no_ties",
    "percent_agreement_no_ties_pairs", "chance_agreement", "chance_agreement_no_ties",
    "agreement_with_majority", "leave_one_out_agreement", "cohen_kappa_mean", "fleiss_kappa",
    "fleiss_kappa_pooled", "krippendorff_alpha_nominal", "krippendorff_alpha_nominal_no_ties",
    "krippendorff_alpha_ordinal", "krippendorff_alpha_interval", "gwet_ac1", "gwet_ac2_quadratic",
)  # fmt: skip
MODELS = ("dawid-skene", "one-coin")
PRIORS = ("estimated", "equal")


@dataclass(frozen=True, kw_only=True)
class Options:
    tie_label: str = "tie"
    order: Sequence[str] | None = None
    """Labels in order; None takes that of numbers, where all labels are numbers."""
    models: Sequence[str] = ()
    """Of MODELS."""
    smoothing: float | None = None
    """Of the models' priors: None as they are, 0 for maximum likelihood."""
    equal_priors: bool = False
    """Whether models take labels as equally likely, instead of estimating how likely each is."""
    resampling: Resampling = field(default_factory=Resampling)


def agreement_object(data: JudgmentFile, options: Options) -> dict[str, Any]:
    """Counts, statistics, lists and models, with the keys that programs know."""
    judgments = data.judgments
    patterns = count_patterns(judgments)
    table = Table(counts=patterns.counts, groups=None, items=patterns.items, resampled="items")
    values = _values(data.labels)
    report = measure(
        table,
        data.labels,
        (options.tie_label,),
        judgments.n_annotators,
        order=_places(data, options.order) if options.order else values,
        resampling=options.resampling,
    )
    pairs = annotator_pairs(judgments)
    n, credit = leave_one_out_by_annotator(judgments, patterns)
    statistics = {
        **vars(report),
        **_numeric(table, values, report.n_items_overlap, options.resampling),
        "cohen_kappa_mean": mean_kappa(judgments, pairs),
    }
    others = for_other_annotators(
        table,
        VerdictPairs(first=pairs.first, second=pairs.second, tables=pairs.tables),
        [label == options.tie_label for label in data.labels],
        options.resampling,
    )
    return {
        **{name: getattr(report, name) for name in COUNTS},
        **{name: _keyed(statistics[name]) for name in STATISTICS},
        "for_other_annotators": {name: _keyed(one) for name, one in others.items()},
        "cohen_kappa": _kappa_rows(data, pairs),
        "leave_one_out_by_annotator": [
            {"annotator": name, "n": int(k), "value": value}
            for name, k, value in zip(data.annotators, n, credit, strict=True)
        ],
        **{name.replace("-", "_"): _model(data, name, options) for name in options.models},
    }


def _keyed(statistic: Statistic) -> dict[str, Any]:
    return {key: getattr(statistic, key) for key in KEYS}


def _values(labels: Sequence[str]) -> list[float] | None:
    """The numbers that the labels are; None where one is a word."""
    numbers = [number for number in map(number_of, labels) if number is not None]
    return numbers if len(numbers) == len(labels) else None


def _places(data: JudgmentFile, order: Sequence[str]) -> list[float]:
    """(q,) the place of each label in the order; one that nobody gave may have none."""
    missing = [label for label in data.seen if label not in order]
    if missing:
        raise InvalidInput(
            f"--ordinal {','.join(order)} has no place for the label {missing[0]!r} of the file."
        )
    return [float(order.index(label)) if label in order else -1.0 for label in data.labels]


def _numeric(
    table: Table, values: Sequence[float] | None, n: int, resampling: Resampling
) -> dict[str, Statistic]:
    """What needs labels that are numbers."""
    if values is None:
        names = ("krippendorff_alpha_interval", "gwet_ac2_quadratic")
        return dict.fromkeys(names, Statistic(value=None, n=n, reason="not_numeric"))
    wanted = {
        "krippendorff_alpha_interval": krippendorff_alpha_interval(table.counts, values),
        "gwet_ac2_quadratic": gwet_ac2_quadratic(table.counts, values),
    }
    return estimate(table, wanted, resampling)


def _kappa_rows(data: JudgmentFile, pairs: AnnotatorPairs) -> list[dict[str, Any]]:
    """Every pair of annotators, or those that share an item where there are very many."""
    names = data.annotators
    found = {
        (a, b): {
            "a": names[a],
            "b": names[b],
            "n": n,
            "value": None if math.isnan(kappa) else kappa,
        }
        for a, b, n, kappa in zip(
            pairs.first.tolist(),
            pairs.second.tolist(),
            pairs.tables.sum(axis=(1, 2)).tolist(),
            kappas(pairs.tables).tolist(),
            strict=True,
        )
    }
    if len(names) > EVERY_PAIR_UP_TO:
        return list(found.values())
    return [
        found.get((a, b), {"a": names[a], "b": names[b], "n": 0, "value": None})
        for a, b in combinations(range(len(names)), 2)
    ]


def _model(data: JudgmentFile, name: str, options: Options) -> dict[str, Any]:
    """A model of the true labels, under the names of items, labels and annotators."""
    from app.rules import dawid_skene, one_coin

    if not data.items:
        return {"posterior": {}, "priors": {}, "annotators": {}}
    items, people = _keys(data.items, "item"), _keys(data.annotators, "annotator")
    judgments = data.judgments
    fit = {"dawid-skene": dawid_skene.fit, "one-coin": one_coin.fit}[name]
    # Sums depend on the order of their terms in the last digits, so items come in a fixed order.
    order = sorted(range(len(items)), key=items.__getitem__)
    place = np.empty(len(items), dtype=np.int64)
    place[order] = np.arange(len(items))
    found = fit(
        place[judgments.items],
        judgments.annotators,
        judgments.labels,
        n_items=judgments.n_items,
        n_annotators=judgments.n_annotators,
        n_labels=judgments.n_labels,
        smoothing=options.smoothing,
        equal_priors=options.equal_priors,
    )
    if not found.converged:
        say(f"{name} did not settle; its figures are provisional.")
    told = [data.labels.index(label) for label in data.listed]
    posterior, priors = found.posterior[:, told].tolist(), found.priors[told].tolist()
    return {
        "posterior": {
            item: dict(zip(data.listed, posterior[place[i]], strict=True))
            for i, item in enumerate(items)
        },
        "priors": dict(zip(data.listed, priors, strict=True)),
        "annotators": {
            person: {
                **_ends("accuracy", *accuracy),
                "skill": None if math.isnan(skill[0]) else _ends("value", *skill),
            }
            for person, accuracy, skill in zip(
                people,
                _rows(Estimates(value=found.accuracy, low=found.low, high=found.high)),
                _rows(found.skill),
                strict=True,
            )
        },
    }


def _rows(found: Estimates) -> list[list[float]]:
    rows: list[list[float]] = np.column_stack([found.value, found.low, found.high]).tolist()
    return rows


def _ends(name: str, value: float, low: float, high: float) -> dict[str, float]:
    return {name: value, "low": low, "high": high}


def _keys(ids: Sequence[Id], what: str) -> list[str]:
    """Ids as the names of a JSON object, which are texts."""
    keys = [str(name) for name in ids]
    twice = [key for key, n in Counter(keys).items() if n > 1]
    if twice:
        raise InvalidInput(
            f"{what} {twice[0]} is a number on some lines and a text on others; a model's answer "
            "names both alike. Write it one way."
        )
    return keys
