"""People and what lets them in: annotators, sessions, invitations, tokens, and the audit log."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import (
    JSON,
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Index,
    String,
    Text,
    UniqueConstraint,
)
from sqlalchemy.orm import Mapped, mapped_column

from app.db import Base, UtcDateTime


class Role(StrEnum):
    """What a person may do; each role may do all that the one before may."""

    ANNOTATOR = "annotator"
    REVIEWER = "reviewer"
    ADMIN = "admin"


class AnnotatorKind(StrEnum):
    """Where judgments of this annotator come from."""

    PERSON = "person"
    IMPORTED = "imported"
    SIMULATED = "simulated"
    MODEL = "model"


class Annotator(Base):
    """Whoever judges. Only a `person` has a password and can sign in."""

    __tablename__ = "annotators"
    __table_args__ = (
        CheckConstraint("role IN ('annotator', 'reviewer', 'admin')", name="role"),
        CheckConstraint("kind IN ('person', 'imported', 'simulated', 'model')", name="kind"),
        CheckConstraint("kind = 'person' OR password_hash IS NULL", name="only_people_sign_in"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    name: Mapped[str] = mapped_column(String(200), unique=True)
    """Sign-in name (an e-mail address, for example), or the imported identifier."""
    kind: Mapped[str] = mapped_column(String(20), default=AnnotatorKind.PERSON)
    role: Mapped[str] = mapped_column(String(20), default=Role.ANNOTATOR)
    password_hash: Mapped[str | None] = mapped_column(String(300))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    disabled_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class SignInSession(Base):
    """A signed-in browser. Only a hash of its token is stored."""

    __tablename__ = "sign_in_sessions"

    token_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    annotator_id: Mapped[UUID] = mapped_column(ForeignKey("annotators.id"), index=True)
    csrf_token: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime)


class Invitation(Base):
    """A link that lets one person choose a name and password once.

    With `annotator_id` set it is a one-time sign-in link for that account instead.
    """

    __tablename__ = "invitations"

    token_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    role: Mapped[str] = mapped_column(String(20))
    project_id: Mapped[UUID | None] = mapped_column(ForeignKey("projects.id"), index=True)
    annotator_id: Mapped[UUID | None] = mapped_column(ForeignKey("annotators.id"), index=True)
    invited_by: Mapped[UUID | None] = mapped_column(ForeignKey("annotators.id"))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime)
    used_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    used_by: Mapped[UUID | None] = mapped_column(ForeignKey("annotators.id"))


class ApiToken(Base):
    """A bearer token for `/api/v1`. Only its hash is stored."""

    __tablename__ = "api_tokens"
    __table_args__ = (CheckConstraint("role IN ('annotator', 'reviewer', 'admin')", name="role"),)

    token_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    id: Mapped[UUID] = mapped_column(unique=True, default=uuid4)
    """Names the token in lists; it lets nobody in."""
    annotator_id: Mapped[UUID] = mapped_column(ForeignKey("annotators.id"), index=True)
    label: Mapped[str] = mapped_column(String(200))
    scopes: Mapped[list[str]] = mapped_column(JSON)
    role: Mapped[str] = mapped_column(String(20))
    """What the owner was when it was made: it never acts as more, whatever the owner becomes."""
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime)
    last_used_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    revoked_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class Membership(Base):
    """Who works in which project."""

    __tablename__ = "memberships"

    project_id: Mapped[UUID] = mapped_column(ForeignKey("projects.id"), primary_key=True)
    annotator_id: Mapped[UUID] = mapped_column(
        ForeignKey("annotators.id"), primary_key=True, index=True
    )
    joined_at: Mapped[datetime] = mapped_column(UtcDateTime)
    groups: Mapped[list[str]] = mapped_column(JSON, default=list)
    """Names of the groups whose comparisons this member may judge beside the unrestricted ones."""


class Attempts(Base):
    """How often something was tried in a window of time: rate limits that all processes share."""

    __tablename__ = "attempts"

    bucket: Mapped[str] = mapped_column(String(100), primary_key=True)
    window: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    count: Mapped[int]


class AuditEntry(Base):
    """Append-only: who did what. Each entry's hash covers the one before."""

    __tablename__ = "audit_entries"
    __table_args__ = (UniqueConstraint("previous_hash"), Index("ix_audit_happened", "happened_at"))

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    happened_at: Mapped[datetime] = mapped_column(UtcDateTime)
    annotator_id: Mapped[UUID | None] = mapped_column(ForeignKey("annotators.id"))
    action: Mapped[str] = mapped_column(String(100))
    subject: Mapped[str] = mapped_column(Text)
    details: Mapped[dict[str, Any]] = mapped_column(JSON)
    previous_hash: Mapped[str] = mapped_column(String(64))
    hash: Mapped[str] = mapped_column(String(64))
