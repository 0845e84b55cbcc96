"""Run the notebooks as plain scripts, or refresh the executed ``.ipynb`` files beside them.

``python notebooks/run.py`` runs every source with a figure backend that draws nothing on the screen.
``python notebooks/run.py --refresh`` also executes them and writes the ``.ipynb`` files (extra ``notebooks``).
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import time
from pathlib import Path

FOLDER = Path(__file__).resolve().parent


def sources(names: list[str]) -> list[Path]:
    """Return the notebook sources, all or those whose name starts with one of the names."""
    found = sorted(FOLDER.glob("[0-9][0-9]_*.py"))
    chosen = [path for path in found if not names or any(path.name.startswith(name) for name in names)]
    if not chosen:
        raise SystemExit(
            f"No notebook matches {', '.join(names)}; there are {', '.join(p.stem for p in found)}."
        )
    return chosen


def run_script(path: Path) -> bool:
    """Run one source as a plain script and say how long it took."""
    start = time.perf_counter()
    environment = {**os.environ, "MPLBACKEND": "Agg"}
    done = subprocess.run([sys.executable, str(path)], capture_output=True, text=True, env=environment)
    print(
        f"{path.stem}: {'ok' if done.returncode == 0 else 'FAILED'} ({time.perf_counter() - start:.1f} s)",
        flush=True,
    )
    if done.returncode:
        print(done.stdout[-2000:], done.stderr[-4000:], sep="\n")
    return done.returncode == 0


def without_folders(text: str) -> str:
    """Leave out the folders of this computer from the places that warnings name."""
    text = re.sub(r"/\S*/ipykernel_\d+/\d+\.py", "notebook", text)
    return re.sub(r"/\S*/((?:validstats|site-packages)/\S+\.py)", r"\1", text)


def refresh(path: Path) -> None:
    """Execute one source and write the notebook beside it, without metadata that changes at every run."""
    import jupytext
    import nbformat
    from nbclient import NotebookClient

    notebook = jupytext.read(path)
    notebook.cells = [cell for cell in notebook.cells if cell.source.strip()]
    NotebookClient(
        notebook, timeout=600, kernel_name="python3", resources={"metadata": {"path": str(FOLDER)}}
    ).execute()
    for number, cell in enumerate(notebook.cells):
        cell.metadata.pop("execution", None)
        cell["id"] = f"cell-{number}"
        for output in cell.get("outputs", []):
            if output.output_type == "stream":
                output.text = without_folders(output.text)
    notebook.metadata["language_info"] = {"name": "python"}
    nbformat.write(notebook, path.with_suffix(".ipynb"))
    print(f"wrote {path.with_suffix('.ipynb').name}", flush=True)


def main() -> None:
    """Run or refresh."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help="beginnings of names, for example 02; all by default")
    parser.add_argument("--refresh", action="store_true", help="write the .ipynb files")
    arguments = parser.parse_args()
    if arguments.refresh:
        for path in sources(arguments.names):
            refresh(path)
    elif not all(list(map(run_script, sources(arguments.names)))):
        raise SystemExit(1)


if __name__ == "__main__":
    main()
