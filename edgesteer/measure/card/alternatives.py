"""Alternatives to adding: other operations with the same vector, and a prompt, at equal damage.

Does not know what is made of the answers (beside.py).

add       the vector added, at strength 1: what the others are held against
keepnorm  added, and then the norm of the residual stream restored
ablate    its direction taken out; it has no positive side, and may cost less than the rest
clamp     the component along it set to a value, at the middle one of its layers
rotate    turned towards it from the mean of neutral text, norm kept, at its layers
gated     added only at tokens whose read-out below its layers lies under the median
prompt    the persona as system message; its KL can not be chosen

Equal damage is equal mean KL on neutral text. KL on the model's own answers stands beside it, which
a prompt has too.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgesteer.errors import EdgesteerError, InputError
from edgesteer.layers import LayerRange, as_layers
from edgesteer.measure.asking import question_text
from edgesteer.measure.card.asker import NOTHING, Asker, Way
from edgesteer.measure.card.dose import Dial, Dose, find_doses
from edgesteer.measure.card.parts import ask_prompt
from edgesteer.measure.card.raw import KNOWLEDGE_SET
from edgesteer.measure.card.subject import Subject
from edgesteer.measure.kl import kl
from edgesteer.measure.texts import PROMPTS
from edgesteer.model import Model
from edgesteer.names import did_you_mean
from edgesteer.steering import Gate, Steering, Term
from edgesteer.vector import ControlVector

__all__ = ["ALTERNATIVES", "Alternative", "ask_alternatives", "check_alternatives"]

ALTERNATIVES = ("add", "keepnorm", "ablate", "clamp", "rotate", "gated", "prompt")
_OWN_TOKENS = 20


@dataclass(frozen=True)
class Alternative:
    """One way to get at the trait. `make` steers at a dose; `two_sided`: a negative dose too."""

    kind: str
    dial: Dial
    two_sided: bool = True

    def label(self, subject: Subject) -> str:
        """What the raw numbers call it."""
        return subject.name if self.kind == "add" else f"{subject.name}/{self.kind}"


def check_alternatives(kinds: Sequence[str]) -> tuple[str, ...]:
    """The kinds, "add" first. Raises InputError with the nearest names."""
    for kind in kinds:
        if kind not in ALTERNATIVES:
            near = did_you_mean(kind, ALTERNATIVES)
            hint = near or f"there are {', '.join(ALTERNATIVES)}"
            raise InputError(f"no alternative called {kind!r}", hint)
    return tuple(dict.fromkeys(["add", *kinds]))


def ask_alternatives(
    asker: Asker, subject: Subject, kinds: Sequence[str], notes: list[str]
) -> list[dict[str, Any]]:
    """Asks with each alternative at the KL of strength 1; returns what each was, as plain data."""
    made = list[Alternative]()
    for kind in kinds:
        if kind == "prompt":
            continue
        try:
            made.append(_MAKERS[kind](asker.model, subject))
        except EdgesteerError as error:
            notes.append(f"{subject.name}: no {kind}: {error.message}")
    target = asker.raw.damage[subject.name, 1.0, asker.as_model].kl_mean
    others = [one for one in made if one.kind != "add"]
    if others and not 0 < target < math.inf:
        notes.append(
            f"{subject.name}: no {', '.join(one.kind for one in others)}: adding it costs neutral "
            f"text {target:g} nats a token, and nothing can be brought to that"
        )
        others = []
    doses = find_doses(asker.neutral_text, [one.dial for one in others], target)
    found = [_asked(asker, subject, made[0], Dose(1.0, target, True))]
    found += [_asked(asker, subject, one, dose) for one, dose in zip(others, doses, strict=True)]
    if "prompt" in kinds:
        if subject.personas is None:
            notes.append(f"{subject.name}: no prompt to compare with: no persona is known")
        else:
            ask_prompt(asker, subject)
            own = _prompt_cost(asker.model, subject.personas[0])
            found.append({"subject": subject.name, "kind": "prompt", "own_p95": own})
    return found


def _asked(asker: Asker, subject: Subject, one: Alternative, dose: Dose) -> dict[str, Any]:
    label, steering = one.label(subject), one.dial.make(dose.dose)
    up = Way(label, 1.0, steering)
    ways = [NOTHING, up]
    if one.two_sided:
        ways.append(Way(label, -1.0, one.dial.make(-dose.dose)))
    asker.margins(subject.set_name, ways, "alternatives")
    asker.answers(subject.set_name, [up], subject.judge)
    if asker.settings.knowledge:
        asker.margins(KNOWLEDGE_SET, [NOTHING, up], "knowledge")
    own = asker.meter.measure(steering).own_p95
    return {
        "subject": subject.name,
        "kind": one.kind,
        "label": label,
        "steering": str(steering),
        "dose": dose.dose,
        "kl": dose.kl,
        "reached": dose.reached,
        "two_sided": one.two_sided,
        "own_p95": own,
    }


def _add(_model: Model, subject: Subject) -> Alternative:
    return Alternative("add", Dial(subject.steering.__mul__))


def _term(subject: Subject, strength: float, **changes: Any) -> Steering:
    """The subject's vector at its layers, in another way."""
    layers = as_layers(changes.pop("layers", subject.layers))
    name = subject.vector.name or "vector"
    return Steering((Term(name, strength, layers, vector=subject.vector, **changes),))


