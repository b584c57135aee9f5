"""Lists of independent jobs on one model: here, in several processes, or on a Dask cluster.

Does not know what a job measures: a `Work` does, and is carried to wherever a job runs.

A result is kept as soon as it is there, one JSON file a job, named by what the result depends on.
So an interrupted list goes on where it was, and equal jobs are done once. The processes are those
of concurrent.futures, the cluster's executor is dask.distributed's; both get the same jobs.
"""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor, as_completed
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from edgesteer.atomic import write_atomic
from edgesteer.errors import EngineError, MissingExtraError, NotFoundError
from edgesteer.model import Model

__all__ = ["JobCache", "Jobs", "Opener", "Result", "Spec", "Work", "open_jobs"]

Spec = Mapping[str, Any]
Result = dict[str, Any]
Progress = Callable[[int, int, str], None]
_PATIENCE = "10s"  # to wait for a scheduler
_FORMAT = 1  # changes when equal keys no longer mean equal results


class Work(Protocol):
    """What the jobs of a list share. It can be pickled."""

    @property
    def key(self) -> Spec:
        """All that a result depends on besides the job: plain JSON data, short."""
        ...

    def start(self, model: Model) -> Callable[[Spec], Result]:
        """What does the jobs on an opened model; called once in each process."""
        ...


