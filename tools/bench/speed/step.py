"""Images per second and memory of a training step, beside the published step written plainly.

Both train one prompt token in front of block 0 and a projection, over the same random weights, and must
have the same loss in float32. Times are taken in turn in one process; memory in a process per variant.

    python tools/bench/speed/step.py --batch 32
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from measure import in_turn, matrix_rate, ratio, report
from peak_memory import peak_of
from plain_clip import PlainCITE, names_of_timm
from torch.nn import functional as F

from cite.anchors import Anchors
from cite.encoders.towers.tower import VisionTower
from cite.encoders.vision import random_trunk
from cite.encoders.zoo import get_card
from cite.mm.classifier import CiteClassifier
from cite.precision import PRECISIONS, autocast
from cite.tuning import build_tuning

CLASSES = ('a', 'b', 'c')
TEXT = 1024
"""Length of a text embedding, as of BioLinkBERT-large."""
PLAIN = ('plain fp32', 'plain bf16')
OURS = ('ours fp32', 'ours bf16', 'ours bf16 compiled')


@dataclass(frozen=True)
class Size:
    width: int
    depth: int
    heads: int
    patch: int = 16
    side: int = 224

    @property
    def tokens(self) -> int:
        """Patches, class token and prompt."""
        return (self.side // self.patch) ** 2 + 2


MODELS = {
    'vit_base': Size(768, 12, 12),
    'vit_large': Size(1024, 24, 16),
    'tiny': Size(64, 2, 2, 16, 64),
}


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--model', choices=MODELS, default='vit_base')
    parser.add_argument('--batch', type=int, default=32)
    parser.add_argument('--steps', type=int, default=5, help='measured steps of each variant')
    parser.add_argument('--variants', nargs='+', choices=PLAIN + OURS, default=PLAIN + OURS)
    parser.add_argument('--device', default='cuda' if torch.cuda.is_available() else 'cpu')
    parser.add_argument('--out', type=Path, default=Path('work_dirs/bench_speed'))
    parser.add_argument(
        '--quick', action='store_true', help='a tiny model, few steps, no compiling'
    )
    parser.add_argument('--peak', metavar='VARIANT', help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    if args.quick:
        args.model, args.batch, args.steps = 'tiny', 4, 2
        args.variants = [name for name in args.variants if 'compiled' not in name]
    size = MODELS[args.model]
    if args.peak:
        print(json.dumps(peak_of(lambda: Step(args.peak, size, args.batch, args.device))))
        return
    compare(size, args)


def compare(size: Size, args: Any) -> None:
    """Times, memory and shares of what the machine can do, as a table and as JSON."""
    losses = same_loss(size, args.device)
    steps: dict[str, Callable[[], object]] = {
        name: Step(name, size, args.batch, args.device) for name in args.variants
    }
    rates = matrix_rates(args.device)
    seconds = in_turn(steps, args.steps, warm_up=2)
    steps.clear()
    for dtype, rate in matrix_rates(args.device).items():
        rates[dtype] = max(rate, rates[dtype])
    work = operations(size, args.batch)
    results: dict[str, Any] = {}
    for name, times in seconds.items():
        rate = rates[PRECISIONS[_precision(name)] or torch.float32]
        median = statistics.median(times)
        results[name] = {
            'images_per_second': args.batch / median,
            'seconds': times,
            'matrix_rate': rate,
            'share_of_matrix_rate': work / median / rate,
            **_peak(name, args),
        }
        first = next(iter(seconds))
        results[name][f'times_{first}'] = ratio(seconds[first], times)
        results[name][f'memory_of_{first}'] = results[name]['peak'] / results[first]['peak']
    head = ('variant', 'images/s', f'× {first}', 'of matrix rate', 'peak MB', f'of {first}')
    rows = [
        (
            name,
            f'{found["images_per_second"]:.2f}',
            f'{found[f"times_{first}"]:.2f}',
            f'{found["share_of_matrix_rate"]:.0%}',
            f'{found["peak"] / 1e6:.0f}',
            f'{found[f"memory_of_{first}"]:.0%}',
        )
        for name, found in results.items()
    ]
    content = {
        'model': args.model,
        'batch': args.batch,
        'device': args.device,
        'operations': work,
        'loss': losses,
        'variants': results,
    }
    title = f'A step of CITE on {args.model}, batch {args.batch}, {args.device}'
    report(title, head, rows, args.out / 'step.json', content)


class Step:
    """One variant, ready to be called for a step: forward, backward, SGD."""

    def __init__(self, name: str, size: Size, batch: int, device: str) -> None:
        precision = _precision(name)
        if name.startswith('plain'):
            self.model: Any = plain(size)
            self.context: Callable[[], Any] = lambda: _autocast(precision, device)
        else:
            self.model = ours(size, precision, 'auto' if 'compiled' in name else False)
            self.model.prepare(device)
            self.context = lambda: autocast('fp32', device)  # it has its own
        self.model.to(device).train()
        self.images, self.labels = (t.to(device) for t in data(size, batch))
        trained = [weight for weight in self.model.parameters() if weight.requires_grad]
        self.optimizer = torch.optim.SGD(trained, lr=1e-3)

    def __call__(self) -> None:
        with self.context():
            logits = self.model(self.images)
        F.cross_entropy(logits.float(), self.labels).backward()
        self.optimizer.step()
        self.optimizer.zero_grad()


def ours(size: Size, precision: str = 'fp32', compile: bool | str = False) -> CiteClassifier:
    """The library's model, random from a fixed seed."""
    sizes = {'embed_dim': size.width, 'depth': size.depth, 'num_heads': size.heads}
    sizes |= {'patch_size': size.patch, 'img_size': size.side, 'num_classes': 0}
    card = replace(
        get_card('clip-vit-b16'),
        feature='token',
        feature_dim=size.width,
        patch_size=size.patch,
        image_size=size.side,
        arch_kwargs=sizes,
    )
    torch.manual_seed(0)
    tuning = build_tuning({'type': 'VisualPrompt', 'init': 'normal'})
    tower = VisionTower(card, random_trunk(card, size.side), tuning)
    embeddings = torch.randn(len(CLASSES), TEXT)
    head = {'type': 'TextEmbeddingHead', 'texts': CLASSES}
    head['anchors'] = Anchors(embeddings, CLASSES, {'model': 'random'})
    return CiteClassifier(  # type: ignore[arg-type]
        tower, head, {'type': 'ProjectionNeck'}, CLASSES, precision, compile=compile
    )


