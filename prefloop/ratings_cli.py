"""`prefloop ratings`: Bradley-Terry strengths from a plain file of verdicts."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from prefloop.console import command, print_json, print_table, say
from prefloop.server_cli import Json

REASONS = {
    "no_contests": "no verdicts",
    "not_connected": "not connected",
    "too_few_for_interval": "too few for an interval",
    "not_resampled": "half of the resamples are not connected",
}
WORST_FITS = 5


@command
def ratings(
    judgments: Annotated[
        Path,
        typer.Option(
            help='JSONL rows {"a": …, "b": …, "verdict": "a", "b" or "tie"}, gzip too. Rows with '
            "the same `prompt`, where there is one, are resampled together."
        ),
    ],
    as_json: Json = False,
) -> None:
    """Strengths of models, or whatever was compared, by Bradley-Terry.

    Natural logarithms with mean zero; a tie is half a win for each. Where some never lost to
    others, or never met them, the maximum does not exist: then there are no strengths, and the
    parts within which there would be are listed.
    """
    from prefloop.ratings_report import ratings_object
    from prefloop.verdict_file import read_verdicts

    found = ratings_object(read_verdicts(judgments))
    if as_json:
        print_json(found)
        return
    _print(found)


def _print(found: Mapping[str, Any]) -> None:
    rows = sorted(found["ratings"], key=lambda row: (row["rank"] or 0, row["name"]))
    print_table(
        [">rank", "name", ">strength", "95 % interval", ">arena", "ranks", ">n"],
        [
            [
                row["rank"] or "",
                row["name"],
                "undefined" if row["value"] is None else f"{row['value']:+.3f}",
                REASONS[row["reason"]]
                if row["reason"]
                else f"{row['low']:+.3f} to {row['high']:+.3f}",
                "" if row["arena"] is None else f"{row['arena']:.0f}",
                "" if row["rank_low"] is None else f"{row['rank_low']} to {row['rank_high']}",
                f"{row['n']:,}",
            ]
            for row in rows
        ],
    )
    say(
        f"{found['n']:,} verdicts, {found['ties']:,} of them ties; intervals resample "
        f"{found['units']:,} {found['resampled'].replace('_', ' ')}."
    )
    if found["reason"] == "not_connected":
        parts = "; ".join(", ".join(map(str, names)) for names in found["components"])
        say(
            "Strengths do not exist, because there are not wins both ways between these parts: "
            f"{parts}. More verdicts between them help."
        )
        return
    _say_fit(found)


def _say_fit(found: Mapping[str, Any]) -> None:
    cycles, davidson = found["cyclic_triples"], found["davidson"]
    if cycles["value"] is not None:
        say(f"{cycles['value']:.1%} of {cycles['n']} decided triples go round in a cycle.")
    if davidson is not None:
        say(f"Equally strong ones would tie in {davidson['tie_rate']:.1%} (Davidson's model).")
    worst: Sequence[Mapping[str, Any]] = found["pairs"][:WORST_FITS]
    if worst:
        print()
        print_table(
            ["pair", ">observed", ">predicted", ">n"],
            [
                [
                    f"{fit['a']} against {fit['b']}",
                    f"{fit['observed']:.3f}",
                    f"{fit['predicted']:.3f}",
                    f"{fit['n']:,}",
                ]
                for fit in worst
            ],
        )
