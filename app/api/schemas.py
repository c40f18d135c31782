"""What requests of the API hold, which is checked, and what answers hold, which is only described:
checking each answer against its own description would cost more than making it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import Path
from pydantic import BaseModel, ConfigDict, Field
from pydantic.json_schema import SkipJsonSchema

from app.rules.agreement import AgreementReport
from app.rules.bootstrap import Statistic
from app.rules.sides import MOST_SIDES
from app.services.agreement_slices import By
from app.services.judgments import LONGEST_TEXT, Submission

NO_NUL = r"^[^\x00]*$"
"""No database keeps the character NUL."""


Slug = Annotated[str, Path(description="The project's name in addresses.")]
AssignmentId = Annotated[UUID, Path(description="The `id` of the assignment that you took.")]


SidesTied = Annotated[
    list[Annotated[str, Field(pattern=r"^[A-Z]$")]], Field(min_length=1, max_length=MOST_SIDES)
]


class Request(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class JudgmentRequest(Request):
    """What you say of the comparison: a verdict, or of more than two responses a ranking."""

    model_config = ConfigDict(
        json_schema_extra={"oneOf": [{"required": ["verdict"]}, {"required": ["ranking"]}]}
    )

    verdict: Annotated[
        Annotated[str, Field(pattern=r"^([A-Z]|tie|both_bad)$")] | SkipJsonSchema[None],
        Field(
            description="The side that is better, `tie`, or `both_bad`. Needed unless you send a "
            "`ranking`.",
            examples=["A"],
        ),
    ] = None
    ranking: Annotated[
        Annotated[list[SidesTied], Field(max_length=MOST_SIDES)] | SkipJsonSchema[None],
        Field(
            description="Instead of a verdict where more than two responses are shown: every side "
            'once, the best first, ties in one list, such as `[["B"], ["A", "C"]]`.',
        ),
    ] = None
    idempotency_key: Annotated[
        str,
        Field(
            min_length=8,
            max_length=100,
            pattern=NO_NUL,
            description="Made by you, a random UUID for example, one for each judgment that you "
            "mean to give. Sending the same key again stores nothing twice.",
            examples=["7f6c1ab0-8f0b-4b57-9a55-3d1d2b8c1e0f"],
        ),
    ]
    strength: Annotated[
        int | None,
        Field(ge=1, le=3, description="1 slightly, 2 clearly, 3 much better.", examples=[2]),
    ] = None
    rationale: Annotated[
        str | None, Field(max_length=LONGEST_TEXT, pattern=NO_NUL, description="Why, in words.")
    ] = None
    active_ms: Annotated[
        int | None, Field(ge=0, le=2**31 - 1, description="Milliseconds spent on judging.")
    ] = None

    def submission(self) -> Submission:
        return Submission(
            verdict=self.verdict,
            ranking=self.ranking,
            idempotency_key=self.idempotency_key,
            strength=self.strength,
            rationale=self.rationale,
            active_ms=self.active_ms,
        )


class ReasonRequest(Request):
    reason: Annotated[
        str,
        Field(
            min_length=1,
            max_length=LONGEST_TEXT,
            pattern=NO_NUL,
            description="Why.",
            examples=["The second response is cut off."],
        ),
    ]


class GuidelineRequest(Request):
    version: Annotated[
        int,
        Field(
            ge=1,
            le=2**31 - 1,
            description="The version that you have read: the current one.",
            examples=[1],
        ),
    ]


class Problem(BaseModel):
    status: int = Field(description="The status of the answer.")
    sentence: str = Field(description="What was found, what was expected, and what to do.")


class ErrorAnswer(BaseModel):
    error: Problem


class Message(BaseModel):
    role: Literal["system", "user", "assistant"]
    content: str


class ShownCompletion(BaseModel):
    side: str = Field(description="A, B, …: the name of the side in your verdict.")
    text: str


class ShownComparison(BaseModel):
    prompt: list[Message]
    completions: list[ShownCompletion]


class AssignmentAnswer(BaseModel):
    id: UUID
    comparison: ShownComparison
    guideline_version: int | None = Field(description="The version to judge by.")
    lease_expires_at: datetime = Field(description="Until then nobody else is asked.")


class JudgmentAnswer(BaseModel):
    id: UUID
    late: bool = Field(description="It came after its lease had ended, and is kept all the same.")


class LeaseAnswer(BaseModel):
    lease_expires_at: datetime


class ProjectRow(BaseModel):
    slug: str = Field(description="The project's name in addresses.")
    name: str
    question: str


class ProjectsAnswer(BaseModel):
    projects: list[ProjectRow]


class GuidelineShown(BaseModel):
    version: int
    markdown: str
    read: bool = Field(description="Whether you have confirmed reading it.")


class ProgressShown(BaseModel):
    judged: int
    skipped: int
    left: int | None = Field(
        description="Comparisons still open to you; null where there are many or it is not said."
    )


class ProjectAnswer(ProjectRow):
    guideline: GuidelineShown | None
    progress: ProgressShown = Field(description="Your own.")


class SliceAnswer(BaseModel):
    name: str = Field(description="As the page says it.")
    value: str | int | list[str | None] | None = Field(
        description="The tag, the two sources, the strength, the Monday, or the number of the "
        "guideline's version, null for judgments under none."
    )
    comparisons: int = Field(description="Those with a judgment.")
    overlap: int = Field(description="Those with two or more.")
    contested: int = Field(description="Those with different verdicts.")
    statistics: dict[str, Statistic] = Field(
        description="Under the names of the project's, graded alpha among them."
    )


@dataclass(frozen=True, kw_only=True)
class AgreementAnswer(AgreementReport):
    """`by`, `slices` and `left_out` are there only where comparisons are divided."""

    krippendorff_alpha_graded: Annotated[
        Statistic, Field(description="Ordinal alpha on seven grades, by strength.")
    ]
    krippendorff_alpha_graded_no_ties: Statistic
    for_other_annotators: Annotated[
        dict[str, Statistic],
        Field(
            description="The headline figures with intervals that hold where other annotators "
            "judge other comparisons; n is the number of annotators. There are none of fewer than "
            "eight, nor where more judgments were asked for because annotators disagreed."
        ),
    ]
    waiting: Annotated[
        int, Field(description="Judgments that the figures lack until a moment later.")
    ]
    by: By | None = None
    slices: Annotated[
        list[SliceAnswer],
        Field(description="In order of time, version or strength; else the largest first."),
    ] = field(default_factory=list)
    left_out: Annotated[
        int, Field(description="Slices beyond those: the smallest, or the earliest.")
    ] = 0


class RejectedLine(BaseModel):
    line: int
    reason: str


class ImportAnswer(BaseModel):
    records: int = Field(description="Lines that were not blank.")
    added: dict[str, int] = Field(
        description="New prompts, completions, demonstrations, comparisons and judgments."
    )
    updated: int = Field(
        description="Comparisons that were there and got another priority, overlap, group or "
        "known answer."
    )
    already_there: int = Field(description="Lines that added nothing.")
    rejected: list[RejectedLine] = Field(description="Every line that was not taken, and why.")


class PreferenceRow(BaseModel):
    """One line of the stream."""

    prompt: list[Message]
    chosen: list[Message]
    rejected: list[Message]
    probability: float = Field(
        description="That a random annotator prefers `chosen`; reliable annotators count more."
    )
    p_votes: float | None = Field(description="The same with all annotators counting one.")
    p_truth: float | None = Field(
        description="That `chosen` is the better one, if one is: goes to 0 or 1 as judgments "
        "accumulate."
    )
    strength: float | None
    judgments: int
    agreement: float | None
    adjudicated: Literal["chosen", "rejected", "tie", "both_bad", "split"] | None = Field(
        description="What a reviewer decided; `probability` stays that of annotators."
    )
    cause: str | None = Field(description="Why annotators differed, as the reviewer says.")
    adjudicated_blind: bool | None = Field(
        description="Whether the reviewer had not seen the judgments; null where nobody knows."
    )
    weight: float = Field(description="One over the pairs of the comparison: 1 where it has two.")
    group_id: UUID = Field(
        description="The same for rows that follow from one comparison, or one judgment."
    )
    comparison_id: UUID
    prompt_id: UUID
    chosen_id: UUID
    rejected_id: UUID
    chosen_source: str | None
    rejected_source: str | None
    tags: list[str]
    split: Literal["train", "validation", "test"]
