"""What every access rule is: the base that the rules of pages (`app/web/access.py`) and those of
the API (`app/api/access.py`) share, which know nothing of each other."""

from __future__ import annotations

from abc import ABC, abstractmethod

from app.models.accounts import Role


def reaches(role: Role | str | None, needed: Role) -> bool:
    """Whether this role (None: nobody) is the needed one or one above it."""
    ranks = list(Role)
    return role is not None and ranks.index(Role(role)) >= ranks.index(needed)


def lower(one: Role | str, other: Role | str) -> Role:
    """The role that may less."""
    return min(Role(one), Role(other), key=list(Role).index)


class Rule(ABC):
    """What a route asks of whoever calls it. A route depends on exactly one rule: an instance of a
    subclass, whose `__call__` gives the caller or raises SignInRequired or Forbidden."""

    @abstractmethod
    def allows(self, role: Role | None) -> bool:
        """Whether the rule lets somebody of this role through; None is nobody."""
