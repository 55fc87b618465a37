"""The published code's results, our rooms set up for them, and a record of how far apart they are."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import timm
import torch
from timm.models.vision_transformer import VisionTransformer
from tiny_models import tiny_card

from cite.anchors import Anchors
from cite.encoders.checkpoints import load_strict, to_timm
from cite.encoders.towers.tower import VisionTower
from cite.tuning import TUNINGS

CLASSES = ('well', 'moderate', 'poor')
IMAGENET = {'mean': (0.485, 0.456, 0.406), 'std': (0.229, 0.224, 0.225)}

TOLERANCE = 2e-5  # of an array's largest magnitude
LOOSE = 1e-4  # losses, and scores after training
PERCENT = 5e-6  # metrics, in percentage points

WORST: dict[str, dict[str, float]] = {}
"""group → case → largest deviation found; `test_parity_table` compares it with the docs."""
LIMIT: dict[str, float] = {}
"""group → tolerance."""


class Golden:
    """Compares with golden values, within the tolerance, and records how far off it was.

    Args:
        group: A row of the table in docs/parity.md.
        case: What is compared; a case counts once, however many arrays it has.
    """

    def __init__(self, group: str, case: str) -> None:
        self.group, self.case = group, case

    def close(self, found: Any, expected: Any, tolerance: float = TOLERANCE) -> None:
        """Within `tolerance` of the largest magnitude of the expected array."""
        found = found.detach().numpy() if isinstance(found, torch.Tensor) else np.asarray(found)
        expected = np.asarray(expected)
        assert found.shape == expected.shape, f'{found.shape}, not {expected.shape}'
        off = np.abs(found.astype(np.float64) - expected.astype(np.float64)).max(initial=0)
        self.note(float(off) / max(float(np.abs(expected).max(initial=0)), 1e-6), tolerance)

    def same(self, found: Any, expected: Any) -> None:
        """Equal, to the last bit."""
        assert found == expected
        self.note(0.0, 0.0)

    def note(self, deviation: float, tolerance: float) -> None:
        assert deviation <= tolerance, f'{self.case}: off by {deviation:.2g}, allowed {tolerance}'
        cases = WORST.setdefault(self.group, {})
        cases[self.case] = max(deviation, cases.get(self.case, 0.0))
        LIMIT[self.group] = max(tolerance, LIMIT.get(self.group, 0.0))


@contextmanager
def arrays(path: Any) -> Iterator[Any]:
    with np.load(path) as stored:
        yield {name: stored[name] for name in stored.files}


def tensors(path: Any) -> dict[str, torch.Tensor]:
    with arrays(path) as found:
        return {name: torch.from_numpy(value) for name, value in found.items()}


def make_tower(
    parity: Any, case: str, project: bool, tuning: Any, side: int | None = None
) -> VisionTower:
    """The tiny tower of a case: CLIP in OpenAI's layout or a ViT in mmcls', through our conversion."""
    clip = not case.startswith('vit')
    stored = 224 if '224' in case else 32
    side = side or stored
    patch = 16 if stored == 224 else 8
    sizes: dict[str, Any] = {'img_size': side, 'patch_size': patch, 'depth': 3}
    if clip:
        arch, width = 'vit_base_patch32_clip_quickgelu_224', 128
        kwargs = {**sizes, 'embed_dim': 128, 'num_heads': 2, 'num_classes': 64 if project else 0}
        file = f'weights/clip_visual_{stored}.npz'
    else:
        arch, width = 'vit_tiny_patch16_224', 96
        kwargs = {**sizes, 'embed_dim': 96, 'num_heads': 4, 'mlp_ratio': 2, 'num_classes': 0}
        file = 'weights/vit_32.npz'
    trunk = timm.create_model(arch, **kwargs)
    assert isinstance(trunk, VisionTransformer)
    load_strict(trunk, to_timm(tensors(parity(file)), trunk, 'mae'), file)
    card = tiny_card(
        'projection' if clip and project else 'token',
        64 if clip and project else width,
        mean=(0, 0, 0),
        std=(1, 1, 1),
        image_size=side,
        patch_size=patch,
    )
    return VisionTower(card, trunk.eval(), TUNINGS.build(tuning) if tuning else None)


def make_tuning(described: dict[str, Any]) -> Any:
    """Our name for what trains in the tower of a case."""
    backbone = described['config']['backbone']
    trains = backbone.get('fix') is False
    if 'prompt_init' not in backbone:
        return {'type': 'FullFineTuning'} if trains else None
    tuning = {
        'type': 'VisualPrompt',
        'length': backbone['prompt_length'],
        'layers': backbone.get('prompt_layers') or [0],
        'position': backbone.get('prompt_pos', 'prepend'),
        'init': backbone['prompt_init'],
    }
    if trains:
        tuning |= {'type': 'OriginalVisualPrompt', 'train_tower': True}
    if tuning['position'] == 'add' and tuning['length'] > 16:
        tuning['type'] = 'OriginalVisualPrompt'  # longer than the patches: ours refuses it
    return tuning


def make_neck(described: dict[str, Any]) -> Any:
    neck = described['config'].get('neck')
    return neck and {'type': 'ProjectionNeck', 'frozen': neck.get('fix', False)}


def make_head(golden: Any, described: dict[str, Any]) -> Any:
    spec = described['config']['head']
    if 'text_embeddings' not in golden:
        return {'type': 'LinearHead'}
    texts = tuple(spec['texts'])
    head = {'texts': texts, 'anchors': Anchors(torch.from_numpy(golden['text_embeddings']), texts)}
    if spec['type'] == 'CLIPTextHead':
        return {'type': 'ZeroShotHead', **head}
    return {
        'type': 'TextEmbeddingHead',
        **head,
        'temperature': spec['temperature'],
        'learnable_temperature': spec.get('learnable_t', False),
    }


def ours(name: str) -> str:
    return name.replace('backbone.prompt', 'backbone.tuning.prompt')


def slide_order(labels: Sequence[int], slides: Sequence[str], sequence: Sequence[int]) -> list[str]:
    """The order of slides from which seed 0's first shuffle gives the beginning of a sequence.

    That order hung on PYTHONHASHSEED, and was not recorded.
    """
    generator = random.Random(0)
    found: list[str] = []
    for c in range(3):
        members: dict[str, list[int]] = {}
        for row, (slide, label) in enumerate(zip(slides, labels, strict=True)):
            if label == c:
                members.setdefault(slide, []).append(row)
        state = generator.getstate()
        for order in itertools.permutations(members):
            generator.setstate(state)
            rows = list(itertools.chain(*(members[slide] for slide in order)))
            generator.shuffle(rows)
            drawn = sequence[c::3][: len(rows)]
            if rows[: len(drawn)] == drawn:
                found += order
                break
        else:
            raise AssertionError(f'no order of the slides of class {c} gives this sequence')
    return found
