"""Exports: one consistent state of a project, written as a bundle of format 1.

The same database state gives byte-identical files: rows are ordered by id, and `created_at` is the
time of the project's latest change, not of the export.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from app.db import Database
from app.errors import InvalidInput
from app.models.accounts import Annotator
from app.models.adjudications import Adjudication
from app.models.judgments import Judgment
from app.models.projects import Comparison, Demonstration, GuidelineVersion, Project, Prompt
from app.models.runs import Export
from app.rules import export_rows
from app.rules.export_rows import JudgedComparison, Row, iso
from app.rules.queue_policy import read_policy, write_policy
from app.rules.soft_labels import Reliability
from app.rules.split import RULE, SALT, SHARES, SPLITS
from app.services import (
    agreement,
    audit,
    export_queries,
    guidelines,
    projects,
    reliabilities,
    statistics,
)
from app.services.audit import Action
from app.services.bundle_writer import BundleWriter
from app.services.data_card import data_card
from app.services.export_queries import BEFORE_ALL

FORMAT = 1


@dataclass(frozen=True, kw_only=True)
class ExportOptions:
    rows: Literal["aggregated", "judgments"] = "aggregated"
    """One row a pair from all its judgments, or one row a judgment."""
    ties: Literal["keep", "drop"] = "drop"
    """Whether pairs without a majority (judgments without a preference) become rows."""
    slight: Literal["keep", "drop"] = "keep"
    """Whether rows become part of it whose preference is slight, as far as anybody said."""

    def __post_init__(self) -> None:
        for name, value, allowed in (
            ("rows", self.rows, ("aggregated", "judgments")),
            ("ties", self.ties, ("keep", "drop")),
            ("slight", self.slight, ("keep", "drop")),
        ):
            if value not in allowed:
                raise InvalidInput(f"{name} is {value!r}; expected {' or '.join(allowed)}.")


@dataclass(frozen=True, kw_only=True)
class ExportResult:
    path: Path
    manifest: dict[str, Any]
    manifest_sha256: str


def export_project(
    database: Database,
    slug: str,
    out: Path,
    options: ExportOptions,
    *,
    by: Annotator | None = None,
    now: datetime,
) -> ExportResult:
    """Write the bundle and record the export. Raises InvalidInput where `out` is in use.

    The audit log gets an entry before the first row is written, so that none leaves without one,
    and one when the bundle is whole.
    """
    with database.writing() as session:
        audit.record(
            session,
            by=by,
            action=Action.EXPORT_STARTED,
            subject=f"project {projects.by_slug(session, slug).slug}",
            details=asdict(options),
            now=now,
        )
    with database.reading() as session, BundleWriter(out) as writer:
        project = projects.by_slug(session, slug)
        reliable = read_reliability(session, project, options)
        counts = _write_rows(session, project, writer, options, reliable)
        versions = guidelines.versions(session, project)
        for guideline in versions:
            writer.write_text(f"guidelines/{guideline.version}.md", guideline.markdown + "\n")
        manifest = {
            **_manifest(session, project, options, counts, versions),
            "labels": _labels(reliable, options),
        }
        writer.write_text("README.md", data_card(manifest))
        manifest["files"] = dict(sorted(writer.files.items()))
        sha256 = writer.finish(manifest)
    with database.writing() as session:
        session.add(
            Export(
                project_id=project.id,
                exported_by=by.id if by else None,
                exported_at=now,
                path=str(out),
                filters=asdict(options),
                counts=counts,
                manifest_sha256=sha256,
            )
        )
        audit.record(
            session,
            by=by,
            action=Action.EXPORTED,
            subject=f"project {project.slug}",
            details={"counts": counts, "manifest_sha256": sha256},
            now=now,
        )
    return ExportResult(path=out, manifest=manifest, manifest_sha256=sha256)


def list_for(session: Session, project: Project) -> list[Export]:
    """Newest first."""
    return list(
        session.scalars(
            select(Export)
            .where(Export.project_id == project.id)
            .order_by(Export.exported_at.desc(), Export.id)
        )
    )


def preference_rows(
    session: Session, project: Project, options: ExportOptions
) -> Iterator[tuple[str, Row]]:
    """(split, row) of every preference row."""
    reliable = read_reliability(session, project, options)
    return _preference_rows(session, project, options, reliable)


def read_reliability(
    session: Session, project: Project, options: ExportOptions
) -> Reliability[UUID]:
    """How annotators are weighed; nothing is read for rows that are judgments."""
    if options.rows == "judgments":
        return Reliability()
    return reliabilities.read(session, project)


def _preference_rows(
    session: Session, project: Project, options: ExportOptions, reliable: Reliability[UUID]
) -> Iterator[tuple[str, Row]]:
    for split, comparison in export_queries.judged_comparisons(session, project):
        for row in _rows_of(comparison, reliable, options):
            yield split, row


def preference_page(
    session: Session,
    project: Project,
    options: ExportOptions,
    reliable: Reliability[UUID],
    *,
    after: UUID = BEFORE_ALL,
) -> tuple[list[tuple[str, Row]], UUID | None]:
    """The rows of the next page of comparisons, and what to give as `after` for the one behind it;
    None where it was the last. Pages read in transactions of their own need no long one; all of
    them weigh annotators as they were at the first."""
    found, last = export_queries.judged_page(session, project, after)
    rows = [(split, row) for split, c in found for row in _rows_of(c, reliable, options)]
    return rows, last


def _rows_of(
    comparison: JudgedComparison, reliable: Reliability[UUID], options: ExportOptions
) -> list[Row]:
    keep_ties = options.ties == "keep"
    if options.rows == "aggregated":
        rows = export_rows.aggregated_rows(comparison, reliable, keep_ties=keep_ties)
    else:
        rows = export_rows.judgment_rows(comparison, keep_ties=keep_ties)
    return rows if options.slight == "keep" else [r for r in rows if not export_rows.is_slight(r)]


def _write_rows(
    session: Session,
    project: Project,
    writer: BundleWriter,
    options: ExportOptions,
    reliable: Reliability[UUID],
) -> dict[str, Any]:
    counts: dict[str, Any] = {
        "preferences": writer.write_splits(
            "preferences", SPLITS, _preference_rows(session, project, options, reliable)
        ),
        "prompts": writer.write_splits(
            "prompts", SPLITS, export_queries.prompt_rows(session, project)
        ),
    }
    has_demonstrations = session.scalar(
        select(Demonstration.id)
        .join(Prompt, Prompt.id == Demonstration.prompt_id)
        .where(Prompt.project_id == project.id)
        .limit(1)
    )
    if has_demonstrations:
        counts["demonstrations"] = writer.write_splits(
            "demonstrations", SPLITS, export_queries.demonstration_rows(session, project)
        )
    counts["judgments"] = writer.write_rows(
        "judgments.jsonl", export_queries.judgment_rows(session, project)
    )
    return counts


def _manifest(
    session: Session,
    project: Project,
    options: ExportOptions,
    counts: dict[str, Any],
    versions: list[GuidelineVersion],
) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "created_at": iso(_last_change(session, project)),
        "project": {
            "slug": project.slug,
            "name": project.name,
            "question": project.question,
            "overlap": project.overlap,
            # What was drawn at random, and with what probability, follows from it.
            "queue": write_policy(read_policy(project.overlap, project.settings.get("queue", {}))),
        },
        "filters": asdict(options),
        "split": {"rule": RULE, "salt": SALT, "shares": SHARES},
        "guideline_versions": [
            {"version": v.version, "id": str(v.id), "published_at": iso(v.published_at)}
            for v in versions
        ],
        "counts": counts,
        "agreement": agreement.summary(project, statistics.as_of(session, project.id)),
        "software": {"name": "prefloop", "version": version("prefloop")},
    }


def _labels(reliable: Reliability[UUID], options: ExportOptions) -> dict[str, Any] | None:
    """How annotators were weighed; None where rows are judgments."""
    if options.rows == "judgments":
        return None
    return {
        "annotators_weighed": len(reliable.accuracy),
        "mean_accuracy": reliable.mean_accuracy if reliable.accuracy else None,
    }


def _last_change(session: Session, project: Project) -> datetime:
    """The latest time at which something that a bundle holds was added."""
    in_project = Prompt.project_id == project.id
    times = [
        project.created_at,
        session.scalar(select(func.max(Prompt.created_at)).where(in_project)),
        session.scalar(
            select(func.max(Demonstration.created_at))
            .join(Prompt, Prompt.id == Demonstration.prompt_id)
            .where(in_project)
        ),
        session.scalar(
            select(func.max(Comparison.created_at)).where(Comparison.project_id == project.id)
        ),
        session.scalar(
            select(func.max(Judgment.received_at)).where(Judgment.project_id == project.id)
        ),
        session.scalar(
            select(func.max(Adjudication.adjudicated_at)).where(
                Adjudication.project_id == project.id
            )
        ),
        session.scalar(
            select(func.max(GuidelineVersion.published_at)).where(
                GuidelineVersion.project_id == project.id
            )
        ),
    ]
    return max(time for time in times if time is not None)
