"""`cite explain`: which regions of patches, and which patches, speak for which class."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cite.cli.explain_images import check_kept, images_without_former, readable
from cite.cli.parsing import add_debug, count
from cite.errors import ConfigError

if TYPE_CHECKING:
    from cite.classifier import Classifier
    from cite.serving import Predictor

HELP = 'show which regions of patches, and which patches, speak for which class'
EXAMPLE = 'cite explain patches/*.jpg --adapter work_dirs/cite/adapter.safetensors --out explain'
METHODS = ('scores', 'rollout', 'gradcam', 'gradients')
MOST_CLASSES = 6
"""That are shown unless they are named."""
SHEET = 'patches.png'
TABLE = 'scores.csv'


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        'images', type=Path, nargs='+', metavar='IMAGE', help='image files, or folders of them'
    )
    parser.add_argument('--adapter', type=Path, help='adapter.safetensors')
    parser.add_argument(
        '--model', help="a pair, by name or file, with --texts; or the adapter's base model"
    )
    parser.add_argument('--weights', type=Path, help="file with the model's weights")
    parser.add_argument(
        '--texts',
        nargs='+',
        metavar='TEXT',
        help='texts that are the classes: of a pair, or in place of those of an adapter with a text head',
    )
    parser.add_argument(
        '--class',
        dest='class_names',
        action='append',
        metavar='NAME',
        help=f'class to explain, may be repeated (default: all; of many the {MOST_CLASSES} most probable)',
    )
    parser.add_argument(
        '--method',
        dest='methods',
        nargs='+',
        choices=METHODS,
        default=['scores'],
        help='how (default: scores); rollout is for plain vision transformers, gradcam and gradients need '
        'captum. What each means: docs/attribution.md',
    )
    parser.add_argument(
        '--contrast',
        action='store_true',
        help="explain a class's score minus the mean of the others', which is what decides between them",
    )
    parser.add_argument(
        '--top',
        type=count,
        default=8,
        metavar='K',
        help='patches in a row of the sheet (default: 8)',
    )
    parser.add_argument(
        '--out',
        type=Path,
        default=Path('work_dirs/explain'),
        help='folder to write (default: work_dirs/explain)',
    )
    parser.add_argument('--device', help='cpu, cuda or cuda:N (default: what there is)')
    add_debug(parser)


def run(args: argparse.Namespace) -> int:
    if args.adapter is None and (args.model is None or not args.texts):
        raise ConfigError(
            'give --adapter, or a pair with the texts to ask for: --model plip --texts "…" "…"'
        )
    files = images_without_former(args.images, args.out)
    if args.texts:
        from cite.attribution.asking import check_texts

        check_texts(args.texts)
    files, bad = readable(files)
    import numpy as np
    from tqdm import tqdm

    from cite.attribution import draw, explain_classes, out_folder, top_patches
    from cite.attribution.explaining import class_probabilities
    from cite.serving.votes import Prediction

    model = _model(args)
    classes = model.classes
    _check_classes(args.class_names, classes)
    methods = list(dict.fromkeys(args.methods))
    names = _names(files, len(files) > 1)
    written = [*names, TABLE, *([SHEET] if len(files) > 1 else [])]
    check_kept([*files, *bad], [args.out / name for name in written])
    about = _about(args, model, methods, files, bad)
    scores, inexact = [], 0
    for number, (file, name) in enumerate(
        zip(tqdm(files, unit='patch', delay=2), names, strict=True)
    ):
        found = class_probabilities(model, file)
        shown = args.class_names or _shown(found, classes)
        maps = [explain_classes(model, file, shown, how, args.contrast) for how in methods]
        inexact += sum('inexact' in one.about for of_method in maps for one in of_method)
        if number == 0:  # a question that cannot be answered costs no former results
            out_folder.begin(args.out, about, written)
        draw(file, maps, file.name, args.out / name)
        scores.append(found)
    prediction = Prediction([str(file) for file in files], np.array(scores, np.float32), classes)
    prediction.to_csv(args.out / TABLE)
    told = f'{len(files)} picture{"s" if len(files) > 1 else ""}'
    if len(files) > 1:
        from cite.atomic import replacing

        sheet = top_patches(prediction, args.top, title='Patches by the probability of each class')
        with replacing(args.out / SHEET) as temporary:
            sheet.save(temporary, format='png')
        told += f', {SHEET}'
    out_folder.finish(args.out, about, written)
    if inexact:
        print(f'{inexact} maps of gradients do not add up to within 5 %: take them as rough')
    print(f'{told} and {TABLE} in {args.out}')
    if bad:
        print(f'left out: {len(bad)} of {len(files) + len(bad)} images, which cannot be read')
    return 1 if bad else 0


def _about(
    args: argparse.Namespace,
    model: Predictor | Classifier,
    methods: Sequence[str],
    files: Sequence[Path],
    bad: Mapping[Path, str],
) -> dict[str, Any]:
    """What decides the maps."""
    from cite.classifier import Classifier
    from cite.frozen import file_digest
    from cite.inference.question import versions

    classifier = model if isinstance(model, Classifier) else model.classifier
    adapter = args.adapter
    return {
        'adapter': None if adapter is None else str(adapter),
        'adapter_digest': None if adapter is None else file_digest(adapter),
        'model': args.model,
        'weights': None if args.weights is None else str(args.weights),
        'model_digest': classifier.backbone.digest,
        'methods': list(methods),
        'contrast': args.contrast,
        'texts': args.texts,
        'classes': list(model.classes),
        'classes_asked_for': args.class_names,
        'images': [str(file) for file in files],
        'left_out': {str(file): why for file, why in bad.items()},
        'versions': versions(),
    }


def _model(args: argparse.Namespace) -> Predictor | Classifier:
    from cite.attribution import ask

    if args.adapter is not None:
        from cite.serving import load

        trained = load(args.adapter, args.model, args.weights, args.device)
        return ask(trained, args.texts) if args.texts else trained
    from cite.encoders.pairs import load_pair
    from cite.inference.device import settle_device

    place = settle_device(args.device)
    return ask(load_pair(args.model, weights=args.weights).to(place), args.texts)


def _check_classes(names: Sequence[str] | None, classes: Sequence[str]) -> None:
    unknown = [name for name in names or () if name not in classes]
    if unknown:
        raise ConfigError(
            f'--class: there is no class {unknown[0]!r}; the model has: {"; ".join(classes)}'
        )


def _shown(probabilities: Sequence[float], classes: Sequence[str]) -> list[str]:
    """All classes in their order; of many the most probable."""
    if len(classes) <= MOST_CLASSES:
        return list(classes)
    order = sorted(range(len(classes)), key=lambda label: -probabilities[label])
    return [classes[label] for label in order[:MOST_CLASSES]]


def _names(files: Sequence[Path], sheet: bool) -> list[str]:
    """A PNG per image, with a number where stems are alike."""
    taken = {SHEET.casefold()} if sheet else set()
    found = []
    for file in files:
        name, number = f'{file.stem}.png', 1
        while name.casefold() in taken:
            number += 1
            name = f'{file.stem}-{number}.png'
        taken.add(name.casefold())
        found.append(name)
    return found
