"""The library's vectors: names -> control-vector files, and which of several fits a model.

Does not know models' files or recipes, nor what a vector does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from itertools import chain, count
from pathlib import Path
from typing import TYPE_CHECKING

from edgesteer.errors import (
    EdgesteerError,
    InputError,
    NotFoundError,
    VectorFileError,
    VectorMismatchError,
)
from edgesteer.names import check_file_name, looks_like_path, slug
from edgesteer.not_there import other_file, vector_not_there

if TYPE_CHECKING:
    from edgesteer.identity import ModelIdentity
    from edgesteer.vector import ControlVector

__all__ = ["VectorEntry", "VectorShelf", "builtin_traits"]


@dataclass(frozen=True, slots=True)
class VectorEntry:
    """A vector file in the library. `name` finds it; `problem` says why it can not be read."""

    name: str
    path: Path
    vector: ControlVector | None = None
    problem: str = ""


class VectorShelf:
    """The vectors under one home folder."""

    home: Path

    @property
    def vectors_folder(self) -> Path:
        """Where vectors are kept."""
        return self.home / "vectors"

    def vector_names(self) -> list[str]:
        """The names of all vectors, sorted; reads no file."""
        return sorted({self._vector_name(path) for path in self._vector_files()})

    def vectors(self) -> list[VectorEntry]:
        """All vectors, read; a file that can not be read has its `problem` set."""
        from edgesteer.vector import ControlVector

        entries = []
        for path in self._vector_files():
            name = self._vector_name(path)
            try:
                entries.append(VectorEntry(name, path, ControlVector.load(path)))
            except EdgesteerError as error:
                entries.append(VectorEntry(name, path, None, error.message))
        return sorted(entries, key=lambda entry: entry.name)

    def find_vector(self, name_or_path: str, for_model: ModelIdentity | None = None) -> Path:
        """The file of a vector, by its name in the library or by its path.

        Several models may have a vector of one name: `for_model` picks the one that fits.
        Raises NotFoundError, or VectorMismatchError when all of that name are for other models.
        """
        path = Path(name_or_path).expanduser()
        other = other_file(name_or_path)
        if other is None and looks_like_path(name_or_path, ".gguf") and path.is_file():
            return path
        if other is not None and not path.exists() and not self._vectors_called(name_or_path):
            raise NotFoundError(f"there is no file {name_or_path}", "check the path")
        return self.find_named_vector(name_or_path, for_model)

    def find_named_vector(self, name: str, for_model: ModelIdentity | None = None) -> Path:
        """As find_vector, by name alone: what lies outside the library is never found."""
        found = self._vectors_called(name)
        if not found:
            raise vector_not_there(name, self.vector_names(), builtin_traits())
        return found[0] if for_model is None else _fitting(name, found, for_model)

    def load_vector(
        self, name_or_path: str, for_model: ModelIdentity | None = None
    ) -> ControlVector:
        """The vector of that name or path. Raises as find_vector, and VectorFileError."""
        from edgesteer.vector import ControlVector

        return ControlVector.load(self.find_vector(name_or_path, for_model))

    def save_vector(self, vector: ControlVector, name: str, *, replace: bool = False) -> Path:
        """Keep a vector under `name`; returns its file.

        A vector of the same name that belongs to another model stays: this one then goes into a
        folder named after its model. One for the same model is only overwritten when `replace` is
        true (else InputError).
        """
        check_file_name(name, "vector")
        kept = (path for path in self._vectors_called(name) if _same_model(path, vector))
        path = next(kept, None) or self._free_place(name, vector.model)
        if path.exists() and not replace:
            raise InputError(
                f"the library has a vector {name!r} already ({path})",
                "choose another --name, or give --force to replace it",
            )
        path.parent.mkdir(parents=True, exist_ok=True)
        vector.renamed(name).save(path)
        return path

    def rm_vector(self, name: str) -> Path:
        """Delete a vector of the library (never a file outside it); returns the path it had."""
        path, root = self.find_vector(name), self.vectors_folder.resolve()
        place = _place(path)
        listed = place in {_place(file) for file in self._vector_files()}
        if not (listed and place.is_relative_to(root)):
            raise InputError(
                f"{path} is not in the library, so it is not removed",
                "delete the file yourself; 'edgesteer vectors list' shows what the library has",
            )
        place.unlink()
        if place.parent != root and not any(place.parent.iterdir()):
            place.parent.rmdir()
        return path

    def _vectors_called(self, name: str) -> list[Path]:
        """The files of that name, in the order in which they are looked for."""
        found = [p for p in self._vector_files() if name in (p.stem, self._vector_name(p))]
        return sorted(found, key=lambda p: (p.parent != self.vectors_folder, p))

    def _free_place(self, name: str, owner: ModelIdentity | None) -> Path:
        """Where a vector goes whose model has none of that name yet."""
        folder = slug((owner.name or owner.architecture)[:60]) if owner else "unknown"
        if owner and owner.weights_id:
            folder += f"-{owner.weights_id[:8]}"
        folders = chain(("", folder), (f"{folder}-{number}" for number in count(2)))
        places = (self.vectors_folder / part / f"{name}.gguf" for part in folders)
        return next(place for place in places if not place.exists())

    def _vector_files(self) -> list[Path]:
        folder = self.vectors_folder
        found = (*folder.glob("*.gguf"), *folder.glob("*/*.gguf"))
        return sorted(path for path in found if path.is_file())

    def _vector_name(self, path: Path) -> str:
        """'calm', or 'qwen/calm' when the plain name belongs to another model's vector."""
        inside = path.relative_to(self.vectors_folder).with_suffix("")
        twins = [file for file in self._vector_files() if file.name == path.name]
        return inside.name if len(twins) == 1 else inside.as_posix()


def builtin_traits() -> dict[str, Path]:
    """The contrast pairs that ship with the package: trait name -> file."""
    folder = Path(str(resources.files("edgesteer"))) / "traits"
    return {path.stem: path for path in sorted(folder.glob("*.toml"))}


def _place(path: Path) -> Path:
    """The file itself, without `..` or links in its folder; a link as a file stays a link."""
    return path.parent.resolve() / path.name


def _fitting(name: str, paths: Sequence[Path], model: ModelIdentity) -> Path:
    """The first of the vector files that fits the model; a file that names no model may fit."""
    from edgesteer.vector import ControlVector

    refusal: VectorMismatchError | None = None
    damaged: VectorFileError | None = None
    unknown: Path | None = None
    for path in paths:
        try:
            owner = ControlVector.load(path).model
        except VectorFileError as error:
            damaged = damaged or error
            continue
        if owner is None:
            unknown = unknown or path
            continue
        try:
            model.check_fits(owner)
        except VectorMismatchError as error:
            refusal = refusal or error
        else:
            return path
    if unknown is not None:
        return unknown
    if damaged is not None:
        raise damaged
    raise VectorMismatchError(
        f"the vector {name!r} does not fit this model: {refusal}",
        f"edgesteer extract {name} -m MODEL"
        if name in builtin_traits()
        else (refusal.hint if refusal else ""),
    )


def _same_model(path: Path, vector: ControlVector) -> bool:
    from edgesteer.vector import ControlVector

    try:
        owner = ControlVector.load(path).model
        if owner is None or vector.model is None:
            return owner is None and vector.model is None
        owner.check_fits(vector.model)
    except EdgesteerError:
        return False
    return True
