"""What `prefloop ratings` prints: one object, undefined numbers as null with their reason."""

from dataclasses import asdict
from typing import Any

import numpy as np

from app.rules import davidson
from app.rules.bradley_terry import arena_scale, cyclic_triples, pair_fits
from app.rules.leaderboard import Leaderboard, Rating, leaderboard
from prefloop.verdict_file import Name, VerdictFile


def ratings_object(data: VerdictFile) -> dict[str, Any]:
    """Names keep their order of first appearance."""
    found = leaderboard(data.contests)
    return {
        "n": found.n,
        "ties": found.ties,
        "units": found.groups,
        "resampled": data.resampled,
        "reason": found.reason,
        "components": [[data.names[i] for i in part] for part in found.components],
        "ratings": [
            _rating(name, rating) for name, rating in zip(data.names, found.ratings, strict=True)
        ],
        "undefined_replicates": found.undefined_replicates,
        "cyclic_triples": asdict(cyclic_triples(data.contests.win_matrix())),
        "davidson": _davidson(data),
        "pairs": _pairs(data, found),
    }


def _rating(name: Name, rating: Rating) -> dict[str, Any]:
    value = rating.strength.value
    return {
        "name": name,
        **asdict(rating.strength),
        "standard_error": rating.standard_error,
        "rank": rating.rank,
        "rank_low": rating.rank_low,
        "rank_high": rating.rank_high,
        "arena": None if value is None else arena_scale(value),
    }


def _davidson(data: VerdictFile) -> dict[str, Any] | None:
    model = davidson.fit(data.contests) if data.names else None
    if model is None:
        return None
    return {
        "nu": model.nu,
        "tie_rate": model.tie_rate,
        "strengths": dict(zip(map(str, data.names), model.strengths.tolist(), strict=True)),
    }


def _pairs(data: VerdictFile, found: Leaderboard) -> list[dict[str, Any]]:
    if found.reason is not None:
        return []
    theta = np.array([rating.strength.value for rating in found.ratings])
    return [
        {
            "a": data.names[fit.first],
            "b": data.names[fit.second],
            "n": fit.n,
            "observed": fit.observed,
            "predicted": fit.predicted,
        }
        for fit in pair_fits(data.contests.win_matrix(), theta)
    ]
