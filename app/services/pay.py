"""What a project pays its annotators, by their kind: one entry of the project's settings."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from app.errors import InvalidInput
from app.models.accounts import Annotator, AnnotatorKind
from app.models.projects import Project
from app.rules.costs import Pay
from app.services import audit
from app.services.audit import Action

UNITS = ("judgment", "hour")
CURRENCY = re.compile(r"[A-Z]{3}")
MOST = 1_000_000.0


@dataclass(frozen=True, kw_only=True)
class Rate:
    """Raises InvalidInput for an amount or a unit that is none."""

    amount: float
    per: str
    """One of UNITS; an hour is one of active time."""

    def __post_init__(self) -> None:
        if not (math.isfinite(self.amount) and 0 <= self.amount <= MOST):
            raise InvalidInput(f"A rate is {self.amount:g}; write an amount from 0 to 1000000.")
        if self.per not in UNITS:
            raise InvalidInput(f"A rate is per {self.per[:40]!r}; choose judgment or hour.")

    @property
    def pay(self) -> Pay:
        if self.per == "hour":
            return Pay(per_hour=self.amount)
        return Pay(per_judgment=self.amount)


@dataclass(frozen=True, kw_only=True)
class PayRates:
    """Raises InvalidInput for a currency that is no code of three letters."""

    currency: str = "USD"
    rates: dict[AnnotatorKind, Rate] = field(default_factory=dict)
    """Kinds that are not named cost nothing."""

    def __post_init__(self) -> None:
        if not CURRENCY.fullmatch(self.currency):
            raise InvalidInput(
                f"The currency is {self.currency[:40]!r}; write a code of three capital letters "
                "such as EUR."
            )


def of(project: Project) -> PayRates:
    kept: dict[str, Any] | None = project.settings.get("pay")
    if kept is None:
        return PayRates()
    return PayRates(
        currency=kept["currency"],
        rates={AnnotatorKind(kind): Rate(**rate) for kind, rate in kept["rates"].items()},
    )


def change(
    session: Session, project: Project, rates: PayRates, *, by: Annotator | None, now: datetime
) -> None:
    """Pay by other rates, for what was judged too; other settings stay as they are."""
    session.refresh(project, with_for_update={"key_share": True})
    kept = {
        "currency": rates.currency,
        "rates": {
            str(kind): {"amount": rate.amount, "per": rate.per}
            for kind, rate in rates.rates.items()
        },
    }
    project.settings = {**project.settings, "pay": kept}
    # Whoever changes another setting in this transaction reads them anew.
    session.flush()
    audit.record(
        session,
        by=by,
        action=Action.PAY_CHANGED,
        subject=f"project {project.slug}",
        details=kept,
        now=now,
    )
