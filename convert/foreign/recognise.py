"""Who wrote a file of directions, and which layer its numbers mean: by evidence, which is told.

Does not change anything: bind.py moves the directions. What is only likely is said to be so.

A direction belongs to the output of the block whose number it has (edgesteer/layers.py). Tools that
differ, and what gives them away:

    llama.cpp cvector-generator   layer_count is an i32 and n_layer-1, all norms are 1: the
                                  direction measured behind block b is named b+1
    jukofyork/control-vectors     layer_count is a u32 and n_layer, norms vary: b+1 too
    hidden_states numbers         numbers 0..n_layer: 0 are the embeddings, b+1 is block b
    numbers up to n_layer         there is no such block, so blocks were counted from 1

repeng and dialz number right, but read the last layer behind the final norm: another basis.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from convert.foreign import Foreign
from edgesteer.errors import InputError, VectorMismatchError
from edgesteer.gguf_file import CONVENTION
from edgesteer.identity import ModelIdentity

__all__ = ["Recognised", "recognise"]

_EVEN = 1e-3  # norms that differ by less, relatively, count as one
_LATE = "that tool names the direction measured behind block b 'b+1'"
_RANDOM_SIGN = (
    "unless it was made with --method mean, every layer's sign is random: look at both signs, "
    "layer by layer"
)
_DELTAS = (
    "its directions are what each block adds, to be steered all at once: fewer layers do less than "
    "their share",
    "another tool may fill in layer_count alike: --layer-offset 0 if it was not jukofyork's",
)


@dataclass(frozen=True)
class Recognised:
    """What a file is taken for.

    producer   the tool, or "unknown"
    offset     what is added to the file's numbers to give the layer
    why        the evidence, for people
    doubts     what may be otherwise, for people; empty where the evidence is good
    post_norm  whether the last layer was (or may have been) read behind the final norm
    """

    producer: str
    offset: int
    why: str
    doubts: tuple[str, ...] = ()
    post_norm: bool = False


def recognise(foreign: Foreign, identity: ModelIdentity) -> Recognised:
    """What the file is taken for, on that model.

    Raises InputError for a stack whose rows do not tell their layers, and VectorMismatchError for a
    layer count that belongs to another model.
    """
    if foreign.own is not None:
        return Recognised("edgesteer", 0, "it has the key edgesteer.version")
    if foreign.layout == "stack":
        return _stack(len(foreign.rows), identity.n_layer)
    if foreign.layout == "single":
        return Recognised("unknown", 0, "it holds one direction without a layer number")
    if foreign.form == "gguf steeringvector":
        why = "its architecture is 'steeringvector', which dialz writes; dialz numbers as llama.cpp"
        return Recognised("dialz", 0, why, post_norm=True)
    ours = foreign.facts.get("edgesteer")
    if isinstance(ours, dict) and ours.get("layer_convention") == CONVENTION:
        return Recognised("edgesteer", 0, f"its metadata say {CONVENTION}")
    found = _by_count(foreign, identity.n_layer) if foreign.form.startswith("gguf") else None
    return found or _by_numbers(foreign, identity.n_layer)


def _stack(n_rows: int, n_layer: int) -> Recognised:
    if n_rows == n_layer + 1:
        why = f"{n_rows} rows for {n_layer} blocks are hidden_states: embeddings, then every block"
        return Recognised("unknown", -1, why, post_norm=True)
    if n_rows == n_layer:
        why = f"{n_rows} rows for {n_layer} blocks: one a block, counted from 0"
        return Recognised("unknown", 0, why)
    if n_rows == n_layer - 1:
        why = f"{n_rows} rows for {n_layer} blocks: every steerable layer, as llama.cpp's buffer"
        return Recognised("unknown", 1, why)
    raise InputError(
        f"the file has {n_rows} rows, the model {n_layer} blocks: which row is which is not known",
        "--layer-offset N says that row 0 is layer N",
    )


def _by_count(foreign: Foreign, n_layer: int) -> Recognised | None:
    """By a GGUF's layer_count, None where it tells nothing."""
    count, kind = foreign.facts.get("layer_count"), foreign.facts.get("layer_count_type")
    rows = [row for row in foreign.rows.values() if row.any()]
    norms = np.array([np.linalg.norm(row.astype(np.float64)) for row in rows] or [np.float64(0)])
    even = bool(np.ptp(norms) <= _EVEN * norms.max())
    unit = even and abs(norms[0] - 1.0) <= _EVEN
    top = max(foreign.rows)
    if kind == "i32" and unit and 0 not in foreign.rows:
        if count != n_layer - 1:
            raise VectorMismatchError(
                f"the file looks like cvector-generator's for {int(count or 0) + 1} layers (an i32 "
                f"layer_count of {count}), the model has {n_layer}",
                "give the model it was made for with -m, or --layer-offset to say what is what",
            )
        why = f"layer_count is an i32 and {count} = n_layer - 1, all norms are 1; {_LATE}"
        return Recognised("llama.cpp cvector-generator", -1, why, (_RANDOM_SIGN,))
    if kind == "i32":
        doubt = (
            "layer_count is an i32, as in files of llama.cpp's cvector-generator, but not all "
            "norms are 1: taken as it is numbered; --layer-offset -1 if it is one of those"
        )
        return Recognised("unknown", 0, "its tensors' numbers are taken for layers", (doubt,))
    if count == n_layer and count != len(foreign.rows) and not even and 0 not in foreign.rows:
        why = f"layer_count is {count} = n_layer and norms vary; {_LATE}"
        return Recognised("jukofyork/control-vectors", -1, why, _DELTAS)
    if count == len(foreign.rows) and top < n_layer:
        why = f"layer_count is {count}, the number of directions, as repeng writes it"
        if even:
            return Recognised("repeng", 0, f"{why}; all norms are equal", post_norm=True)
        return Recognised("repeng or alike", 0, f"{why}; norms vary", post_norm=True)
    return None


def _by_numbers(foreign: Foreign, n_layer: int) -> Recognised:
    low, top = min(foreign.rows), max(foreign.rows)
    if top == n_layer and low == 0:
        why = f"its numbers run from 0 to {top}, as hidden_states do: embeddings, then every block"
        return Recognised("unknown", -1, why, post_norm=True)
    if top == n_layer:
        why = (
            f"its numbers reach {top}, and the model's last block is {n_layer - 1}: counted from 1"
        )
        doubt = f"taken as one layer late ({why}); --layer-offset 0 if it is not"
        return Recognised("unknown", -1, why, (doubt,))
    doubt = (
        "nothing in it tells how layers are counted: its numbers are taken for blocks counted from "
        "0, as repeng and steering-vectors count; --layer-offset -1 if they are indices of "
        "hidden_states"
    )
    return Recognised("unknown", 0, "its numbers are taken for blocks counted from 0", (doubt,))
