"""What is to be watched, as a person writes it -> read-outs that fit the model -> probes.

Knows nothing of how an answer is shown.

    calm               the read-out kept with the vector; its own direction, raw, when there is none
    calm@12            the same at that layer: raw, unless the read-out was fitted there
    "calm formal@12"   several
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from edgesteer.engine.watch import Probe
from edgesteer.errors import InputError
from edgesteer.identity import ModelIdentity
from edgesteer.monitor.readout import Readout
from edgesteer.names import NAME, unquote_name
from edgesteer.plain import shown
from edgesteer.vector import ControlVector

__all__ = ["as_probe", "as_readouts", "parse_watch"]

_ITEM = re.compile(rf"(?P<name>{NAME})(?:@(?P<layer>[0-9]{{1,6}}))?(?=\s|\Z)")
_SHAPE = "write a vector's name, with @LAYER where it is to be read elsewhere: calm formal@12"
Find = Callable[[str], ControlVector]


def as_readouts(watch: Any, model: ModelIdentity, find: Find) -> dict[str, Readout]:
    """name -> read-out that fits the model, in the order given; two of one name get their layers.

    `watch` is text, a Readout, a ControlVector, or a list of those; `find` gives the vector of a
    name. Raises InputError, LayerError, VectorMismatchError and what `find` raises.
    """
    found = list(_each(watch, find))
    if not found:
        raise InputError("there is nothing to watch", _SHAPE)
    names = [readout.name for readout in found]
    table: dict[str, Readout] = {}
    for readout in found:
        readout.check_fits(model)
        name = readout.name
        if names.count(name) > 1:
            name = f"{name}@{readout.layer}"
        if name in table:
            raise InputError(f"{name} is watched twice", "name it once")
        table[name] = readout
    return table


def as_probe(name: str, readout: Readout) -> Probe:
    """What the engine reads for a read-out: its score."""
    return Probe(
        name,
        readout.layer,
        (readout.direction / readout.scale).astype("float32"),
        readout.centre / readout.scale,
    )


def _each(watch: Any, find: Find) -> Iterable[Readout]:
    if isinstance(watch, Readout):
        yield watch
    elif isinstance(watch, ControlVector):
        yield _of(watch, None)
    elif isinstance(watch, str):
        for name, layer in parse_watch(watch):
            yield replace(_of(find(name), layer), name=name)
    elif isinstance(watch, Mapping):
        for name, item in watch.items():
            for readout in _each(item, find):
                yield readout.renamed(name)
    elif isinstance(watch, (list, tuple)):
        for item in watch:
            yield from _each(item, find)
    else:
        raise InputError(f"{shown(watch)} can not be watched", _SHAPE)


def parse_watch(text: str) -> Iterator[tuple[str, int | None]]:
    """(name, layer) of each vector in "calm formal@12". Raises InputError."""
    position = len(text) - len(text.lstrip())
    while position < len(text):
        match = _ITEM.match(text, position)
        if match is None:
            raise InputError(f"{text[position:][:60]!r} can not be watched", _SHAPE)
        name = unquote_name(match["name"])
        yield name, None if match["layer"] is None else int(match["layer"])
        rest = text[match.end() :]
        position = len(text) - len(rest.lstrip())


def _of(vector: ControlVector, layer: int | None) -> Readout:
    kept = Readout.of(vector)
    if kept is not None and layer in (None, kept.layer):
        return kept
    return Readout.raw(vector, layer)
