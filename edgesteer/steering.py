"""Steering: what is applied to a model, as text, as a value and as one composed buffer.

Does not know the engine, files or the library: names are looked up by a function given to `bind`.
"""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Union

from edgesteer.errors import EdgesteerWarning, SteeringError
from edgesteer.layers import FIRST_LAYER
from edgesteer.steering_text import check_number, format_term, parse_number, parse_text, suggest
from edgesteer.terms import Gate, Operation, Scope, Term

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from edgesteer.identity import ModelIdentity
    from edgesteer.vector import ControlVector

__all__ = ["PLAIN", "Gate", "Operation", "Scope", "Steerable", "Steering", "Term", "as_steering"]

PLAIN = "plain"
"""The fingerprint of a steering that changes nothing."""

Steerable = Union[
    None, str, Mapping[str, Any], "ControlVector", Term, "Steering", list[Any], tuple[Any, ...]
]
"""What `as_steering` takes."""


@dataclass(frozen=True)
class Steering:
    """An immutable list of terms, applied together.

    >>> mix = Steering.parse("calm=1.2@8-16 formal=-0.5")
    >>> str(mix * 2)
    'calm=2.4@8-16 formal=-1'
    >>> Steering.parse(str(mix)) == mix
    True
    """

    terms: tuple[Term, ...] = ()
    _memo: dict[Any, Any] = field(
        default_factory=dict, init=False, repr=False, compare=False, hash=False
    )

    def __post_init__(self) -> None:
        terms = tuple(self.terms)
        for term in terms:
            if not isinstance(term, Term):
                raise SteeringError(
                    f"a steering is made of terms, not {type(term).__name__}",
                    "use Steering.parse(text) or as_steering(value)",
                )
        object.__setattr__(self, "terms", terms)

    @classmethod
    def parse(cls, text: str) -> Steering:
        """Reads "calm=1.2@8-16 formal=-0.5". Raises SteeringError and LayerError."""
        return cls(tuple(Term.from_dict(data) for data in parse_text(text)))

    def __str__(self) -> str:
        return " ".join(format_term(term.to_dict()) for term in self.terms)

    def to_dict(self) -> dict[str, Any]:
        """{"terms": [one dict a term]}, plain data."""
        return {"terms": [term.to_dict() for term in self.terms]}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Steering:
        """The steering in a dict: of `to_dict`, or {name: strength, ...}, or of one term.

        Raises SteeringError and LayerError.
        """
        terms = data.get("terms")
        if isinstance(terms, (list, tuple)):
            if extra := [key for key in data if key != "terms"]:
                raise SteeringError(f"a steering has no {extra[0]!r}", suggest(extra[0], ["terms"]))
            return cls(tuple(Term.from_dict(_mapping(item)) for item in terms))
        if isinstance(data.get("vector"), str):
            return cls((Term.from_dict(data),))
        return cls(tuple(_short_term(name, value) for name, value in data.items()))

    def __iter__(self) -> Iterator[Term]:
        return iter(self.terms)

    def __len__(self) -> int:
        return len(self.terms)

    def __bool__(self) -> bool:
        return any(term.acts for term in self.terms)

    def __add__(self, other: ControlVector | Steering | Term) -> Steering:
        """Both together. Terms that add the same vector in the same way become one."""
        return Steering(_merged(self.terms + as_steering(other).terms))

    def __radd__(self, other: object) -> Steering:
        # sum() starts with 0
        return self if other == 0 else as_steering(other) + self  # type: ignore[arg-type]

    def __sub__(self, other: ControlVector | Steering | Term) -> Steering:
        return self + -as_steering(other)

    def __neg__(self) -> Steering:
        return self * -1.0

    def __mul__(self, factor: float) -> Steering:
        """All strengths times `factor`."""
        number = check_number(factor, "the factor of a steering")
        return Steering(tuple(replace(t, strength=t.strength * number) for t in self.terms))

    __rmul__ = __mul__

    def __truediv__(self, divisor: float) -> Steering:
        number = check_number(divisor, "the divisor of a steering")
        if number == 0:
            raise SteeringError("a steering can not be divided by 0", "divide by another number")
        return Steering(tuple(replace(t, strength=t.strength / number) for t in self.terms))

    @property
    def labels(self) -> tuple[str, ...]:
        """One key a term: its name; the second and later terms of one name get #2, #3, ..."""
        names = {term.name for term in self.terms}
        seen: set[str] = set()
        labels: list[str] = []
        for term in self.terms:
            label, count = term.name, 1
            while label in seen or (count > 1 and label in names):
                count += 1
                label = f"{term.name}#{count}"
            seen.add(label)
            labels.append(label)
        return tuple(labels)

    @property
    def strengths(self) -> dict[str, float]:
        """{label: strength}, in the order of the terms; a label is the name (see `labels`)."""
        return {k: t.strength for k, t in zip(self.labels, self.terms, strict=True)}

    def with_strength(self, name: str, strength: float) -> Steering:
        """The same with another strength at that label. Raises SteeringError when there is none."""
        index = self._index(name)
        term = replace(
            self.terms[index], strength=check_number(strength, f"the strength of {name}")
        )
        return Steering((*self.terms[:index], term, *self.terms[index + 1 :]))

    def without(self, name: str) -> Steering:
        """The same without that label's term. Raises SteeringError when there is none."""
        index = self._index(name)
        return Steering(self.terms[:index] + self.terms[index + 1 :])

    def updated(self, more: Steering) -> Steering:
        """The same with the terms of `more`, which replace terms of the same name."""
        names = {term.name for term in more.terms}
        return Steering((*(t for t in self.terms if t.name not in names), *more.terms))

    def _index(self, label: str) -> int:
        labels = self.labels
        if label not in labels:
            hint = suggest(label, labels) if labels else f"add it first: {label}=1"
            raise SteeringError(f"the steering has no {label!r}", hint)
        return labels.index(label)

    def bind(self, find: Callable[[str], ControlVector]) -> Steering:
        """The same with vectors attached to every name (terms, gates, toward) by `find`.

        Each name is looked up once. What `find` raises passes through.
        """
        if self.bound:
            return self
        found: dict[str, ControlVector] = {}

        def find_once(name: str) -> ControlVector:
            if name not in found:
                found[name] = find(name)
            return found[name]

        return Steering(tuple(term.bind(find_once) for term in self.terms))

    @property
    def bound(self) -> bool:
        """True when every term is bound."""
        return all(term.bound for term in self.terms)

    @property
    def static(self) -> bool:
        """True when one native control vector can carry all that acts."""
        return all(term.static for term in self.terms if term.acts)

    def split(self) -> tuple[Steering, Steering]:
        """(what one control vector can carry, all the rest), of the terms that act."""
        acting = [term for term in self.terms if term.acts]
        return (
            Steering(tuple(term for term in acting if term.static)),
            Steering(tuple(term for term in acting if not term.static)),
        )

    def compose(self, n_layer: int, n_embd: int) -> NDArray[np.float32]:
        """The sum of strength * direction over the terms: read-only float32 [n_layer-1, n_embd].

        Independent of the order of the terms; opposite strengths cancel exactly. Raises
        SteeringError when a term is not bound, is not static, or when the sum overflows;
        VectorMismatchError when a width differs; LayerError when a layer does not exist.
        """
        if not self.static:
            raise self._not_plain("split() sets it apart")
        key = (n_layer, n_embd)
        if key not in self._memo:
            from edgesteer.compose import compose_terms

            self._memo[key] = compose_terms(self.terms, n_layer, n_embd)
        buffer: NDArray[np.float32] = self._memo[key]
        return buffer

    def _not_plain(self, hint: str) -> SteeringError:
        other = next(term for term in self.terms if term.acts and not term.static)
        return SteeringError(f"{format_term(other.to_dict())} is no plain addition", hint)

    def fingerprint(self, n_layer: int, n_embd: int) -> str:
        """What a cache is keyed by: "plain" when nothing changes, else a SHA-256 (hex).

        Steerings whose static terms add up to the same get the same fingerprint; other terms enter
        by what they do and by their vectors' digests, in order, not by their names. Raises as
        `compose` does.
        """
        key = ("fingerprint", n_layer, n_embd)
        if key not in self._memo:
            from edgesteer.compose import acting_fields

            static, rest = self.split()
            buffer = static.compose(n_layer, n_embd)
            fields = [acting_fields(term, n_layer, n_embd) for term in rest.terms]
            if not fields and not buffer.any():
                self._memo[key] = PLAIN
            else:
                head = json.dumps([n_layer, n_embd, fields]).encode()
                digest = hashlib.sha256(head)
                digest.update(buffer.reshape(-1).data)
                self._memo[key] = digest.hexdigest()
        text: str = self._memo[key]
        return text

    def vector(self, name: str = "mix") -> ControlVector:
        """All terms baked into one vector, which at strength 1 does what this steering does.

        Raises SteeringError when a term is no plain addition, when models are not known well enough
        or when nothing is left; VectorMismatchError when the vectors belong to different models.
        """
        from edgesteer.compose import least_layers, vector_of
        from edgesteer.vector import ControlVector

        vectors = [vector_of(term) for term in self.terms if term.acts]
        if not vectors:
            raise SteeringError("there is nothing to bake: no term acts", "raise a strength")
        models = [v.model for v in vectors if v.model is not None]
        for model in models[1:]:
            models[0].check_fits(model)
        if not self.static:
            raise self._not_plain(
                "one vector holds only plain additions: leave out on, decay, after, if and other "
                "operations, or keep it all as a recipe"
            )
        n_layer = models[0].n_layer if models else least_layers(self.terms)
        buffer = self.compose(n_layer, vectors[0].n_embd)
        directions = {n: row for n, row in enumerate(buffer, FIRST_LAYER) if row.any()}
        if not directions:
            raise SteeringError("there is nothing to bake: the terms cancel", "change a strength")
        known = models[0] if len(models) == len(vectors) else None
        return ControlVector(directions, known, name=name, meta={"mix": str(self)})

    def check(
        self, identity: ModelIdentity, note: Callable[[EdgesteerWarning], object] | None = None
    ) -> None:
        """Returns when every term fits that model.

        Raises SteeringError (not bound), VectorMismatchError (another model, another width) and
        LayerError (a layer that does not exist or is not carried, a gate above its term). Warns
        with StrengthWarning outside a calibrated band or away from the layers that it was measured
        on, and with FitWarning when another tool's file does not tell whether its vector fits, or
        when a layer asked for is not carried; `note` takes the warnings where it is given.
        """
        from edgesteer.fit import check_strengths, check_term

        found = [warning for term in self.terms for warning in check_term(term, identity)]
        for warning in [*found, *check_strengths(self.terms, identity.n_layer)]:
            if note is None:
                warnings.warn(warning, stacklevel=2)
            else:
                note(warning)


