"""Draw docs/tissue.jpg, the picture of what the synthetic tissue shows.

python tools/gallery.py            # writes docs/tissue.jpg
python tools/gallery.py --seed 1 --out other.jpg
"""

from __future__ import annotations

import argparse
import textwrap
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path

from matplotlib.font_manager import findfont
from PIL import Image, ImageDraw, ImageFont

from cite.atomic import replacing
from cite.data.randomness import generator
from cite.data.synthetic import terms
from cite.data.synthetic.attributes import Artefact, Attributes, Grade
from cite.data.synthetic.captions import describe
from cite.data.synthetic.cases import Case
from cite.data.synthetic.folder import MPP
from cite.data.synthetic.populations import Population
from cite.data.synthetic.tissue import Slide

COLUMNS, CELL, GAP = 6, 246, 12
WIDTH = COLUMNS * (CELL + GAP) + GAP
NATIVE = 300  # pixels of a patch as drawn
BODY, HEADING = 17, 24  # pixels
LINE = 24
WRAP = 54  # characters that fit beside a patch
TEXTS = 2  # captions of a patch
QUALITY = 85

Found = tuple[Slide, int]
Wanted = Callable[[Attributes], bool]
ROWS: dict[str, tuple[Grade, Wanted]] = {
    'Well differentiated': (Grade.WELL, lambda patch: True),
    'Moderately differentiated': (Grade.MODERATELY, lambda patch: True),
    'Poorly differentiated, solid': (Grade.POORLY, lambda patch: patch.solid),
    'Poorly differentiated, non-solid': (Grade.POORLY, lambda patch: not patch.solid),
}
FINDINGS: dict[str, tuple[Grade, Wanted]] = {
    'mitoses': (Grade.POORLY, lambda patch: patch.solid and patch.mitoses >= 5),
    'necrosis': (Grade.POORLY, lambda patch: patch.solid and 0.35 < patch.necrosis < 0.5),
    'marked inflammation': (
        Grade.WELL,
        lambda patch: patch.inflammation > 20 and patch.tumour_share < 0.65,
    ),
    'oedematous stroma': (
        Grade.MODERATELY,
        lambda patch: patch.oedema > 0.95 and patch.tumour_share < 0.6,
    ),
    'signet ring cells': (
        Grade.POORLY,
        lambda patch: not patch.solid and patch.signet > 0.4 and patch.tumour_share > 0.75,
    ),
    'cribriform glands': (
        Grade.MODERATELY,
        lambda patch: terms.glandular(patch) and patch.cribriform > 0.4,
    ),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0])
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--out', type=Path, default=Path('docs/tissue.jpg'))
    args = parser.parse_args()
    bands = [band for part in (_grades, _findings, _captions, _slides) for band in part(args.seed)]
    sheet = Image.new('RGB', (WIDTH, sum(band.height for band in bands) + GAP), 'white')
    top = 0
    for band in bands:
        sheet.paste(band, (0, top))
        top += band.height
    with replacing(args.out) as temporary:
        sheet.save(temporary, 'JPEG', quality=QUALITY)
    print(f'{args.out}: {sheet.width} x {sheet.height}, {args.out.stat().st_size / 1e6:.2f} MB')


def _grades(seed: int) -> Iterator[Image.Image]:
    yield _heading('Grades: slides of the seen population (four) and the unseen (two)')
    for label, (grade, wanted) in ROWS.items():

        def plain(patch: Attributes, wanted: Wanted = wanted) -> bool:
            return wanted(patch) and _plain(patch) and patch.necrosis == 0

        found = [
            *islice(_slides_with(seed, 'seen', grade, plain), 4),
            *islice(_slides_with(seed, 'unseen', grade, plain), 2),
        ]
        yield _text(label)
        yield _row([_patch(*place) for place in found])


