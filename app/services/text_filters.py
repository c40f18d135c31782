"""What a list of comparisons asks of texts that a database cannot tell: Markdown, the pace, and
reasons in words.

Of the comparisons that every other filter let through, the judgments and texts are read; what they
say is decided by the functions that the statistics use, so that a list is as long as its number.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from app.models.adjudications import Adjudication
from app.models.judgments import Judgment
from app.models.projects import Comparison, ComparisonCompletion, Completion, Prompt
from app.rules.annotator_sums import is_too_fast
from app.rules.text_features import TextFeatures, features, words
from app.services import adjudications, reasons
from app.services.comparison_filters import ComparisonFilter
from app.services.current import counts

MARKDOWN = ("markdown_or_plain", "markdown")
"""Of two responses one has Markdown; and it was chosen."""
FAST = "fast"
"""Faster than anybody reads."""
AT_ONCE = 500


def asks(wanted: ComparisonFilter) -> bool:
    return wanted.chose in MARKDOWN or wanted.time == FAST


@dataclass(frozen=True, kw_only=True)
class _Texts:
    words: int
    """Of the prompt and all responses."""
    responses: dict[UUID, TextFeatures]


def number(
    session: Session,
    wanted: ComparisonFilter,
    such: Sequence[ColumnElement[bool]],
    ids: Sequence[UUID],
) -> dict[UUID, int]:
    """How many of `such` judgments of these comparisons are as asked; comparisons with none are
    left out."""
    found: defaultdict[UUID, int] = defaultdict(int)
    for some in (ids[start : start + AT_ONCE] for start in range(0, len(ids), AT_ONCE)):
        texts = _read(session, some)
        judged = session.execute(
            select(Judgment.comparison_id, Judgment.preferred_id, Judgment.active_ms)
            .join(Comparison, Comparison.id == Judgment.comparison_id)
            .where(Judgment.comparison_id.in_(some), *such)
        )
        for comparison_id, preferred_id, active_ms in judged:
            if _is_so(wanted, texts[comparison_id], preferred_id, active_ms):
                found[comparison_id] += 1
    return dict(found)


def written(session: Session, wanted: ComparisonFilter, ids: Sequence[UUID]) -> set[UUID]:
    """Those of these comparisons for which somebody wrote the reason that is asked for."""
    key, found = reasons.key_of(wanted.wrote), set[UUID]()
    for some in (ids[start : start + AT_ONCE] for start in range(0, len(ids), AT_ONCE)):
        said: Any = (
            select(Judgment.comparison_id, Judgment.rationale)
            .join(Comparison, Comparison.id == Judgment.comparison_id)
            .where(Judgment.comparison_id.in_(some), Judgment.rationale.is_not(None), *counts())
        )
        noted: Any = select(Adjudication.comparison_id, Adjudication.note).where(
            Adjudication.comparison_id.in_(some),
            Adjudication.note.is_not(None),
            adjudications.is_current(),
        )
        for query in (said, noted):
            found |= {of for of, text in session.execute(query) if reasons.key_of(text) == key}
    return found


def _is_so(
    wanted: ComparisonFilter, texts: _Texts, preferred_id: UUID | None, active_ms: int | None
) -> bool:
    if wanted.chose in MARKDOWN:
        marked = [key for key, text in texts.responses.items() if text.markdown]
        if preferred_id is None or len(texts.responses) != 2 or len(marked) != 1:
            return False
        if wanted.chose == "markdown" and preferred_id != marked[0]:
            return False
    if wanted.time == FAST:
        return active_ms is not None and is_too_fast(texts.words, active_ms)
    return True


def _read(session: Session, ids: Sequence[UUID]) -> dict[UUID, _Texts]:
    responses: defaultdict[UUID, dict[UUID, TextFeatures]] = defaultdict(dict)
    members: Any = session.execute(
        select(ComparisonCompletion.comparison_id, Completion.id, Completion.text)
        .join(Completion, Completion.id == ComparisonCompletion.completion_id)
        .where(ComparisonCompletion.comparison_id.in_(ids))
    )
    for comparison_id, completion_id, text in members:
        responses[comparison_id][completion_id] = features(text)
    prompts = session.execute(
        select(Comparison.id, Prompt.messages)
        .join(Prompt, Prompt.id == Comparison.prompt_id)
        .where(Comparison.id.in_(ids))
    )
    return {
        comparison_id: _Texts(
            words=sum(words(message["content"]) for message in messages)
            + sum(text.words for text in responses[comparison_id].values()),
            responses=responses[comparison_id],
        )
        for comparison_id, messages in prompts
    }
