"""How `tiny-tissue` was made: tissue is drawn, a vocabulary learned, a pair trained and packed.

    python tools/tiny_tissue.py                 # everything, into work_dirs/tiny-tissue
    python tools/tiny_tissue.py --check         # the first 50 losses again, compared with those packed

About an hour and a half on two CPU cores, minutes on a GPU. Every step that is done is left as it is, and
the training resumes, so an interrupted run is called again. The pair that comes with cite lies in
cite/encoders/tiny_tissue and was made by this script; `--pack FOLDER` puts a new one elsewhere.
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import shutil
import string
import sys
from pathlib import Path
from typing import Any

import torch

ROOT = Path('work_dirs/tiny-tissue')
CONFIG = 'contrast/tiny_tissue'
THREADS = 2
LOSSES = 50

SEEN = {'slides_per_class': 700, 'patches_per_slide': 5, 'seed': 1, 'population': 'seen'}
HELD_OUT = {'slides_per_class': 40, 'patches_per_slide': 4, 'seed': 2, 'population': 'unseen'}

VOCABULARY = 1500
TEXT_FILES = ('config.json', 'tokenizer.json', 'tokenizer_config.json')
TEXT = {
    'hidden_size': 192,
    'num_hidden_layers': 2,
    'num_attention_heads': 3,
    'intermediate_size': 768,
    'max_position_embeddings': 128,
    'initializer_range': 0.05,  # BERT's 0.02 makes all texts of a small one look alike
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--out', type=Path, default=ROOT, help=f'work folder (default: {ROOT})')
    parser.add_argument('--pack', type=Path, help='folder of the packed pair (default: OUT/packed)')
    parser.add_argument('--workers', type=int, default=THREADS, help='processes that draw')
    parser.add_argument('--check', action='store_true', help=f'compare the first {LOSSES} losses')
    args = parser.parse_args()
    torch.set_num_threads(THREADS)  # sums are rounded by how they are split over threads
    out: Path = args.out
    draw(out, args.workers)
    write_text_model(out / 'pairs' / 'pairs.csv', out / 'text')
    if args.check:
        check(out)
        return
    run = train(out, out / 'run')
    pack(run, args.pack or out / 'packed', out / 'text')


def draw(out: Path, workers: int) -> None:
    """Patches with captions: what is trained on, and held-out ones of other stains and mixes."""
    from cite.data.synthetic import write_pairs

    write_pairs(out / 'pairs', **SEEN, workers=workers)  # type: ignore[arg-type]
    write_pairs(out / 'held_out', **HELD_OUT, workers=workers)  # type: ignore[arg-type]


def write_text_model(captions: Path, folder: Path) -> None:
    """A WordPiece vocabulary of the captions, and the description of a BERT without weights.

    The trainer breaks ties and numbers words by chance, and a word's number decides its first weights. So
    the vocabulary of the packed pair is taken, where there is one: it was learned once.
    """
    from cite.encoders.cards.tiny_tissue import FOLDER

    packed = [FOLDER / 'text' / name for name in TEXT_FILES]
    if all(path.is_file() for path in packed):
        folder.mkdir(parents=True, exist_ok=True)
        for path in packed:
            (folder / path.name).write_bytes(path.read_bytes())
        return
    from tokenizers import BertWordPieceTokenizer, Tokenizer
    from transformers import BertConfig, PreTrainedTokenizerFast

    with captions.open(encoding='utf-8', newline='') as file:
        texts = [row['caption'] for row in csv.DictReader(file)]
    letters = string.ascii_lowercase + string.digits
    wordpiece = BertWordPieceTokenizer(lowercase=True)
    # words of no caption are spelt: each letter occurs at the beginning and within
    spelling = [*letters, letters, letters[::-1]]
    wordpiece.train_from_iterator(
        texts + spelling, vocab_size=VOCABULARY, min_frequency=2, show_progress=False
    )
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer.from_str(wordpiece.to_str()),
        pad_token='[PAD]',
        unk_token='[UNK]',
        cls_token='[CLS]',
        sep_token='[SEP]',
        mask_token='[MASK]',
        model_max_length=TEXT['max_position_embeddings'],
    )
    tokenizer.save_pretrained(folder)
    BertConfig(vocab_size=len(tokenizer), **TEXT).save_pretrained(folder)


def train(out: Path, run: Path, iterations: int | None = None) -> Path:
    """Runs the config, or what is left of it; returns the run folder."""
    from cite.mm.launch import load_config
    from cite.mm.launch import train as launch

    options: dict[str, Any] = {
        'data_root': str(out),
        'model.text.model': str(out / 'text'),
        'default_hooks.logger.interval': 20,
    }
    if iterations is not None:
        options |= {'train_cfg.max_iters': iterations, 'val_dataloader': None, 'val_cfg': None}
    launch(load_config(CONFIG, str(run), options), resume=any(run.glob('iter_*.pth')))
    return run


def losses(run: Path) -> list[float]:
    """The loss of each of the first iterations, as the newest checkpoint remembers them."""
    newest = max(run.glob('iter_*.pth'), key=lambda path: int(path.stem[5:]))
    checkpoint = torch.load(newest, map_location='cpu', weights_only=True)
    history: list[float] = checkpoint['message_hub']['log_scalars']['train/loss'][0]
    return history[:LOSSES]


def pack(run: Path, folder: Path, text: Path) -> None:
    """The trained pair as two halves in half precision, in the layouts that cite reads."""
    from safetensors.torch import load_file, save

    from cite.atomic import write_bytes
    from cite.encoders.pair_file import read_pair_info

    state = load_file(run / 'pair.safetensors')
    halves = {
        folder / 'vision.safetensors': 'vision.trunk.',
        folder / 'text' / 'model.safetensors': 'text.trunk.',
    }
    for path, prefix in halves.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        part = {
            name.removeprefix(prefix): (value.half() if value.is_floating_point() else value)
            for name, value in state.items()
            if name.startswith(prefix) and '.pooler.' not in name
        }
        if 'head.weight' in part:  # of timm, beside a projection; it is zero, and never trained
            part['head.bias'] = torch.zeros(len(part['head.weight']), dtype=torch.half)
        write_bytes(path, save(part, {'format': 'pt'}))
    for name in TEXT_FILES:
        (folder / 'text' / name).write_bytes((text / name).read_bytes())
    info = read_pair_info(run / 'pair.safetensors').training
    about = {
        'scale': math.exp(float(state['log_scale'])),
        'made_by': 'tools/tiny_tissue.py',
        'data': {'train': SEEN, 'held_out': HELD_OUT},
        'iterations': info['iterations'],
        'seed': info['seed'],
        'threads': THREADS,
        'device': info['device'],
        'versions': info['versions'],
        'first_losses': losses(run),
    }
    (folder / 'pair.json').write_text(json.dumps(about, indent=1) + '\n', encoding='utf-8')
    size = sum(path.stat().st_size for path in folder.rglob('*') if path.is_file())
    print(f'{folder}: {size / 2**20:.1f} MiB')


def check(out: Path) -> None:
    """Trains the first iterations again and compares their losses with those that were packed."""
    from cite.encoders.cards.tiny_tissue import FOLDER

    packed = json.loads((FOLDER / 'pair.json').read_text(encoding='utf-8'))
    shutil.rmtree(out / 'check', ignore_errors=True)  # a run that is done would not train again
    again = losses(train(out, out / 'check', LOSSES))
    largest = max(abs(a - b) for a, b in zip(again, packed['first_losses'], strict=True))
    print(f'{LOSSES} losses, largest difference from those packed: {largest:.2g}')
    print(f'packed with {packed["versions"]} on {packed["device"]}')
    if largest > 1e-4:
        sys.exit('not the same losses; other versions and other processors round otherwise')


if __name__ == '__main__':
    main()
