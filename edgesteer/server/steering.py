"""Which steering acts on a request: its own, its recipe's or the live default, kept here too.

Does not know HTTP, nor how steering is carried out.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from edgesteer.errors import EdgesteerError, EdgesteerWarning, InputError
from edgesteer.server.errors import FieldError, RequestError, failure_of
from edgesteer.steering import Steering

if TYPE_CHECKING:
    from edgesteer.engine.job import Job
    from edgesteer.model import Model
    from edgesteer.server.vectors import NamedVectors

__all__ = ["Applied", "Binder", "LiveSteering"]

Source = Literal["request", "recipe", "default"]


@dataclass(frozen=True)
class Applied:
    """The steering of one request, bound to vectors, and where it comes from."""

    steering: Steering
    source: Source
    model: str  # as the model box has it
    system: str | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)


_MOST_EDITS = 16
_LONGEST = 256  # characters of one term, on average


class Binder:
    """Reads steerings that came over HTTP and binds their names to vectors that fit the model."""

    def __init__(self, model: Model, vectors: NamedVectors, most_terms: int) -> None:
        self._model, self._vectors, self._most_terms = model, vectors, most_terms
        self._edits: set[str] = set()

    def read(self, value: str | Mapping[str, Any] | None) -> Steering:
        """The steering in a text or an object, bound and checked.

        Raises FieldError (422), which blames the field `steering`, for all that is wrong with it.
        """
        self._check_size(value)
        try:
            steering = Steering.parse(value) if isinstance(value, str) else _from_object(value)
            if len(steering) > self._most_terms:
                raise InputError(f"a steering of {len(steering)} terms, {self._most_terms} may be")
            return self.bind(steering)
        except RequestError:
            raise
        except EdgesteerError as error:
            failure = failure_of(error, hide=str(self._model.library.home))
            raise FieldError(
                "steering", failure.message, failure.hint, code=failure.code
            ) from error

    def _check_size(self, value: str | Mapping[str, Any] | None) -> None:
        """Refuse what would take long to read, before it is read. Raises FieldError."""
        terms = value.get("terms", value) if isinstance(value, Mapping) else ()
        too_long = isinstance(value, str) and len(value) > _LONGEST * self._most_terms
        if too_long or (isinstance(terms, (list, dict)) and len(terms) > 2 * self._most_terms):
            raise FieldError(
                "steering", "the steering is too long", f"{self._most_terms} terms may be"
            )

    def bind(self, steering: Steering) -> Steering:
        """A steering whose names are bound and which fits the model. Raises EdgesteerError."""
        bound = steering.bind(self._vectors.find)
        self._bound_edits(bound)
        return self._model.prepare(bound, _pass)

    def _bound_edits(self, steering: Steering) -> None:
        """Each ablation by weights is a file and stays in memory: requests get only so many."""
        edits = {
            f"{term.name}@{term.layers}"
            for term in steering.terms
            if term.by == "weights" and term.acts
        }
        if len(self._edits | edits) > _MOST_EDITS:
            raise InputError(
                f"this server has made {_MOST_EDITS} edits of the weights, which is the most",
                "leave by=weights out: the same ablation acts on the activations",
            )
        self._edits |= edits

    def warnings(self, steering: Steering) -> list[str]:
        """What is doubtful about a bound steering."""
        notes: list[EdgesteerWarning] = []
        steering.check(self._model.identity, notes.append)
        return [str(note) for note in notes]


class LiveSteering:
    """The default steering: a new one acts from the next token on, in running answers too.

    May be used from any thread.
    """

    def __init__(self, steering: Steering) -> None:
        self.steering = steering
        self.version = 1
        self.changed = time.time()
        self._jobs: set[Job] = set()

    def put(self, steering: Steering) -> int:
        """Steer by something else; returns how many running answers follow."""
        self.steering = steering
        self.version += 1
        self.changed = time.time()
        running = [job for job in list(self._jobs) if not job.done]
        for job in running:
            job.set_steering(steering)
        return len(running)

    def follow(self, job: Job) -> None:
        """Let an answer follow the default."""
        self._jobs.add(job)
        seen: Steering | None = None
        while (now := self.steering) is not seen:  # another may be put meanwhile
            if job.steering is not now and not job.done:  # it changed while this one started
                job.set_steering(now)
            seen = now

    def leave(self, job: Job) -> None:
        """Let an answer follow no more."""
        self._jobs.discard(job)


def _from_object(value: Mapping[str, Any] | None) -> Steering:
    return Steering.from_dict(value) if value else Steering()


def _pass(_warning: object) -> None:
    """The reply carries the warnings."""
