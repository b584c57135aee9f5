"""Recipe: a saved steering and chat settings, TOML text <-> value.

Does not know the library, nor whether the model and the vectors that it names exist.

    format = 1
    name = "calm-nurse"
    model = "smollm2"                 # may be left out

    [[steer]]                         # one table a term; the keys of the steering grammar
    vector = "calm"
    strength = 1.2
    layers = "8-16"                   # also operation, positions, decay, after, if, toward, ...

    [chat]                            # all may be left out
    system = "You are a nurse."
    temperature = 0.7                 # also top_k, top_p, min_p, repeat_penalty, seed, max_tokens
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from edgesteer.atomic import write_atomic
from edgesteer.errors import EdgesteerError, InputError, NotFoundError, RecipeError
from edgesteer.names import did_you_mean
from edgesteer.plain import shown
from edgesteer.sampling import Sampling
from edgesteer.steering import Steering

if TYPE_CHECKING:
    from edgesteer.vector import ControlVector

__all__ = ["FORMAT", "SETTINGS", "Recipe"]

FORMAT = 1
_FLAGS = {
    "temperature": "--temp",
    "top_k": "--top-k",
    "top_p": "--top-p",
    "min_p": "--min-p",
    "repeat_penalty": "--repeat-penalty",
    "seed": "--seed",
    "max_tokens": "--n-predict",
}
SETTINGS = tuple(_FLAGS)
"""The numbers of [chat], as Model.ask names them."""

_TOP = ("format", "name", "model", "steer", "chat")


@dataclass(frozen=True)
class Recipe:
    """What is asked of a model: steering, system message and sampling. Raises RecipeError.

    >>> recipe = Recipe("nurse", "smollm2", Steering.parse("calm=1.2@8-16"), "You are a nurse.")
    >>> Recipe.parse(recipe.dumps()) == recipe
    True
    """

    name: str
    model: str | None = None
    steering: Steering = field(default_factory=Steering)
    system: str | None = None
    sampling: Mapping[str, int | float] = field(default_factory=dict, hash=False)
    format: int = FORMAT

    def __post_init__(self) -> None:
        if self.format != FORMAT:
            raise RecipeError(
                f"this recipe has format {self.format!r}; format {FORMAT} is what is known here",
                "update edgesteer, or write format = 1",
            )
        if not isinstance(self.name, str) or not self.name.strip():
            raise RecipeError("a recipe needs a name", 'write name = "calm-nurse" at the top')
        for key, value in (("model", self.model), ("system", self.system)):
            if value is not None and not isinstance(value, str):
                raise RecipeError(f"{key} must be text, not {value!r}", "put it in quotes")
        object.__setattr__(self, "sampling", MappingProxyType(_settings(self.sampling)))

    @classmethod
    def parse(cls, text: str) -> Recipe:
        """The recipe in a TOML text. Raises RecipeError; unknown keys are refused."""
        try:
            data = tomllib.loads(text)
        except (ValueError, RecursionError) as error:  # ValueError: an endless number, too
            raise RecipeError(f"this is no TOML: {error}", "mend that line") from error
        _known(data, _TOP, "a recipe")
        if "format" not in data:
            raise RecipeError("the recipe does not say its format", "write format = 1 at the top")
        chat = data.get("chat", {})
        if not isinstance(chat, dict):
            raise RecipeError("chat must be a table", "write [chat] on a line of its own")
        _known(chat, ("system", *SETTINGS), "[chat]")
        return cls(
            name=data.get("name", ""),
            model=data.get("model"),
            steering=_steering(data.get("steer", [])),
            system=chat.get("system"),
            sampling={key: value for key, value in chat.items() if key != "system"},
            format=data["format"],
        )

    def dumps(self) -> str:
        """The recipe as TOML text, which `parse` reads back to an equal value."""
        import tomlkit

        document = tomlkit.document()
        document["format"] = self.format
        document["name"] = self.name
        if self.model is not None:
            document["model"] = self.model
        if self.steering.terms:
            tables = tomlkit.aot()
            for term in self.steering.terms:
                table = tomlkit.table()
                table.update(term.to_dict())
                tables.append(table)
            document["steer"] = tables
        chat = dict(self.sampling)
        if self.system is not None or chat:
            table = tomlkit.table()
            if self.system is not None:
                table["system"] = self.system
            table.update(chat)
            document["chat"] = table
        return tomlkit.dumps(document)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Recipe:
        """The recipe in a file. Raises NotFoundError and RecipeError, which name the file."""
        try:
            return cls.parse(Path(path).read_text(encoding="utf-8"))
        except FileNotFoundError as error:
            raise NotFoundError(f"there is no recipe file {path}", "check the path") from error
        except UnicodeDecodeError as error:
            raise RecipeError(f"{path}: this is not UTF-8 text", "save it as UTF-8") from error
        except RecipeError as error:
            raise RecipeError(f"{path}: {error.message}", error.hint) from error

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the recipe to `path`, all or nothing. Raises FileWriteError."""
        write_atomic(path, self.dumps())

    def llama_args(self, vector_paths: Mapping[str, str], n_layer: int) -> list[str]:
        """The llama-server arguments that do the same; `vector_paths` has the file of each name.

        llama.cpp has one layer range for all vectors, adds and does nothing else: RecipeError
        names what can not be said that way. The system message is no argument of the server: send
        it in the request.
        """
        args: list[str] = []
        terms = [term for term in self.steering.terms if term.strength]
        for term in terms:
            if not term.static:
                raise _unsayable(
                    f"{Steering((term,))} is no plain addition",
                    "llama-server knows only plain additions: leave out what is more "
                    "(on, decay, after, if, another operation)",
                )
            path = vector_paths[term.name]
            if any(mark in path for mark in ':",'):
                raise _unsayable(f'the path {path!r} has one of : , "')
            args += ["--control-vector-scaled", f"{path}:{term.strength!r}"]
        if terms:
            bound = self.steering.bind(lambda name: _load(vector_paths[name]))
            first, last = _one_range(
                [(set(t.resolved_layers(n_layer)), _carried(t.vector)) for t in bound if t.strength]
            )
            args += ["--control-vector-layer-range", str(first), str(last)]
        for key, number in self.sampling.items():
            args += [_FLAGS[key], repr(number)]
        return args


