"""Training runs that the server was told of."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.models.projects import Project
from app.models.runs import Export, Run
from app.services import projects


def record_stages(
    session: Session, slug: str, out: Path, summary: Mapping[str, Any], *, now: datetime
) -> list[Run]:
    """One row for each stage of an alignment run in `out`, tied to the export that it used."""
    project = projects.by_slug(session, slug)
    export = session.scalar(
        select(Export)
        .where(Export.project_id == project.id, Export.path == str(out / "bundle"))
        .order_by(Export.exported_at.desc())
        .limit(1)
    )
    rows, ended = [], now
    for stage in ("ppo", "rm", "sft"):
        started = ended - timedelta(seconds=summary["seconds"][stage])
        rows.append(
            Run(
                project_id=project.id,
                export_id=export.id if export else None,
                stage=stage,
                path=str(out / stage),
                summary=summary[stage],
                started_at=started,
                ended_at=ended,
            )
        )
        ended = started
    session.add_all(reversed(rows))
    session.flush()
    return rows[::-1]


def list_for(session: Session, project: Project) -> list[Run]:
    """Newest first."""
    return list(
        session.scalars(
            select(Run).where(Run.project_id == project.id).order_by(Run.started_at.desc())
        )
    )