def _findings(seed: int) -> Iterator[Image.Image]:
    yield _heading('Findings and artefacts')
    found = []
    for name, (grade, wanted) in FINDINGS.items():

        def shown(patch: Attributes, name: str = name, wanted: Wanted = wanted) -> bool:
            other = patch.necrosis > 0 and name != 'necrosis'
            return wanted(patch) and _plain(patch) and not other

        found.append(next(_slides_with(seed, 'any', grade, shown)))
    yield _labels(list(FINDINGS))
    yield _row([_patch(*place) for place in found])
    kinds = [kind for kind in Artefact if kind is not Artefact.NONE]
    found = []
    for i, kind in enumerate(kinds):

        def spoilt(patch: Attributes, kind: Artefact = kind) -> bool:
            return patch.artefact is kind and patch.bare == 0 and patch.necrosis == 0

        found.append(next(_slides_with(seed, 'any', Grade(i % len(Grade)), spoilt)))
    yield _labels([kind.value for kind in kinds])
    yield _row([_patch(*place) for place in found])


def _captions(seed: int) -> Iterator[Image.Image]:
    yield _heading('Patches, each with two captions of the many that fit it')
    for pair in ((Grade.WELL, Grade.MODERATELY), (Grade.POORLY, Grade.POORLY)):
        band = Image.new('RGB', (WIDTH, CELL + GAP), 'white')
        for i, grade in enumerate(pair):
            slide, number = next(_slides_with(seed + 1, 'any', grade, _plain, start=i))
            left = GAP + i * 3 * (CELL + GAP)
            band.paste(_patch(slide, number), (left, 0))
            rng = generator('captions of the gallery', seed, grade, i)
            patch = slide.patch_attributes(number)
            texts = [textwrap.fill(describe(rng, patch), WRAP) for _ in range(TEXTS)]
            ImageDraw.Draw(band).multiline_text(
                (left + CELL + GAP, 0), '\n\n'.join(texts), 'black', _font(BODY), spacing=5
            )
        yield band


def _slides(seed: int) -> Iterator[Image.Image]:
    side = 2048
    yield _heading(f'Whole slides, {side} pixels of {MPP} micrometres')
    size = (WIDTH - 3 * GAP) // 2
    cases = [Case(seed, 'any', grade, 0) for grade in (Grade.WELL, Grade.POORLY)]
    band = Image.new('RGB', (WIDTH, size), 'white')
    for i, case in enumerate(cases):
        picture = Image.fromarray(case.open().region(side)).resize((size, size))
        band.paste(picture, (GAP + i * (size + GAP), 0))
    yield band


def _slides_with(
    seed: int, population: Population, grade: Grade, wanted: Wanted, start: int = 0
) -> Iterator[Found]:
    """Slides in their order, each with its first patch that is wanted, if it has one."""
    for number in range(start, 10_000):
        slide = Case(seed, population, grade, number).open()
        for patch in range(12):
            if wanted(slide.patch_attributes(patch)):
                yield slide, patch
                break


def _plain(patch: Attributes) -> bool:
    return patch.artefact is Artefact.NONE and patch.bare == 0 and patch.tumour_share > 0.5


def _patch(slide: Slide, number: int) -> Image.Image:
    picture = Image.fromarray(slide.patch(number, NATIVE))
    return picture.resize((CELL, CELL), Image.Resampling.LANCZOS)


def _row(pictures: list[Image.Image]) -> Image.Image:
    band = Image.new('RGB', (WIDTH, CELL + GAP), 'white')
    for i, picture in enumerate(pictures):
        band.paste(picture, (GAP + i * (CELL + GAP), 0))
    return band


def _labels(names: list[str]) -> Image.Image:
    band = Image.new('RGB', (WIDTH, LINE), 'white')
    for i, name in enumerate(names):
        ImageDraw.Draw(band).text((GAP + i * (CELL + GAP), 0), name, 'black', _font(BODY))
    return band


def _text(line: str) -> Image.Image:
    return _labels([line])


def _heading(line: str) -> Image.Image:
    band = Image.new('RGB', (WIDTH, 2 * LINE), 'white')
    ImageDraw.Draw(band).text((GAP, LINE // 2), line, 'black', _font(HEADING))
    return band


def _font(size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(findfont('DejaVu Sans'), size)


if __name__ == '__main__':
    main()
