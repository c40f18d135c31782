"""Imports: records in, new rows stored once, every rejected record kept with its reason.

Ids follow from content, so a record that was imported before adds nothing. Records are stored in
batches, each in a transaction of its own: an import that broke off is completed by repeating it.
Imports into one project at the same time take turns, batch by batch.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from uuid import UUID

from app.db import Database
from app.errors import InvalidInput
from app.models.accounts import Annotator
from app.services import audit, projects, statistics
from app.services.audit import Action
from app.services.import_files import Record, read_records
from app.services.import_mapping import Mapper
from app.services.import_queueing import contradictions
from app.services.import_rows import ImportRow, parse_record
from app.services.import_store import ImportBatch, Stored, take_turn

BATCH = 500
BATCH_BYTES = 8 * 1024 * 1024
"""A batch of long lines ends here, so that an import needs little memory whatever it holds."""


@dataclass(frozen=True, kw_only=True)
class Rejected:
    line: int
    reason: str
    record: Any


@dataclass(frozen=True, kw_only=True)
class ImportSummary:
    records: int
    added: dict[str, int]
    """New rows: prompts, completions, demonstrations, comparisons, judgments."""
    updated: int
    """Comparisons that were there and got another priority, overlap, group or known answer."""
    already_there: int
    """Accepted records that added nothing."""
    rejected: list[Rejected] = field(default_factory=list)


def import_file(
    database: Database,
    slug: str,
    path: Path,
    *,
    mapper: Mapper | None = None,
    by: Annotator | None = None,
    now: datetime,
    progress: Callable[[int], None] = lambda _records: None,
) -> ImportSummary:
    """Import one file; `progress` is told the number of records after each batch."""
    records = read_records(path, mapper.records_path if mapper else None)
    return import_records(database, slug, records, mapper=mapper, by=by, now=now, progress=progress)


def import_records(
    database: Database,
    slug: str,
    records: Iterable[Record],
    *,
    mapper: Mapper | None = None,
    by: Annotator | None = None,
    now: datetime,
    progress: Callable[[int], None] = lambda _records: None,
    reject: Callable[[Rejected], None] | None = None,
) -> ImportSummary:
    """Import records in batches. `reject` is given each rejected record, which the summary then
    does not keep. The audit log gets an entry before the first batch and one after the last."""
    _write_down(database, slug, Action.IMPORT_STARTED, {}, by=by, now=now)
    added: Counter[str] = Counter()
    rejected: list[Rejected] = []
    reject = reject or rejected.append
    read = updated = already_there = 0
    for batch in _batches(records, BATCH):
        stored, refused = _store(database, slug, batch, mapper, now=now)
        for refusal in refused:
            reject(refusal)
        added.update(stored.added)
        updated += stored.updated
        already_there += stored.already_there
        read += len(batch)
        progress(read)
    counts = {
        "records": read,
        "added": dict(added),
        "updated": updated,
        "already_there": already_there,
    }
    _write_down(database, slug, Action.IMPORT_FINISHED, counts, by=by, now=now)
    if added["judgments"] > statistics.FOLDED_AT_ONCE:
        # So that the next page need not.
        statistics.catch_up(database, _project_id(database, slug), now=now)
    return ImportSummary(
        records=read,
        added=dict(added),
        updated=updated,
        already_there=already_there,
        rejected=rejected,
    )


def _store(
    database: Database, slug: str, batch: list[Record], mapper: Mapper | None, *, now: datetime
) -> tuple[Stored, list[Rejected]]:
    """Store what can be taken of a batch; the rest, in its order, with the reasons."""
    refused: dict[int, str] = {}
    rows: dict[int, ImportRow] = {}
    for i, record in enumerate(batch):
        try:
            rows[i] = _row(record, mapper)
        except InvalidInput as error:
            refused[i] = str(error)
    with database.writing() as session:
        project = projects.by_slug(session, slug)
        take_turn(session, project)
        places = list(rows)
        for place, reason in contradictions(session, project, list(rows.values())).items():
            refused[places[place]] = reason
            del rows[places[place]]
        stored = ImportBatch(project, list(rows.values()), now=now).store(session)
    return stored, [
        Rejected(line=batch[i].line, reason=refused[i], record=batch[i].value)
        for i in sorted(refused)
    ]


def _write_down(
    database: Database,
    slug: str,
    action: Action,
    details: dict[str, Any],
    *,
    by: Annotator | None,
    now: datetime,
) -> None:
    with database.writing() as session:
        subject = f"project {projects.by_slug(session, slug).slug}"
        audit.record(session, by=by, action=action, subject=subject, details=details, now=now)


def _project_id(database: Database, slug: str) -> UUID:
    with database.reading() as session:
        return projects.by_slug(session, slug).id


def write_rejects(summary: ImportSummary, path: Path) -> None:
    """One JSON object a rejected record: its line, the reason, and the record itself."""
    # A lone surrogate has no bytes; its escape is written, which JSON reads as the same.
    with path.open("w", encoding="utf-8", errors="backslashreplace") as stream:
        for reject in summary.rejected:
            entry = {"line": reject.line, "reason": reject.reason, "record": reject.record}
            stream.write(json.dumps(entry, ensure_ascii=False) + "\n")


def _batches(records: Iterable[Record], size: int) -> Iterator[list[Record]]:
    batch: list[Record] = []
    batch_bytes = 0
    for record in records:
        batch.append(record)
        batch_bytes += record.size
        if len(batch) == size or batch_bytes >= BATCH_BYTES:
            yield batch
            batch, batch_bytes = [], 0
    if batch:
        yield batch


def _row(record: Record, mapper: Mapper | None) -> ImportRow:
    if record.problem is not None:
        raise InvalidInput(record.problem)
    return parse_record(mapper.apply(record.value) if mapper else record.value)
