"""Writes docs/methods.md: tunings and heads as two tables, from their classes.

python tools/method_table.py          writes the page
python tools/method_table.py --check  says whether it is stale, and ends with 1 if it is
"""

from __future__ import annotations

import argparse
import inspect
import sys
from pathlib import Path

from cite.evaluation.table import markdown_text
from cite.heads import HEADS
from cite.registry import Registry
from cite.tuning import TUNINGS

PAGE = Path(__file__).resolve().parents[1] / 'docs' / 'methods.md'
INTRODUCTION = """\
<!-- Written by tools/method_table.py from the classes of the methods; edits here are lost. -->
# Methods

A config chooses a tuning (`model.backbone.tuning`) and a head (`model.head`); each goes with each, on
every tower that can carry it. What cannot be combined is refused by name before a weight is loaded,
with what can be done instead. A bare name takes the defaults:

```sh
cite train quickstart/cite --work-dir work_dirs/lora --cfg-options \\
    model.backbone.tuning=LoRA train_cfg.max_iters=5
cite train quickstart/cite --work-dir work_dirs/both --cfg-options \\
    "model.backbone.tuning=[VisualPrompt,LoRA]" train_cfg.max_iters=5
cite export work_dirs/lora/adapter.safetensors --to onnx --out work_dirs/lora/onnx
```

**Where they go.** Prompts join plain vision transformers and Swin transformers; `PixelPrompt`,
`SideTuning`, `BitFit`, `LayerNormTuning` and `FullFineTuning` any tower. Methods of PEFT say by
`targets` which layers they join, by words that hold for every architecture: 'attn', 'qkv', 'mlp',
'attn+mlp', 'all-linear', and 'conv' for convolutional networks where the method takes them. Bottleneck
adapters join blocks of attention and MLP.

**Groups.** The weights of a method are in one of the groups 'prompt', 'peft' and 'tower'; those of the
neck in 'neck', of the head in 'head'. Each may have a learning rate and a weight decay of its own:
`optim_wrapper.paramwise_cfg=dict(groups=dict(prompt=dict(lr_mult=10.0, decay_mult=0.0)))`.

**Choosing.** `cite.experiments.choosing` holds what may be chosen for a method (the same number of
settings for each) and how: with one slide per class the preset, from two on by leave-one-slide-out on
the training slides, or by validation slides that are declared and counted. The evaluation set has no
way in. `tools/bench/methods.py` is an example; what it measured is among the
[benchmarks](benchmarks.md).

**A method of your own** is one file: [add a method](add_a_method.md).

Each class's docstring has its options, defaults and formulas: `python -c "from cite.tuning import
TUNINGS; help(TUNINGS.get('LoRA'))"`.
"""
HIDDEN = ('Original', 'Half')
"""What only reproduces the published code; docs/protocols.md has it."""


def main() -> int:
    """Writes or checks the page; the exit code."""
    parser = argparse.ArgumentParser(description='The method tables of the documentation.')
    parser.add_argument('--check', action='store_true', help='write nothing; 1 if it is stale')
    args = parser.parse_args()
    text = page()
    if not args.check:
        PAGE.write_text(text, encoding='utf-8')
        return 0
    if PAGE.is_file() and PAGE.read_text(encoding='utf-8') == text:
        return 0
    print(f'{PAGE} is stale: run python tools/method_table.py', file=sys.stderr)
    return 1


def page() -> str:
    """The whole page."""
    tunings = _section('Tunings', ('name', 'what it is', 'group', 'from'), TUNINGS)
    heads = _section('Heads', ('name', 'what it is', 'from'), HEADS)
    return '\n'.join([INTRODUCTION, *tunings, *heads])


def _section(title: str, head: tuple[str, ...], registry: Registry) -> list[str]:
    lines = [f'## {title}', '', f'| {" | ".join(head)} |', '|' + ':--|' * len(head)]
    for name in registry.names():
        if name.startswith(HIDDEN):
            continue
        cls = registry.get(name)
        cells = [f'`{name}`', markdown_text(_summary(cls)), markdown_text(cls.paper)]  # type: ignore[attr-defined]
        if registry is TUNINGS:
            cells.insert(2, cls.group)  # type: ignore[attr-defined]
        lines.append(f'| {" | ".join(cells)} |')
    return [*lines, '']


def _summary(cls: type) -> str:
    """The first paragraph of its docstring, on one line."""
    return ' '.join((inspect.getdoc(cls) or '').split('\n\n')[0].split())


if __name__ == '__main__':
    sys.exit(main())