@dataclass(frozen=True)
class Opener:
    """How a worker opens the model: by a path that is valid there, and must hold these weights."""

    path: str
    weights_id: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    n_bytes: int = 0

    @property
    def key(self) -> Spec:
        """Which weights, in which quantisation, whatever the file is called."""
        return {"weights_id": self.weights_id, "n_bytes": self.n_bytes}

    @classmethod
    def of(cls, model: Model, *, workers: int = 1) -> Opener:
        """The file of an open model; the workers of one machine divide its threads."""
        threads = max(1, model.threads // max(workers, 1))
        options = {**model.options, "threads": threads}
        size = model.path.stat().st_size if model.path.is_file() else 0
        return cls(str(model.path), model.identity.weights_id, options, size)

    def open(self) -> Model:
        """The model. Raises NotFoundError when another one lies at that path."""
        model = Model.open(self.path, **self.options)
        if self.weights_id and model.identity.weights_id != self.weights_id:
            model.close()
            raise NotFoundError(
                f"{self.path} holds other weights on a worker than here",
                "put the same model file at the same path on every machine of the cluster",
            )
        return model


class JobCache:
    """Results by key, one JSON file each; a damaged file counts as none."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def find(self, key: str) -> Result | None:
        """The result kept under that key."""
        with suppress(OSError, ValueError, TypeError, KeyError):
            found = json.loads(self._file(key).read_text(encoding="utf-8"))
            if found["key"] == key and isinstance(found["result"], dict):
                return dict(found["result"])
        return None

    def keep(self, key: str, work: Spec, job: Spec, result: Result) -> None:
        """Keep a result, whole or not at all. Raises FileWriteError."""
        content = {"key": key, "work": dict(work), "job": dict(job), "result": result}
        self.folder.mkdir(parents=True, exist_ok=True)
        write_atomic(self._file(key), json.dumps(content, allow_nan=False) + "\n")

    def _file(self, key: str) -> Path:
        return self.folder / f"{key}.json"


def job_key(work: Spec, job: Spec) -> str:
    """The name of a result: a hash of all that it depends on."""
    text = json.dumps([_FORMAT, work, job], sort_keys=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:40]


class Jobs:
    """Runs lists of jobs of one work. Made by `open_jobs`; may be used for several lists."""

    def __init__(
        self,
        work: Work,
        opener: Opener,
        *,
        model: Model | None = None,
        executor: Executor | None = None,
        cache: JobCache | None = None,
        fresh: bool = False,
    ) -> None:
        self._work, self._opener, self._executor = work, opener, executor
        self._cache, self._fresh, self._model = cache, fresh, model
        self._do: Callable[[Spec], Result] | None = None
        self.done = self.reused = 0

    def run(
        self, jobs: Sequence[Spec], progress: Progress | None = None, what: str = "measuring"
    ) -> list[Result]:
        """The results in the order of the jobs; those that are kept already are not done again.

        Raises whatever a job raises, EngineError when a worker dies. What is done by then is kept.
        """
        shared = {**self._work.key, "file": self._opener.key}
        keys = [job_key(shared, job) for job in jobs]
        found: dict[int, Result] = {}
        if self._cache is not None and not self._fresh:
            kept = ((i, self._cache.find(key)) for i, key in enumerate(keys))
            found = {i: result for i, result in kept if result is not None}
        self.reused += len(found)
        missing = [i for i in range(len(jobs)) if i not in found]
        if progress is not None:
            progress(len(found), len(jobs), what)
        for place, result in self._compute([jobs[i] for i in missing]):
            i = missing[place]
            found[i] = result
            self.done += 1
            if self._cache is not None:
                self._cache.keep(keys[i], shared, jobs[i], result)
            if progress is not None:
                progress(len(found), len(jobs), what)
        return [found[i] for i in range(len(jobs))]

    def _compute(self, jobs: Sequence[Spec]) -> Iterator[tuple[int, Result]]:
        if self._executor is not None:
            yield from _spread(self._executor, self._work, self._opener, jobs)
            return
        for i, job in enumerate(jobs):
            if self._do is None:
                if self._model is None:
                    raise EngineError("there is neither an open model nor a worker to run a job")
                self._do = self._work.start(self._model)
            yield i, self._do(job)


@contextmanager
def open_jobs(
    work: Work,
    model: Model,
    *,
    cache: JobCache | None = None,
    workers: int = 1,
    dask: str = "",
    fresh: bool = False,
) -> Iterator[Jobs]:
    """What runs the jobs of `work`.

    Args:
        work: shared by the jobs.
        model: the open model; with workers, they open its file anew.
        cache: where results are kept.
        workers: how many processes of this machine; 1 is this one.
        dask: the address of a Dask scheduler, such as tcp://127.0.0.1:8786; its workers then run
            the jobs, and must find the model file at the same path.
        fresh: do not use kept results, replace them.

    Raises:
        MissingExtraError: Dask is asked for and not installed.
        EngineError: no scheduler answers at that address.
    """
    with ExitStack() as stack:
        executor: Executor | None = None
        if dask:
            executor = stack.enter_context(_cluster(dask))
        elif workers > 1:
            executor = stack.enter_context(_processes(workers))
        opener = Opener.of(model, workers=1 if dask else workers)
        yield Jobs(work, opener, model=model, executor=executor, cache=cache, fresh=fresh)


@contextmanager
def _processes(workers: int) -> Iterator[Executor]:
    spawn = multiprocessing.get_context("spawn")  # a fork would share llama.cpp's threads and locks
    pool = ProcessPoolExecutor(workers, mp_context=spawn, initializer=_begin_worker)
    try:
        yield pool
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


@contextmanager
def _cluster(address: str) -> Iterator[Executor]:
    try:
        from distributed import Client
    except ImportError as error:
        raise MissingExtraError(
            f"a cluster needs dask.distributed: {error}", "pip install 'edgesteer[cluster]'"
        ) from error
    try:
        client = Client(address, timeout=_PATIENCE, set_as_default=False)
    except (OSError, TimeoutError, ValueError) as error:
        raise EngineError(
            f"no Dask scheduler answers at {address}: {error}",
            "start one with 'dask scheduler', workers with 'dask worker ADDRESS'",
        ) from error
    with client, client.get_executor() as executor:
        yield executor


def _spread(
    executor: Executor, work: Work, opener: Opener, jobs: Sequence[Spec]
) -> Iterator[tuple[int, Result]]:
    """Results as they come. When a job fails, or on Ctrl-C, what runs still ends and is given."""
    places: dict[Future[Result], int] = {
        executor.submit(_do_job, work, opener, job): i for i, job in enumerate(jobs)
    }
    given: set[Future[Result]] = set()
    try:
        for future in as_completed(places):
            given.add(future)
            yield places[future], future.result()
    except GeneratorExit:
        raise
    except BrokenExecutor as error:
        raise EngineError(
            f"a worker died: {error}", "take fewer --workers: each holds the model in memory"
        ) from error
    except BaseException:
        for future in as_completed([f for f in places if f not in given and not f.cancel()]):
            if future.exception() is None:
                yield places[future], future.result()
        raise
    finally:
        for future in places:
            future.cancel()


# -- in a worker

_started: dict[str, tuple[Model, Callable[[Spec], Result]]] = {}
_lock = threading.Lock()


def _begin_worker() -> None:
    """Ctrl-C is for the parent, which lets a running job end; without a parent there is no use."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:

        def leave_with_parent() -> None:
            parent.join()
            os._exit(1)

        threading.Thread(target=leave_with_parent, daemon=True).start()


def _do_job(work: Work, opener: Opener, job: Spec) -> Result:
    """One job, on a model that this process keeps open for the next one of the same work."""
    name = job_key(work.key, {"path": opener.path, "options": dict(opener.options)})
    with _lock:
        if name not in _started:
            for model, _ in _started.values():
                model.close()
            _started.clear()
            model = opener.open()
            _started[name] = model, work.start(model)
        return _started[name][1](job)
