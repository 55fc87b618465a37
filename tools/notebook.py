"""Run a notebook of docs/notebooks anew, and store what it shows.

python tools/notebook.py docs/notebooks/tour.ipynb            # in a folder of its own; writes the outputs
python tools/notebook.py docs/notebooks/tour.ipynb --check    # only run it
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

SECONDS = 600
"""That a cell may take."""


def run(path: Path, folder: Path) -> Any:
    """The notebook with the outputs of a run in `folder`.

    Raises:
        nbclient.exceptions.CellExecutionError: A cell that failed, with what it told.
    """
    import nbformat
    from nbclient import NotebookClient

    notebook = nbformat.read(path, as_version=4)
    # the commands of cells are those of this environment
    os.environ['PATH'] = f'{Path(sys.executable).parent}{os.pathsep}{os.environ["PATH"]}'
    client = NotebookClient(
        notebook,
        timeout=SECONDS,
        kernel_name='python3',
        resources={'metadata': {'path': str(folder)}},
    )
    client.execute()
    for cell in notebook.cells:
        cell.metadata = {}  # times of the run, which differ each time
    return notebook


def failed_commands(notebook: Any) -> list[str]:
    """What `!` commands printed that went wrong: a shell's failure does not stop a notebook."""
    told = []
    for cell in notebook.cells:
        for output in cell.get('outputs', []):
            lines = output.get('text', '').splitlines()
            told += [line for line in lines if 'error: ' in line or 'Traceback' in line]
    return told


def main() -> int:
    """Runs it; 1 where a command in it failed."""
    import nbformat

    parser = argparse.ArgumentParser(description='run a notebook and store its outputs')
    parser.add_argument('notebook', type=Path)
    parser.add_argument('--check', action='store_true', help='do not write the outputs')
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        notebook = run(args.notebook, Path(folder))
    failed = failed_commands(notebook)
    print('\n'.join(failed) or f'{args.notebook}: {len(notebook.cells)} cells, no command failed')
    if not args.check and not failed:
        nbformat.write(notebook, args.notebook)
    return 1 if failed else 0


if __name__ == '__main__':
    sys.exit(main())