def _steering(tables: object) -> Steering:
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise RecipeError("steer must be a list of tables", "write [[steer]] above each vector")
    try:
        return Steering.from_dict({"terms": tables})
    except EdgesteerError as error:
        raise RecipeError(f"[[steer]]: {error.message}", error.hint) from error


def _settings(settings: Mapping[str, object]) -> dict[str, Any]:
    """The sampling numbers, in their one order. Raises RecipeError for any that make no sense."""
    _known(settings, SETTINGS, "[chat]")
    values: dict[str, Any] = {key: settings[key] for key in SETTINGS if key in settings}
    try:
        Sampling(**{key: value for key, value in values.items() if key != "max_tokens"})
    except InputError as error:
        raise RecipeError(f"[chat]: {error.message}", error.hint) from error
    longest = values.get("max_tokens", 1)
    if isinstance(longest, bool) or not isinstance(longest, int) or longest < 1:
        raise RecipeError(
            f"[chat]: max_tokens must be a whole number, 1 or more, not {shown(longest)}",
            "512 is usual",
        )
    return values


def _known(table: Iterable[str], known: tuple[str, ...], where: str) -> None:
    for key in table:
        if key not in known:
            hint = did_you_mean(key, known) or f"known are: {', '.join(known)}"
            raise RecipeError(f"{where} has no {key!r}", hint)


def _load(path: str) -> ControlVector:
    from edgesteer.vector import ControlVector

    return ControlVector.load(path)


def _carried(vector: ControlVector | None) -> set[int]:
    return set(vector.layers) if vector else set()


def _one_range(terms: list[tuple[set[int], set[int]]]) -> tuple[int, int]:
    """The one range that cuts every vector's carried layers down to those that are steered."""
    first = min(min(steered) for steered, _ in terms)
    last = max(max(steered) for steered, _ in terms)
    for steered, carried in terms:
        if steered != {layer for layer in carried if first <= layer <= last}:
            raise _unsayable("its vectors are not steered over one and the same range of layers")
    return first, last


def _unsayable(why: str, hint: str = "") -> RecipeError:
    bake = "bake it first: edgesteer vectors mix STEERING -o FILE makes one vector of it"
    return RecipeError(f"llama-server can not do the same: {why}", hint or bake)
