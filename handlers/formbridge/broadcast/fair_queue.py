"""A queue that serves several tenants in turns: deficit round robin. Pure.

Each tenant is served until it has used up a quantum of work, then the next tenant is served. A tenant that uses more
than its quantum, for example because a connection receives several frames, skips turns until the others have caught up.
Therefore the time until a tenant's deliveries are made depends on its own work and on the number of tenants, not on the
work of the others. Source: Shreedhar and Varghese, "Efficient fair queueing using deficit round robin", SIGCOMM 1995,
https://doi.org/10.1145/217382.217453.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..posting.delivery import Delivery

QUANTUM: Final = 1.0
"""Work that a tenant may use in one turn, in posts."""


class Step(NamedTuple):
    """A step of a tenant's broadcast."""

    delivery: Delivery | None
    """The delivery that the step made. None: it made none, for example because no change passes the filter."""
    posts: float
    """The work of the step, in posts."""


@dataclass(slots=True)
class _Tenant:
    steps: Iterator[Step]
    credit: float = 0.0
    """Work that the tenant may still use in this turn. Negative: work that it has used in advance."""


@dataclass(slots=True)
class FairQueue:
    """Tenants that wait for their next turn."""

    _tenants: deque[_Tenant] = field(default_factory=deque["_Tenant"], init=False)

    def add(self, steps: Iterator[Step]) -> None:
        """Add a tenant at the end of the queue.

        Args:
            steps: The steps of the tenant's broadcast. A step is taken only when it is the tenant's turn.
        """
        self._tenants.append(_Tenant(steps))

    def serve(self) -> Iterator[Delivery]:
        """Yield the deliveries of all tenants in turns, until no steps are left."""
        while self._tenants:
            tenant = self._tenants.popleft()
            tenant.credit += QUANTUM
            while tenant.credit > 0 and (step := next(tenant.steps, None)) is not None:
                tenant.credit -= step.posts
                if step.delivery is not None:
                    yield step.delivery
            if tenant.credit <= 0:
                self._tenants.append(tenant)
