"""The form of pay rates: texts as an admin writes them, to rates or to what is wrong."""

from __future__ import annotations

import math
from typing import Annotated

from pydantic import BaseModel, Field

from app.errors import InvalidInput
from app.models.accounts import AnnotatorKind
from app.services.pay import PayRates, Rate

Entry = Annotated[str, Field(max_length=40)]


class PayForm(BaseModel):
    """What was written into each field; an empty amount is no rate."""

    currency: Entry = ""
    person_amount: Entry = ""
    person_per: Entry = "judgment"
    imported_amount: Entry = ""
    imported_per: Entry = "judgment"
    simulated_amount: Entry = ""
    simulated_per: Entry = "judgment"
    model_amount: Entry = ""
    model_per: Entry = "judgment"


def form_of(rates: PayRates) -> PayForm:
    fields = {"currency": rates.currency}
    for kind, rate in rates.rates.items():
        fields[f"{kind}_amount"] = f"{rate.amount:.10g}"
        fields[f"{kind}_per"] = rate.per
    return PayForm(**fields)


def read(form: PayForm) -> PayRates:
    """Raises InvalidInput with one sentence about the first field that is wrong."""
    rates = {}
    for kind in AnnotatorKind:
        text = getattr(form, f"{kind}_amount").strip()
        if text:
            rates[kind] = Rate(amount=_amount(kind, text), per=getattr(form, f"{kind}_per"))
    return PayRates(currency=form.currency.strip(), rates=rates)


def _amount(kind: AnnotatorKind, text: str) -> float:
    try:
        amount = float(text)
    except ValueError:
        amount = math.nan
    if not math.isfinite(amount):
        raise InvalidInput(f"The amount for {kind} is “{text}”; write a number such as 0.35.")
    return amount