def as_steering(value: Steerable) -> Steering:
    """A Steering from nothing, text, a dict, a vector, a term, a steering or a list of those.

    Raises SteeringError and LayerError.
    """
    if isinstance(value, Steering):
        return value
    if value is None:
        return Steering()
    if isinstance(value, str):
        return Steering.parse(value)
    if isinstance(value, Term):
        return Steering((value,))
    if isinstance(value, Mapping):
        return Steering.from_dict(value)
    if isinstance(value, (list, tuple)):
        return Steering(tuple(term for item in value for term in as_steering(item).terms))
    from edgesteer.vector import ControlVector

    if isinstance(value, ControlVector):
        return Steering((Term(value.name or "vector", vector=value),))
    raise SteeringError(
        f"{type(value).__name__} is no steering",
        "use text such as calm=1.2@8-16, a dict, a ControlVector or a Steering",
    )


def _short_term(name: object, value: object) -> Term:
    """One item of {name: strength}; a dict or a text of strength and layers may stand there too."""
    if isinstance(value, Mapping):
        return Term.from_dict({"vector": name, **value})
    if isinstance(value, str):
        strength, _, layers = value.partition("@")
        data = {"vector": name, "strength": parse_number(strength, f"the strength of {name}")}
        return Term.from_dict(data | ({"layers": layers} if layers else {}))
    return Term.from_dict({"vector": name, "strength": value})


def _mapping(item: object) -> Mapping[str, Any]:
    if not isinstance(item, Mapping):
        raise SteeringError(f"a term must be a dict, not {item!r}"[:200], '{"vector": "calm"}')
    return item


def _merged(terms: tuple[Term, ...]) -> tuple[Term, ...]:
    """Terms that add, alike in all but strength, as one at the place of the first."""
    merged: dict[Any, Term] = {}
    for number, term in enumerate(terms):
        key = replace(term, strength=0.0) if term.operation == "add" else number
        if key in merged:
            total = merged[key].strength + term.strength
            merged[key] = replace(term, strength=total)
        else:
            merged[key] = term
    return tuple(merged.values())
