"""Hostile and broken control-vector files, built byte by byte from one function.

Does not know the reader: nothing of edgesteer is used here.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from pathlib import Path

F32, F16 = 0, 1
U8, U32, I32, F64, BOOL, STRING, ARRAY, U64 = 0, 4, 5, 12, 7, 8, 9, 10
WIDTH = 8
HUGE = 2**60


def string(text: str | bytes) -> bytes:
    data = text if isinstance(text, bytes) else text.encode("utf-8")
    return struct.pack("<Q", len(data)) + data


def kv(key: str | bytes, kind: int, value: bytes) -> bytes:
    return string(key) + struct.pack("<I", kind) + value


def text(key: str, value: str | bytes) -> bytes:
    return kv(key, STRING, string(value))


def u32(key: str, value: int) -> bytes:
    return kv(key, U32, struct.pack("<I", value))


def row(width: int = WIDTH, value: float = 0.5) -> bytes:
    return struct.pack(f"<{width}f", *[value] * width)


class Tensor:
    """One tensor, whose info need not tell the truth about its data."""

    def __init__(
        self,
        name: str | bytes,
        data: bytes | None = None,
        *,
        dims: Iterable[int] | None = None,
        kind: int = F32,
        offset: int | None = None,
        n_dims: int | None = None,
    ) -> None:
        self.name, self.kind, self.offset = name, kind, offset
        self.data = row() if data is None else data
        self.dims = list(dims) if dims is not None else [len(self.data) // 4]
        self.n_dims = len(self.dims) if n_dims is None else n_dims

    def info(self, offset: int) -> bytes:
        place = offset if self.offset is None else self.offset
        dims = struct.pack(f"<{len(self.dims)}Q", *self.dims)
        head = string(self.name) + struct.pack("<I", self.n_dims)
        return head + dims + struct.pack("<IQ", self.kind, place)


HEAD = [
    text("general.architecture", "controlvector"),
    text("controlvector.model_hint", "llama"),
    u32("controlvector.layer_count", 2),
]


def gguf(
    tensors: Iterable[Tensor] | None = None,
    *,
    head: Iterable[bytes] | None = None,
    more: Iterable[bytes] = (),
    version: int = 3,
    magic: bytes = b"GGUF",
    n_kv: int | None = None,
    n_tensors: int | None = None,
    align: int = 32,
) -> bytes:
    """A GGUF file; without arguments a sound control vector with layers 1 and 2."""
    parts = list(tensors) if tensors is not None else [Tensor("direction.1"), Tensor("direction.2")]
    pairs = [*(HEAD if head is None else head), *more]
    counts = (
        len(parts) if n_tensors is None else n_tensors,
        len(pairs) if n_kv is None else n_kv,
    )
    out = magic + struct.pack("<IQQ", version, *counts) + b"".join(pairs)
    data = b""
    for tensor in parts:
        out += tensor.info(len(data))
        data += tensor.data + bytes(-len(tensor.data) % align)
    return out + bytes(-len(out) % align) + data


def two(**second: object) -> bytes:
    return gguf([Tensor("direction.1"), Tensor("direction.2", **second)])  # type: ignore[arg-type]


def only(name: str | bytes, **how: object) -> bytes:
    return gguf([Tensor(name, **how)])  # type: ignore[arg-type]


def operation(value: str) -> list[bytes]:
    return [text("glp.operation", value)]


def array(kind: int, count: int, items: bytes = b"") -> bytes:
    return kv("x.array", ARRAY, struct.pack("<IQ", kind, count) + items)


def nested(depth: int) -> bytes:
    return array(ARRAY, 1, struct.pack("<IQ", ARRAY, 1) * depth)


OWN = [u32("edgesteer.version", 1), text("edgesteer.layer_convention", "block_output")]


def own(*more: bytes) -> bytes:
    return gguf(more=[*OWN, text("edgesteer.operation", "add"), *more])


def model_facts(n_layer: int, n_embd: int) -> list[bytes]:
    return [
        text("edgesteer.model.architecture", "llama"),
        u32("edgesteer.model.n_layer", n_layer),
        u32("edgesteer.model.n_embd", n_embd),
    ]


GOOD = gguf()
NAN, INF = float("nan"), float("inf")

CASES: dict[str, bytes] = {
    # tensors that are no directions
    "direction_0": gguf([Tensor("direction.0"), Tensor("direction.1")]),
    "direction_minus_1": only("direction.-1"),
    "direction_leading_zero": only("direction.01"),
    "direction_trailing_text": only("direction.3abc"),
    "direction_no_number": only("direction."),
    "direction_huge_number": only("direction.99999999999999999999"),
    "direction_other_digits": only("direction.٣"),
    "other_name": gguf([Tensor("direction.1"), Tensor("output.weight")]),
    "name_empty": only(""),
    "name_with_newlines": only("direction.1\n\x1b[2Jdirection.2"),
    "name_not_utf8": only(b"direction.1\xff\xfe"),
    "name_too_long": only("d" * 64),
    "name_very_long": only("d" * 100_000),
    "no_tensors": gguf([]),
    "twice_the_same_tensor": gguf([Tensor("direction.1"), Tensor("direction.1")]),
    # data that are no directions
    "f16": two(kind=F16, data=bytes(16), dims=[8]),
    "q8_0": two(kind=8, data=bytes(34), dims=[32]),
    "unknown_tensor_type": two(kind=9999),
    "two_dimensions": two(data=row(16), dims=[8, 2]),
    "scalar": two(data=row(1), dims=[]),
    "width_0": gguf([Tensor("direction.1", b"", dims=[0])]),
    "ragged": two(data=row(7)),
    "nan": two(data=row(8, NAN)),
    "infinity": two(data=row(8, INF)),
    "minus_infinity": two(data=row(8, -INF)),
    # numbers that claim too much
    "n_tensors_huge": gguf(n_tensors=HUGE),
    "n_tensors_one_more": gguf(n_tensors=3),
    "n_kv_huge": gguf(n_kv=HUGE),
    "n_kv_all_bits": gguf(n_kv=2**64 - 1),
    "n_kv_one_more": gguf(n_kv=4),
    "n_dims_1000": two(n_dims=1000),
    "n_dims_all_bits": two(n_dims=2**32 - 1),
    "dims_huge": two(dims=[HUGE]),
    "dims_overflow_64_bits": two(dims=[2**33, 2**33, 2**33, 2**33]),
    "key_length_huge": gguf(head=[struct.pack("<Q", HUGE) + b"general"]),
    "value_length_huge": gguf(more=[kv("x", STRING, struct.pack("<Q", HUGE) + b"abc")]),
    "value_length_all_bits": gguf(more=[kv("x", STRING, struct.pack("<Q", 2**64 - 1))]),
    "array_count_huge": gguf(more=[array(U64, HUGE)]),
    "array_count_overflows": gguf(more=[array(U64, 2**61)]),
    "array_of_strings_huge": gguf(more=[array(STRING, HUGE)]),
    "array_of_strings_short": gguf(more=[array(STRING, 3, string("a"))]),
    "array_item_length_huge": gguf(more=[array(STRING, 1, struct.pack("<Q", HUGE))]),
    "long_array_item_length_huge": gguf(
        more=[array(STRING, 2000, string("a") * 1000 + struct.pack("<Q", HUGE) * 1000)]
    ),
    "arrays_in_arrays": gguf(more=[nested(3)]),
    "arrays_nested_deep": gguf(more=[nested(20_000)]),
    # places
    "offset_past_the_end": two(offset=1 << 20),
    "offset_all_bits": two(offset=2**64 - 32),
    "offset_overlaps": two(offset=0),
    "offset_unaligned": two(offset=36),
    "alignment_0": gguf(more=[u32("general.alignment", 0)]),
    "alignment_12": gguf(more=[u32("general.alignment", 12)]),
    "alignment_huge": gguf(more=[u32("general.alignment", 1 << 31)]),
    "alignment_text": gguf(more=[text("general.alignment", "32")]),
    "alignment_u64": gguf(more=[kv("general.alignment", U64, struct.pack("<Q", 32))]),
    # preamble and keys
    "empty_file": b"",
    "four_bytes": b"GGUF",
    "wrong_magic": gguf(magic=b"GGML"),
    "safetensors": struct.pack("<Q", 2) + b"{}" + bytes(64),
    "big_endian": b"GGUF" + struct.pack(">IQQ", 3, 1, 1) + bytes(64),
    "version_0": gguf(version=0),
    "version_1": gguf(version=1),
    "version_4": gguf(version=4),
    "key_empty": gguf(more=[text("", "x")]),
    "key_too_long": gguf(more=[text("k" * 70_000, "x")]),
    "key_twice": gguf(more=[text("general.name", "a"), text("general.name", "b")]),
    "value_type_unknown": gguf(more=[kv("x", 13, bytes(8))]),
    "array_type_unknown": gguf(more=[array(77, 1, bytes(8))]),
    # not a vector that is added
    "no_architecture": gguf(head=HEAD[1:]),
    "architecture_llama": gguf(head=[text("general.architecture", "llama"), *HEAD[1:]]),
    "architecture_number": gguf(head=[u32("general.architecture", 7), *HEAD[1:]]),
    "projection": gguf(more=operation("project")),
    "projection_own": gguf(more=[*OWN, text("edgesteer.operation", "ablate")]),
    "operation_number": gguf(more=[u32("controlvector.operation", 1)]),
    # our own keys, abused
    "own_version_2": gguf(more=[u32("edgesteer.version", 2)]),
    "own_version_text": gguf(more=[text("edgesteer.version", "1")]),
    "own_version_true": gguf(more=[kv("edgesteer.version", BOOL, b"\1")]),
    "own_without_convention": gguf(more=[OWN[0], text("edgesteer.operation", "add")]),
    "own_other_convention": gguf(
        more=[OWN[0], text("edgesteer.layer_convention", "hidden_states"), *operation("add")]
    ),
    "own_without_operation": gguf(more=OWN),
    "own_name_with_newline": own(text("edgesteer.name", "calm\n\x1b[31m")),
    "own_name_number": own(u32("edgesteer.name", 7)),
    "own_name_endless": own(text("edgesteer.name", "x" * 100_000)),
    "own_layer_count_lies": gguf(
        head=[*HEAD[:2], u32("controlvector.layer_count", 9)],
        more=[*OWN, text("edgesteer.operation", "add")],
    ),
    "own_model_half": own(text("edgesteer.model.architecture", "llama")),
    "own_model_0_layers": own(*model_facts(0, WIDTH)),
    "own_model_huge": own(*model_facts(2**32 - 1, WIDTH)),
    "own_model_narrow": own(*model_facts(8, WIDTH - 1)),
    "own_model_shallow": own(*model_facts(2, WIDTH)),
    "own_layers_nonsense": own(text("edgesteer.layers.recommended", "everywhere")),
    "own_layers_0": own(text("edgesteer.layers.recommended", "0-4")),
    "own_band_half": own(kv("edgesteer.strength.low", F64, struct.pack("<d", 0.5))),
    "own_band_nan": own(
        kv("edgesteer.strength.low", F64, struct.pack("<d", NAN)),
        kv("edgesteer.strength.high", F64, struct.pack("<d", 1.0)),
    ),
    "own_band_backwards": own(
        kv("edgesteer.strength.low", F64, struct.pack("<d", 2.0)),
        kv("edgesteer.strength.high", F64, struct.pack("<d", 1.0)),
    ),
    "own_meta_no_json": own(text("edgesteer.meta", "{")),
    "own_meta_list": own(text("edgesteer.meta", "[1]")),
    "own_meta_nan": own(text("edgesteer.meta", '{"a": NaN}')),
    "own_meta_endless_number": own(text("edgesteer.meta", '{"a": ' + "9" * 10_000 + "}")),
    "own_meta_nested": own(text("edgesteer.meta", '{"a":' * 100_000)),
    "own_meta_nested_closed": own(text("edgesteer.meta", '{"a":' * 500 + "1" + "}" * 500)),
}
CASES |= {
    f"cut_after_{length}": GOOD[:length]
    for length in (23, 24, 30, 44, 60, 90, 120, len(GOOD) - 90, len(GOOD) - 64, len(GOOD) - 1)
}


def write_all(folder: Path) -> dict[str, Path]:
    """Writes every case as FOLDER/<name>.gguf."""
    paths = {name: folder / f"{name}.gguf" for name in CASES}
    for name, path in paths.items():
        path.write_bytes(CASES[name])
    return paths


def vocabulary(n_tokens: int) -> bytes:
    """A file that holds as long a vocabulary as the largest models have."""
    tokens = b"".join(string(f"token {number}") for number in range(n_tokens))
    return gguf(more=[array(STRING, n_tokens, tokens)])