def plain(size: Size) -> PlainCITE:
    """The plain model, with the weights of the library's."""
    model = ours(size)
    made = PlainCITE(size.width, size.depth, size.heads, size.patch, size.side, model.head.anchors)
    trunk, state = model.backbone.trunk.state_dict(), made.state_dict()
    for mine, timms in names_of_timm(size.depth).items():
        state[mine] = trunk[timms].reshape(state[mine].shape)
    state |= {'projection.weight': model.neck.weight, 'projection.bias': model.neck.bias}
    state |= {'prompt': model.backbone.tuning.prompt[0]}
    state |= {'mean': model.backbone.mean[0], 'std': model.backbone.std[0]}
    made.load_state_dict(state)
    return made


def data(size: Size, batch: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    shape = (batch, 3, size.side, size.side)
    images = torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)
    return images, torch.arange(batch) % len(CLASSES)


def same_loss(size: Size, device: str) -> dict[str, float]:
    """Losses of both in float32 on four images; they must be one."""
    images, labels = (t.to(device) for t in data(size, 4))
    found = {}
    for name, model in (('plain', plain(size)), ('ours', ours(size))):
        with torch.no_grad():
            found[name] = F.cross_entropy(model.to(device)(images), labels).item()
    if abs(found['plain'] - found['ours']) > 1e-4 * max(1.0, abs(found['plain'])):
        raise SystemExit(f'the two compute different losses: {found}')
    return found


def operations(size: Size, batch: int) -> int:
    """Of the matrix products of a step, a multiplication and an addition counting as two.

    The backward pass goes through all blocks to the prompt; frozen weights take no gradients. What is
    computed a second time does not count.
    """
    c, n = size.width, size.tokens
    linear = 2 * n * 12 * c * c  # query, key, value, output and the two of four times the width
    attention = 2 * 2 * n * n * c
    embedding = 2 * (n - 2) * 3 * size.patch**2 * c
    projection = 3 * 2 * c * TEXT
    return batch * (size.depth * (2 * linear + 3 * attention) + embedding + projection)


def matrix_rates(device: str) -> dict[torch.dtype, float]:
    """Operations per second of one large product; the better of two counts, before and after the steps."""
    return {dtype: matrix_rate(dtype, device) for dtype in (torch.float32, torch.bfloat16)}


def _precision(name: str) -> str:
    return name.split()[1]


def _autocast(precision: str, device: str) -> Any:
    """PyTorch's own and nothing else."""
    dtype = PRECISIONS[precision]
    return torch.autocast(device.partition(':')[0], dtype=dtype, enabled=dtype is not None)


def _peak(name: str, args: Any) -> dict[str, int]:
    """Bytes that the variant takes, in a fresh process."""
    command = [sys.executable, __file__, '--peak', name, '--model', args.model]
    command += ['--batch', str(args.batch), '--device', args.device]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f'{name}: its memory could not be measured:\n{done.stderr[-2000:]}')
    found: dict[str, int] = json.loads(done.stdout.strip().splitlines()[-1])
    return found


if __name__ == '__main__':
    warnings.filterwarnings('ignore', message='.*CUDA runtime.*')
    main()