def _unit(subject: Subject) -> float:
    return subject.steering.terms[0].strength


def _keepnorm(_model: Model, subject: Subject) -> Alternative:
    unit = _unit(subject)
    return Alternative(
        "keepnorm", Dial(lambda x: _term(subject, x * unit, operation="keepnorm"), (1.0, 2.0))
    )


def _ablate(_model: Model, subject: Subject) -> Alternative:
    dial = Dial(lambda x: _term(subject, min(x, 1.0), operation="ablate"), (0.5, 1.0), most=1.0)
    return Alternative("ablate", dial, two_sided=False)


def _clamp(_model: Model, subject: Subject) -> Alternative:
    middle = subject.layers[len(subject.layers) // 2]
    sign = 1.0 if _unit(subject) > 0 else -1.0
    return Alternative(
        "clamp", Dial(lambda x: _term(subject, sign * x, operation="clamp", layers=(middle,)))
    )


def _rotate(model: Model, subject: Subject) -> Alternative:
    layers = [layer for layer in subject.layers if layer in subject.vector.directions]
    mean = _neutral_mean(model, layers)
    start = ControlVector(dict(zip(layers, mean, strict=True)), subject.vector.model, name="mean")
    toward = subject.vector if _unit(subject) > 0 else subject.vector.scaled(-1.0)

    def make(angle: float) -> Steering:
        term = Term(
            "mean",
            angle,
            LayerRange.of(layers),
            operation="rotate",
            toward=toward.name or "vector",
            vector=start,
            toward_vector=toward,
        )
        return Steering((term,))

    return Alternative("rotate", Dial(make, (2.0, 6.0), most=90.0))


def _gated(model: Model, subject: Subject) -> Alternative:
    below = [n for n in subject.vector.layers if n < subject.layers[0]]
    if not below:
        raise InputError("the vector carries no layer below those that it steers", "")
    layer, name = below[-1], subject.vector.name or "vector"
    direction = subject.vector.directions[layer].astype(np.float64)
    reads = _neutral_rows(model, layer) @ (direction / np.linalg.norm(direction))
    gate = Gate(name, float(np.median(reads)), layer, above=False, scope="token", unit="raw")
    unit = _unit(subject)

    def make(strength: float) -> Steering:
        return _term(subject, strength * unit, gate=gate, gate_vector=subject.vector)

    return Alternative("gated", Dial(make, (1.0, 1.5)), two_sided=False)


_MAKERS: dict[str, Callable[[Model, Subject], Alternative]] = {
    "add": _add,
    "keepnorm": _keepnorm,
    "ablate": _ablate,
    "clamp": _clamp,
    "rotate": _rotate,
    "gated": _gated,
}


def _neutral_mean(model: Model, layers: Sequence[int]) -> Any:
    """float32 ``[len(layers), n_embd]``: the mean residual stream of some plain questions."""
    texts = [question_text(model, prompt) for prompt in PROMPTS]
    return model.capture(texts, layers, "mean").rows.mean(axis=0)


def _neutral_rows(model: Model, layer: int) -> Any:
    """float64 ``[tokens, n_embd]``: the residual stream of plain questions at a layer."""
    rows = [
        model.capture([question_text(model, prompt)], [layer], "all").rows[1:, 0]
        for prompt in PROMPTS
    ]
    return np.concatenate(rows).astype(np.float64)


def _prompt_cost(model: Model, persona: str) -> float:
    """95th percentile of KL(prompted || plain) over greedy answers under the persona."""
    asked = [[question_text(model, p, system) for system in (persona, None)] for p in PROMPTS]
    replies = model.ask_many(
        [told for told, _ in asked],
        raw=True,
        temperature=0.0,
        max_tokens=_OWN_TOKENS,
        ignore_eos=True,
    )
    costs = []
    for heads, reply in zip(asked, replies, strict=True):
        answer = model.tokenize(reply.text, special=False)
        told, plain = (
            model.logits([*head, *answer], first=len(head) - 1)
            for head in (model.tokenize(text) for text in heads)
        )
        costs.append(kl(told, plain))
    return float(np.percentile(np.concatenate(costs), 95))
