"""Reads and rewrites the residual stream while llama.cpp's graph runs (the eval callback).

Knows nothing of sequences, plans or tokens: it is told which layers to stop at and what to do.

llama.cpp asks for every node of the graph whether the caller wants to see it, runs up to a node
that is wanted, waits, and calls again with the node's data in place. Rewriting those rows there
has exactly the effect of a control vector, and of much that a control vector can not do.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt

from edgesteer.engine.ggml import Ggml, Tensor
from edgesteer.errors import ArchitectureError

FloatArray = npt.NDArray[np.float32]
#: ``edit(rows, first_row)``: change ``rows`` [n, d] in place; ``first_row`` is their offset in the
#: decode call. Returns whether anything was written.
Edit = Callable[[FloatArray, int], bool]
#: ``take(layer, rows, first_row)``: what is kept of captured rows; a copy, not a view.
Take = Callable[[int, FloatArray, int], FloatArray]

_PREFIX = b"l_out-"
#: What llama.cpp calls, of its three arguments only the first: the node's address.
_Callback = ctypes.CFUNCTYPE(ctypes.c_bool, ctypes.c_size_t)


class Hook:
    """What the callback does at each layer during the next decode calls.

    ``edits`` maps a 0-based block to a function that rewrites its output rows; ``captures`` names
    the blocks whose rows are copied; ``stop_after`` breaks the graph off behind a block, which
    saves the rest of the pass when only activations are wanted.

    llama.cpp asks some thousand times a token. A question answered in Python costs a microsecond,
    one answered by a dict a tenth of that: so the callback is the look-up of a dict that knows
    nodes by their addresses, which stay as they are as long as the graph is built alike. Unknown
    addresses are looked at once, in Python; :meth:`forget` says that graphs will differ.
    """

    def __init__(self, ggml: Ggml) -> None:
        self._ggml = ggml
        self._nodes = _Nodes(self)
        self._shape: object = None
        self._wanted: set[int] = set()
        self._edits: Mapping[int, Edit] = {}
        self._captures: frozenset[int] = frozenset()
        self._stop_after: int | None = None
        self._take: Take = _copy
        self._first_row: dict[int, int] = {}
        self._captured: dict[int, list[FloatArray]] = {}
        self._error: BaseException | None = None
        self.callback = _Callback(self._nodes.__getitem__)  # kept: C does not hold a reference

    def arm(
        self,
        edits: Mapping[int, Edit] | None = None,
        captures: frozenset[int] = frozenset(),
        stop_after: int | None = None,
        take: Take | None = None,
    ) -> None:
        """Say what to do from the next decode call on; :meth:`disarm` with no arguments."""
        self._take = take or _copy
        if (
            edits
            and edits is self._edits
            and (captures, stop_after) == (self._captures, self._stop_after)
        ):
            return  # as before: the names need not be made again
        self._edits = edits or {}
        self._captures = captures
        self._stop_after = stop_after
        layers = set(self._edits) | captures
        if stop_after is not None:
            layers.add(stop_after)
        if layers != self._wanted:
            self._wanted = layers
            self._nodes.want(layers)

    def disarm(self) -> None:
        """Do nothing from the next decode call on."""
        self.arm()

    def begin(self, shape: object) -> bool:
        """Start a decode call: row counters and captured rows are reset.

        ``shape`` is equal for calls whose graphs are built alike. Returns whether nodes are known.
        """
        if shape != self._shape:
            self.forget()
            self._shape = shape
        for node in self._nodes.outputs:
            node.running = False  # it was asked for, and then the call was aborted
        self._first_row = {}
        self._captured = {}
        self._error = None
        return bool(self._nodes)

    def forget(self) -> None:
        """Look at every node of the next graph anew."""
        self._nodes.clear()
        self._nodes.outputs.clear()

    def missed(self) -> set[int]:
        """Layers that the last decode call should have shown and did not."""
        if self._error is not None:
            return set()
        return (self._edits.keys() | self._captures) - self._first_row.keys()

    def end(self, *, ran: bool = True) -> dict[int, FloatArray]:
        """Finish a decode call; ``ran`` says whether it ran to its end.

        Returns:
            layer -> float32 ``[n_rows, d]``: the captured rows, in batch order.

        Raises:
            BaseException: whatever an edit raised inside the callback, as itself.
            ArchitectureError: the graph has no output of that name, so nothing was done there.
        """
        missed = self.missed()
        error, self._error = self._error, None
        captured, self._captured = self._captured, {}
        if error is not None:
            raise error
        if ran and missed:
            raise ArchitectureError(
                f"this architecture does not show the output of layer {min(missed)}",
                "Only plain addition works on it, one steering at a time.",
            )
        return {
            layer: parts[0] if len(parts) == 1 else np.concatenate(parts)
            for layer, parts in captured.items()
        }

    def tensor(self, address: int) -> Tensor:
        """The node at an address."""
        return self._ggml.tensor(address)

    def fail(self, error: BaseException) -> None:
        """Raise this when the call is over, unless something was raised before."""
        self._error = self._error or error

    def answer(self, node: _Output) -> bool:
        """What llama.cpp hears about the output of a block.

        First whether it is wanted; then, when it has been computed, whether the graph goes on.
        """
        try:
            if not node.running:
                node.running = node.is_itself()
                return node.running
            node.running = False
            return self._visit(node)
        except BaseException as error:  # noqa: BLE001, must not cross C; end() raises it again
            self._error = self._error or error
            return False

    def _visit(self, node: _Output) -> bool:
        layer = node.layer
        rows, in_place = node.tensor.rows()
        first = self._first_row.get(layer, 0)
        self._first_row[layer] = first + len(rows)
        edit = self._edits.get(layer)
        if edit is not None and len(rows) and edit(rows, first) and not in_place:
            node.tensor.write(rows)
        if layer in self._captures:
            self._captured.setdefault(layer, []).append(self._take(layer, rows, first))
        return layer != self._stop_after


class _Output:
    """The output of a block in the graph. C takes its truth for the answer to a question."""

    __slots__ = ("_hook", "_name", "address", "layer", "running", "tensor")

    def __init__(self, hook: Hook, address: int, tensor: Tensor, name: bytes) -> None:
        self._hook, self.address, self.tensor, self._name = hook, address, tensor, name
        self.layer = int(name[len(_PREFIX) :])
        self.running = False

    def is_itself(self) -> bool:
        """Whether the address still holds this node."""
        return self.tensor.name == self._name

    def __bool__(self) -> bool:
        return self._hook.answer(self)


class _Nodes(dict[int, "_Output | bool"]):
    """The nodes of a graph by address: False but for the outputs of wanted blocks."""

    def __init__(self, hook: Hook) -> None:
        super().__init__()
        self._hook = hook
        self._wanted: set[int] = set()
        self.outputs: list[_Output] = []

    def want(self, layers: set[int]) -> None:
        """From now on these blocks are wanted."""
        self._wanted = layers
        for node in self.outputs:
            self[node.address] = node if node.layer in layers else False

    def __missing__(self, address: int) -> _Output | bool:
        try:
            return self._look(address)
        except BaseException as error:  # noqa: BLE001, must not cross C
            self._hook.fail(error)
            return False

    def _look(self, address: int) -> _Output | bool:
        tensor = self._hook.tensor(address)
        name = tensor.name
        found: _Output | bool = False
        if name.startswith(_PREFIX) and name[len(_PREFIX) :].isdigit():
            node = _Output(self._hook, address, tensor, name)
            self.outputs.append(node)
            found = node if node.layer in self._wanted else False
        self[address] = found
        return found


def _copy(_layer: int, rows: FloatArray, _first: int) -> FloatArray:
    return rows.copy()
