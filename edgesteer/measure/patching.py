"""Activation patching: at which layers and tokens is a trait carried, and how much by one vector.

Knows nothing of pictures, and nothing of how the pairs came about.

Two prompts that end in the same tokens are read: one with the trait, one without. Then single
activations of the first are put into the second, and it is measured how far the model's answer
moves over (Meng et al. 2022, arXiv 2202.05262; Zhang and Nanda 2024, arXiv 2309.16042). With y+ and
y- the two greedy answers and m = mean log p(y+) - mean log p(y-):

    recovered = (m(patched) - m(without)) / (m(with) - m(without))

0: the patch changes nothing; 1: the answer is as likely as if the trait had been asked for. As the
run without is otherwise untouched, putting h+ in place of h- is the same as adding h+ - h- there,
so a patch is a steering like any other and many run in one batch. Along a vector only the part of
h+ - h- that lies along its direction is added (Makelov et al. 2023, arXiv 2311.17030, on why such
a patch may also wake a direction that was asleep: read it beside the full patch, never alone).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgesteer.errors import InputError
from edgesteer.layers import LayerRange, as_layers
from edgesteer.model import Model
from edgesteer.steering import Steering, Term
from edgesteer.vector import ControlVector

__all__ = ["PatchMap", "patch_map"]

Wide = NDArray[np.float64]
Progress = Callable[[int, int, str], None]

#: Nats a token: two prompts whose answers differ by less have nothing to recover.
LEAST_CONTRAST = 0.2
#: A layer carries the trait where patching it at all shared tokens recovers this share of the most.
CARRIES = 0.5


@dataclass(frozen=True, eq=False)
class PatchMap:
    """What was recovered, averaged over pairs: sums of numerators over sums of denominators.

    layers     the layers that were patched
    tokens     the text of the patched tokens, the same in all prompts, in order
    full       float64 [L, T]: one layer and one token at a time
    whole      float64 [L]: all those tokens of one layer at once
    along      as `full`, only the part along the vector; None without one
    along_whole  as `whole`, along the vector
    contrasts  float64 [n]: m(with) - m(without) of each pair, nats a token
    """

    layers: tuple[int, ...]
    tokens: tuple[str, ...]
    full: Wide
    whole: Wide
    contrasts: Wide
    along: Wide | None = None
    along_whole: Wide | None = None
    vector: str = ""
    skipped: int = 0

    @property
    def candidates(self) -> LayerRange:
        """The layers that carry the trait by the time of the last tokens: a list for a sweep.

        Layers at which all tokens together recover at least half of the best layer's share.
        """
        best = float(self.whole.max())
        if best <= 0:
            return LayerRange.of(self.layers)
        kept = [x for x, w in zip(self.layers, self.whole, strict=True) if w >= CARRIES * best]
        return LayerRange.of(kept)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        facts: dict[str, Any] = {
            "layers": list(self.layers),
            "tokens": list(self.tokens),
            "full": _rounded(self.full),
            "whole": _rounded(self.whole),
            "contrasts": _rounded(self.contrasts),
            "skipped": self.skipped,
            "candidates": str(self.candidates),
        }
        if self.along is not None and self.along_whole is not None:
            facts |= {
                "vector": self.vector,
                "along": _rounded(self.along),
                "along_whole": _rounded(self.along_whole),
            }
        return facts


def _rounded(values: Wide) -> Any:
    return np.round(values, 4).tolist()


def patch_map(
    model: Model,
    pairs: Sequence[tuple[str, str]],
    *,
    layers: LayerRange | str | None = None,
    vector: ControlVector | None = None,
    n_tokens: int = 16,
    n_answer: int = 8,
    least_contrast: float = LEAST_CONTRAST,
    progress: Progress | None = None,
) -> PatchMap:
    """The map of some rendered prompts (with the trait, without it) that end in the same tokens.

    Args:
        model: runs the patches, unsteered otherwise.
        pairs: rendered texts; what differs must lie before the shared tokens (a persona, say).
        layers: layers to patch; default all that can be steered.
        vector: also patch along its directions, at those layers that it carries.
        n_tokens: at most so many of the last shared tokens are patched.
        n_answer: tokens of the two answers that are compared.
        least_contrast: pairs whose answers differ by less are left out.
        progress: called with (patches done, in all, what).

    Raises:
        InputError: no pair, sides that do not end alike, or no pair whose answers differ.
    """
    chosen = as_layers("all" if layers is None else layers).resolve(model.n_layer)
    if not pairs:
        raise InputError("there is no pair to patch", "give one at least")
    ids = [tuple(model.tokenize(text) for text in pair) for pair in pairs]
    shared = min(_shared_end([one for pair in ids for one in pair]), n_tokens)
    if not shared:
        raise InputError(
            "the two sides do not end in the same tokens",
            "patch pairs that differ in their persona: what differs must come first",
        )
    tail = ids[0][0][-shared:]
    tokens = tuple(model.detokenize([token]) or "·" for token in tail)
    kinds: list[ControlVector | None] = [None] if vector is None else [None, vector]
    steps = len(kinds) * len(chosen)
    sums = np.zeros((2, len(chosen), shared + 1))
    contrasts: list[float] = []
    for number, texts in enumerate(pairs):
        pair = _Pair(model, texts, chosen, shared, n_answer)
        if abs(pair.contrast) >= least_contrast and pair.answers[0] != pair.answers[1]:
            contrasts.append(pair.contrast)
            for step, (kind, row) in enumerate(np.ndindex(len(kinds), len(chosen))):
                sums[kind, row] += pair.moved(row, kinds[kind])
                if progress is not None:
                    progress(number * steps + step + 1, len(pairs) * steps, "layers of pairs")
    if not contrasts:
        raise InputError(
            "the two sides of no pair are answered differently: there is nothing to recover",
            "take pairs whose personas change the answer",
        )
    recovered = np.round(sums / sum(contrasts), 6)
    return PatchMap(
        layers=chosen,
        tokens=tokens,
        full=recovered[0, :, :-1],
        whole=recovered[0, :, -1],
        contrasts=np.array(contrasts),
        along=recovered[1, :, :-1] if vector is not None else None,
        along_whole=recovered[1, :, -1] if vector is not None else None,
        vector=(vector.name or "vector") if vector is not None else "",
        skipped=len(pairs) - len(contrasts),
    )


def _shared_end(texts: Sequence[Sequence[int]]) -> int:
    """How many last tokens are the same in all texts; each keeps at least one of its own."""
    shortest, n = min(map(len, texts)) - 1, 0
    while n < shortest and len({text[-1 - n] for text in texts}) == 1:
        n += 1
    return n


class _Pair:
    """One pair: its two answers, the differences to patch, and what a patch moves."""

    def __init__(
        self,
        model: Model,
        texts: tuple[str, str],
        layers: tuple[int, ...],
        shared: int,
        n_answer: int,
    ) -> None:
        self._model, self._prompt, self._layers = model, texts[1], layers
        ids = [model.tokenize(text) for text in texts]
        self._start = len(ids[1]) - shared
        rows = [model.capture([one], layers, "all").rows[-shared:] for one in ids]
        self._differences = rows[0] - rows[1]  # [T, L, d]
        replies = model.ask_many(
            list(texts), raw=True, temperature=0.0, max_tokens=n_answer, ignore_eos=True
        )
        self.answers = tuple(reply.text for reply in replies)
        self._without = float(self._margins([None], texts[1])[0])
        self.contrast = float(self._margins([None], texts[0])[0]) - self._without

    def _margins(self, steers: Sequence[Steering | None], prompt: str) -> Wide:
        """m of each steering behind a prompt: float64 [n]."""
        if not all(self.answers):
            return np.zeros(len(steers))
        n = len(steers)
        scores = self._model.score(
            [prompt] * (2 * n),
            [self.answers[0]] * n + [self.answers[1]] * n,
            steer=[*steers, *steers],
            raw=True,
        )
        means = np.array([score.mean for score in scores])
        margins: Wide = means[:n] - means[n:]
        return margins

    def moved(self, row: int, vector: ControlVector | None) -> Wide:
        """m(patched) - m(without) at one layer: each token alone, then all: float64 [T + 1]."""
        layer, D = self._layers[row], self._differences[:, row]
        if vector is not None:
            if layer not in vector.directions:
                return np.zeros(len(D) + 1)
            u = vector.directions[layer].astype(np.float64)
            u /= max(float(np.linalg.norm(u)), 1e-30)
            D = np.outer(D @ u, u).astype(np.float32)
        terms = [
            Term(
                f"patch-{t}",
                layers=LayerRange.of([layer]),
                positions=f"{self._start + t}-{self._start + t}",
                vector=ControlVector({layer: D[t]}, self._model.identity, name=f"patch-{t}"),
            )
            for t in range(len(D))
        ]
        steers = [*(Steering((term,)) for term in terms), Steering(tuple(terms))]
        return self._margins(steers, self._prompt) - self._without
