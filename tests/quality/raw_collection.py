"""A small raw collection with known contents: drawn tissue, and what raw collections have besides."""

from __future__ import annotations

import csv
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from cite.data.synthetic.attributes import Grade
from cite.data.synthetic.tissue import open_slide

SIDE = 96


def tissue(number: int) -> Image.Image:
    """A patch of a slide of its own."""
    slide = open_slide(5, Grade(number % 3), number)
    return Image.fromarray(slide.patch(0, SIDE))


def chart(rng: np.random.Generator) -> Image.Image:
    """Bars on white."""
    image = Image.new('RGB', (SIDE, SIDE), 'white')
    draw = ImageDraw.Draw(image)
    for x in range(8, SIDE - 8, 14):
        colour = tuple(int(v) for v in rng.integers(0, 256, 3))
        draw.rectangle((x, int(rng.integers(8, 80)), x + 9, SIDE - 8), fill=colour)
    return image


def landscape(rng: np.random.Generator) -> Image.Image:
    """A blue half over a green one, with noise."""
    pixels = np.zeros((SIDE, SIDE, 3))
    edge = int(rng.integers(30, 60))
    pixels[:edge] = (90, 140, 220)
    pixels[edge:] = (60, 130, 50)
    pixels += rng.normal(0, 15, pixels.shape) + rng.normal(0, 15, 3)
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


@dataclass
class Raw:
    """A manifest, and what was planted: kind → files."""

    manifest: Path
    planted: dict[str, set[str]] = field(default_factory=dict)

    def files(self, *kinds: str) -> set[str]:
        return set().union(*(self.planted[kind] for kind in kinds))


def write_raw(root: Path) -> Raw:
    """Writes it: 12 good patches and 6 kinds of others."""
    images = root / 'images'
    images.mkdir(parents=True)
    rng = np.random.default_rng(0)
    raw = Raw(root / 'raw.csv')
    rows: list[tuple[str, str, str]] = []

    def add(kind: str, name: str, caption: str, image: Image.Image | None = None) -> None:
        if image is not None:
            image.save(images / name)
        raw.planted.setdefault(kind, set()).add(f'images/{name}')
        rows.append((f'images/{name}', caption, kind))

    fine = 'Glands of an adenocarcinoma in a desmoplastic stroma, case {}.'
    for number in range(12):
        add('good', f'a{number:02d}.png', fine.format(number), tissue(number))
    grey = tissue(20).convert('L')
    deep = Image.fromarray(np.asarray(grey).astype(np.uint16) * 257)
    add('odd', 'grey.png', fine.format('grey'), grey)
    add('odd', 'deep.png', fine.format('deep'), tissue(21).convert('L'))
    deep.save(images / 'deep16.png')
    add('odd', 'deep16.png', fine.format('16 bit'), None)
    raw.planted['odd'].discard('images/grey.png')  # the same picture as deep16.png in 8 bit
    raw.planted.setdefault('duplicate', set()).add('images/grey.png')
    add('odd', 'cmyk.jpg', fine.format('cmyk'), tissue(22).convert('CMYK'))
    add('odd', 'long.png', 'The tumour cells infiltrate the stroma. ' * 250, tissue(23))
    turned = tissue(0).transpose(Image.Transpose.ROTATE_90)
    add('duplicate', 'turned.png', 'A text of its own about this one.', turned)
    mirrored = tissue(1).transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    mirrored.save(images / 'mirrored.jpg', quality=90)
    add('duplicate', 'mirrored.jpg', fine.format(1), None)
    for number in range(4):
        add('other', f'chart{number}.png', f'Survival of the {number + 3} arms.', chart(rng))
        add('other', f'land{number}.png', 'The lake near the congress hall.', landscape(rng))
    for name, content in (('empty.jpg', b''), ('cut.png', (images / 'a03.png').read_bytes()[:900])):
        (images / name).write_bytes(content)
        add('unreadable', name, fine.format(name))
    frames = [chart(rng) for _ in range(3)]
    frames[0].save(images / 'moving.gif', save_all=True, append_images=frames[1:])
    add('unreadable', 'moving.gif', fine.format('gif'))
    add('unreadable', 'missing.png', fine.format('missing'))
    add('unreadable', 'blank.png', fine.format('blank'), Image.new('RGB', (SIDE, SIDE), '#eee'))
    add('unreadable', 'tiny.png', fine.format('tiny'), tissue(24).resize((40, 40)))
    add('unreadable', 'strip.png', fine.format('strip'), tissue(25).resize((400, 70)))
    add('question', 'q0.png', 'What is your diagnosis?', tissue(30))
    add('question', 'q1.png', 'Mass in the stomach of a smoker, guess the diagnosis', tissue(31))
    add('language', 'l0.png', 'Mäßig differenziertes Adenokarzinom des Magens.', tissue(32))
    add('language', 'l1.png', 'Adenocarcinoma tubular moderadamente diferenciado.', tissue(33))
    add('language', 'l2.png', '胃の中分化型管状腺癌。', tissue(34))
    with raw.manifest.open('w', newline='', encoding='utf-8') as file:
        csv.writer(file).writerows([('file', 'caption', 'kind'), *rows])
    return raw


def write_examples(root: Path, count: int = 48) -> tuple[Path, Path]:
    """Folders of positives and negatives, none of them in the raw collection."""
    rng = np.random.default_rng(1)
    for kind in ('positives', 'negatives'):
        (root / kind).mkdir(parents=True)
    for number in range(count):
        tissue(100 + number).save(root / 'positives' / f'{number}.png')
        image = chart(rng) if number % 2 else landscape(rng)
        image.save(root / 'negatives' / f'{number}.png')
    return root / 'positives', root / 'negatives'
