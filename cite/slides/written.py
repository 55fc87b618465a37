"""Folders of slides that stand in `--out` already, and which folder each slide of a run gets."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cite.slides.files import data_folder, slide_names
from cite.slides.outputs.folder import OutputError, check_replaceable
from cite.slides.outputs.write import SUMMARY


def summaries(out: Path) -> dict[str, dict[str, Any]]:
    """What the `summary.json` of each folder says, by the folder's name, sorted; of other tools' files and
    damaged ones nothing."""
    found: dict[str, dict[str, Any]] = {}
    for path in sorted(out.glob(f'*/{SUMMARY}')):
        try:
            about = json.loads(path.read_text('utf-8'))
        except (OSError, ValueError):
            continue
        if isinstance(about, dict) and isinstance(about.get('key'), str) and about.get('file'):
            found[path.parent.name] = about
    return found


def place_of(slide: Path) -> str:
    """The full path by which a slide is known again; links are not followed."""
    return os.path.normpath(slide.absolute())


def folder_names(slides: Sequence[Path], out: Path) -> list[str]:
    """A name per slide for its folder in `out`, no two alike, whichever slides are given together.

    A slide that has a folder there keeps it. Another slide of that name gets a hash of its path behind
    its own.
    """
    owners: dict[str, str] = {}
    folders: dict[str, str] = {}
    for name, about in summaries(out).items():
        record = about.get('record')
        said = record.get('path') if isinstance(record, dict) else None
        place = place_of(Path(said or str(about['file'])))
        owners[name.lower()] = place  # some disks do not tell case apart
        folders[place] = name
    names = []
    for slide, name in zip(slides, slide_names(slides), strict=True):
        place = place_of(slide)
        if place in folders and owners.get(name.lower()) != place:
            name = folders[place]
        elif owners.get(name.lower(), place) != place:
            name = f'{name}-{hashlib.sha256(os.fsencode(place)).hexdigest()[:8]}'
        names.append(name)
    return names


def check_targets(folders: Sequence[Path], slides: Sequence[Path]) -> None:
    """Before any slide is computed: no folder that will be replaced holds anything but results.

    Raises:
        OutputError: One that is a slide, has one in it, holds the pixels of one (beside .mrxs, .vms and
            .vmu files), or was not written by cite.
    """
    kept: dict[str, Path] = {}
    for slide in slides:
        beside = data_folder(slide)
        for path in (slide, beside) if beside is not None else (slide,):
            for form in {place_of(path), os.path.realpath(path)}:
                for part in (Path(form), *Path(form).parents):
                    kept.setdefault(str(part), slide)
    for folder in folders:
        slide_in_it = kept.get(os.path.realpath(folder), kept.get(place_of(folder)))
        if slide_in_it is not None:
            raise OutputError(
                f'{folder}: would be replaced by results, but is or holds the slide {slide_in_it} or its '
                'pixels; give another --out'
            )
        try:
            check_replaceable(folder)
        except OSError as error:
            raise OutputError(f'{folder}: cannot be read ({error.strerror or error})') from error
