"""Time of both commands of the README, in a fresh environment and from a clean clone.

``python -m benchmarks.readme`` runs them and writes ``results/readme.md``; it needs git and a package index.
"""

from __future__ import annotations

import os
import re
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def commands(text: str) -> list[str]:
    """Steps of the first block of shell lines of a README, in their order."""
    block = re.search(r"^```\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL)
    assert block is not None
    return [step.strip() for line in block[1].splitlines() for step in line.split("&&")]


def timed(step: str, folder: Path, environment: dict[str, str]) -> tuple[float, float]:
    """Run a step and return the seconds that passed and the CPU seconds that it and its children took."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(step, shell=True, check=True, cwd=folder, env=environment, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    return time.perf_counter() - start, cpu


def main() -> None:
    """Run both commands and write their times."""
    lines = [
        "# Both commands of the README",
        "",
        "Written by `python -m benchmarks.readme`: a fresh environment, a clean clone, nothing compiled before.",
        "",
        "| step | seconds | CPU seconds |",
        "| --- | ---: | ---: |",
    ]
    with tempfile.TemporaryDirectory() as folder:
        clone = Path(folder, "clone")
        subprocess.run(["git", "clone", "-q", str(ROOT), str(clone)], check=True)
        subprocess.run([sys.executable, "-m", "venv", str(Path(folder, "env"))], check=True)
        # switches of the interpreter that measures (PYTHONPATH, PYTHONDONTWRITEBYTECODE, ...) are not the reader's
        own = {name: v for name, v in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))}
        environment = own | {"PATH": f"{folder}/env/bin{os.pathsep}{os.environ['PATH']}", "MPLBACKEND": "Agg"}
        for step in commands((ROOT / "README.md").read_text(encoding="utf-8")):
            passed, cpu = timed(step, clone, environment)
            lines.append(f"| `{step}` | {passed:.0f} | {cpu:.0f} |")
            print(lines[-1], flush=True)
    (Path(__file__).parent / "results" / "readme.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
