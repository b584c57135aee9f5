"""Runs a long `pip install` and shows, in a line or two, how far it has come.

Does not know what is installed: it reads the command's output, and the command line is given to it.

    python tools/build_progress.py --log FILE -- COMMAND...

The whole output goes to FILE. On failure its tail and its path are printed, and the exit status is
the command's own. The standard library is all this script needs: it runs before anything else.
"""

from __future__ import annotations

import argparse
import os
import queue
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

TAIL_LINES = 40
QUIET_S = 30.0  # without a terminal: a sign of life at least this often, in seconds

PERCENT = re.compile(r"\[\s*(\d{1,3})%\]")  # make: [ 43%] Building CXX object
STEP = re.compile(r"^\s*\[(\d+)/(\d+)\]")  # ninja: [61/143] /usr/bin/c++ ...
STAGES = (  # matched at the start of a line; indented lines come from inside a build
    (re.compile(r"\s*Collecting ([^\s;(]+)"), "finding {}"),
    (re.compile(r"\s*Downloading (\S+)"), "downloading {}"),
    (re.compile(r"\s*Installing build dependencies"), "preparing the build tools"),
    (re.compile(r"\s*Building (?:wheel|editable) for (\S+)"), "building {}"),
    (re.compile(r"Installing collected packages"), "installing"),
    (re.compile(r"Successfully installed"), "installed"),
)


class Progress:
    """What the output said last: a stage, and a share of the build where one is printed."""

    def __init__(self) -> None:
        self.stage = "starting"
        self.percent: int | None = None

    def read(self, line: str) -> bool:
        """Takes one line of output; True when something new can be shown."""
        before = (self.stage, self.percent)
        for pattern, words in STAGES:
            if found := pattern.match(line):
                what = found.group(1).rpartition("/")[2] if found.groups() else ""
                self.stage = words.format(what)
                self.percent = None
                break
        else:
            self._read_share(line)
        return (self.stage, self.percent) != before

    def _read_share(self, line: str) -> None:
        if found := STEP.match(line):
            done, total = int(found.group(1)), max(1, int(found.group(2)))
            self.percent = 100 * done // total
        elif found := PERCENT.search(line[:80]):
            self.percent = min(100, int(found.group(1)))

    def text(self, elapsed_s: float) -> str:
        """One line: elapsed time, stage, and the share as a bar where it is known."""
        clock = f"{int(elapsed_s) // 60:3d}:{int(elapsed_s) % 60:02d}"
        if self.percent is None:
            return f"{clock}  {self.stage}"
        filled = self.percent // 5
        return f"{clock}  {self.stage}  [{'#' * filled}{'.' * (20 - filled)}] {self.percent:3d}%"


class Screen:
    """One rewritten line on a terminal; elsewhere a new line at each step worth one."""

    def __init__(self, out: IO[str]) -> None:
        self.out = out
        self.live = out.isatty()
        self.last_text = ""
        self.last_s = -QUIET_S

    def show(self, progress: Progress, elapsed_s: float) -> None:
        """Draws the progress, unless it would be a line too many."""
        text = progress.text(elapsed_s)
        if self.live:
            self.out.write(f"\r\x1b[K{text[: self._width()]}")
        else:
            step = f"{progress.stage} {(progress.percent or 0) // 10}"
            building = progress.stage.startswith(("building", "preparing", "installing"))
            due = building and step != self.last_text
            if not due and elapsed_s - self.last_s < QUIET_S:
                return
            self.last_text, self.last_s = step, elapsed_s
            self.out.write(f"{text}\n")
        self.out.flush()

    def close(self) -> None:
        """Ends the rewritten line."""
        if self.live:
            self.out.write("\n")
            self.out.flush()

    def _width(self) -> int:
        try:
            return (os.get_terminal_size(self.out.fileno()).columns or 80) - 1
        except OSError:
            return 79


def output_lines(child: subprocess.Popen[str]) -> Iterator[str | None]:
    """The child's lines as they come, and None after each second without one."""
    lines: queue.Queue[str | None] = queue.Queue()
    stream = child.stdout
    if stream is None:
        return

    def pump() -> None:
        for line in stream:
            lines.put(line)
        lines.put(None)

    reader = threading.Thread(target=pump, daemon=True)
    reader.start()
    while reader.is_alive() or not lines.empty():
        try:
            line = lines.get(timeout=1.0)
        except queue.Empty:
            yield None
            continue
        if line is None:
            return
        yield line


def child_environment() -> dict[str, str]:
    """This environment without make's own variables, which would reach into the C++ build."""
    dropped = {"MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MAKEOVERRIDES"}
    env = {key: value for key, value in os.environ.items() if key not in dropped}
    env.setdefault("CMAKE_BUILD_PARALLEL_LEVEL", str(os.cpu_count() or 1))
    return env | {"PYTHONUNBUFFERED": "1", "PIP_PROGRESS_BAR": "off"}


def run(command: list[str], log_path: Path) -> int:
    """Runs the command, shows its progress, keeps its output. Returns its exit status."""
    log_path.parent.mkdir(parents=True, exist_ok=True)
    progress, screen, start = Progress(), Screen(sys.stdout), time.monotonic()
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with (
        log_path.open("w", encoding="utf-8", errors="replace") as log,
        subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            errors="replace",
            env=child_environment(),
        ) as child,
    ):
        try:
            for line in output_lines(child):
                if line is not None:
                    log.write(line)
                    log.flush()
                    if not progress.read(line):
                        continue
                screen.show(progress, time.monotonic() - start)
        except KeyboardInterrupt:
            child.terminate()
            screen.close()
            print("stopped; run the same command again to go on", file=sys.stderr)
            return 130
        status = child.wait()
    screen.close()
    if status:
        report_failure(command, log_path, status)
    return status


def report_failure(command: list[str], log_path: Path, status: int) -> None:
    """Prints the end of the log, where it lies, and what failed."""
    lines = log_path.read_text(encoding="utf-8", errors="replace").splitlines()
    print(f"\n--- the last lines of {log_path} ---", file=sys.stderr)
    print("\n".join(line[:400] for line in lines[-TAIL_LINES:]), file=sys.stderr)
    print("---", file=sys.stderr)
    print(f"failed with status {status}: {' '.join(command)}", file=sys.stderr)
    print(f"the whole output: {log_path}", file=sys.stderr)


def main() -> int:
    """Reads the command line and runs what stands after `--`."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--log", type=Path, required=True, help="file for the whole output")
    parser.add_argument("command", nargs=argparse.REMAINDER, help="-- COMMAND...")
    args = parser.parse_args()
    command = args.command[1:] if args.command[:1] == ["--"] else args.command
    if not command:
        parser.error("no command given after --")
    return run(command, args.log)


if __name__ == "__main__":
    sys.exit(main())
