"""Zero-shot scores against open_clip's and transformers' own, from image files to probabilities.

Files in the layouts that the authors publish, with random weights and few layers. The reference reads the
same image files by its own preprocessing, tokenizes the same sentences by its own tokenizer and takes its
own model; ours goes the way of `cite zeroshot`. Compared are cosines (logits over the scale) and
probabilities.
"""

from __future__ import annotations

import gzip
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from PIL import Image
from repo import REPO
from scipy.special import softmax
from torch import Tensor

sys.path.append(str(REPO / 'tests' / 'encoders'))  # for `layouts`, which pair_files imports

from pair_files import clip_config, custom_clip, open_clip_of, shorten, small

from cite.anchors.ensemble import class_sentences
from cite.encoders import zoo
from cite.encoders.pairs import load_pair
from cite.serving.space import Space, space_of_pair
from cite.zeroshot.pooling import class_cosines
from cite.zeroshot.prompts import find_prompts

PAIRS = {
    # pair: layout of its file, prompts
    'plip': ('plip_hf', 'model'),
    'biomedclip': ('biomedclip', 'biomedclip'),
    'unimed-clip-vit-b16': ('unimed_clip_vit_b16', 'plip'),
    'whyxrayclip': ('whyxrayclip_vit_l14', 'medclip'),
    'whylesionclip': ('whyxrayclip_vit_l14', 'monet'),
}
WHY = ('whyxrayclip', 'whylesionclip')
CLASSES = ['lymphocytes', 'smooth muscle', 'mucus']
SIZES = [(224, 224), (320, 256), (256, 320), (97, 97), (300, 250), (640, 480)]


class Reference(NamedTuple):
    """A model of another library, with what it reads."""

    image_features: Callable[[Sequence[Path]], Tensor]  # as the model gives them, not normalised
    model: Any  # has encode_text(tokens, normalize)
    tokenizer: Callable[[Sequence[str]], Tensor]
    scale: float


def save_images(folder: Path) -> list[Path]:
    """Smooth colours, of sides and forms that need resizing and cropping, or do not."""
    rng = np.random.default_rng(0)
    files = []
    for number, size in enumerate(SIZES):
        drawn = Image.fromarray(rng.integers(0, 256, (9, 9, 3), dtype=np.uint8))
        files.append(folder / f'{number}.png')
        drawn.resize(size, Image.Resampling.BICUBIC).save(files[-1])
    return files


def byte_tokenizer(folder: Path) -> Any:
    """open_clip's tokenizer of CLIP without merges; the folder has the same one for transformers."""
    from open_clip import SimpleTokenizer
    from transformers import CLIPTokenizerFast

    folder.mkdir()
    with gzip.open(folder / 'merges.txt.gz', 'wt', encoding='utf-8') as file:
        file.write('#version: 0.2\n')
    theirs = SimpleTokenizer(str(folder / 'merges.txt.gz'))
    renamed = {'<start_of_text>': '<|startoftext|>', '<end_of_text>': '<|endoftext|>'}
    vocab = {renamed.get(token, token): number for token, number in theirs.encoder.items()}
    CLIPTokenizerFast(vocab=vocab, merges=[]).save_pretrained(folder)
    return theirs


def letter_tokenizer(folder: Path) -> Any:
    """open_clip's tokenizer for BERTs, of a vocabulary of letters that lies in the folder."""
    from open_clip.tokenizer import HFTokenizer
    from transformers import BertTokenizerFast

    folder.mkdir()
    letters = [chr(code) for code in range(33, 127)]
    special = ['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]']
    tokens = [*special, *letters, *(f'##{letter}' for letter in letters)]
    (folder / 'vocab.txt').write_text('\n'.join(tokens), encoding='utf-8')
    tokenizer = BertTokenizerFast(vocab=str(folder / 'vocab.txt'), model_max_length=512)
    tokenizer.save_pretrained(folder)
    return HFTokenizer(str(folder), context_length=256)


def of_open_clip(name: str, model: Any, tokenizer: Any) -> Reference:
    """An open_clip model with open_clip's evaluation transform."""
    from open_clip.transform import image_transform

    card = zoo.CARDS[name]
    transform = image_transform(card.image_size, is_train=False, mean=card.mean, std=card.std)

    def image_features(files: Sequence[Path]) -> Tensor:
        return model.encode_image(torch.stack([transform(Image.open(file)) for file in files]))

    return Reference(image_features, model, tokenizer, float(model.logit_scale.exp()))


def of_transformers(folder: Path, tokenizer: Any) -> Reference:
    """transformers' CLIPModel with its image processor."""
    from transformers import CLIPModel, CLIPTokenizerFast
    from transformers.models.clip import CLIPImageProcessorPil

    clip = CLIPModel.from_pretrained(folder).eval()
    processor, own = CLIPImageProcessorPil(), CLIPTokenizerFast.from_pretrained(tokenizer)

    class Model:
        @staticmethod
        def encode_text(tokens: Any, normalize: bool) -> Tensor:
            found = clip.get_text_features(**tokens)
            found = getattr(found, 'pooler_output', found)
            return torch.nn.functional.normalize(found, dim=-1) if normalize else found

    def image_features(files: Sequence[Path]) -> Tensor:
        images = [Image.open(file).convert('RGB') for file in files]
        found = clip.get_image_features(**processor(images, return_tensors='pt'))
        return getattr(found, 'pooler_output', found)

    def tokens(texts: Sequence[str]) -> Any:
        return own(list(texts), padding=True, return_tensors='pt')

    return Reference(image_features, Model, tokens, float(clip.logit_scale.exp()))


def bert_pair(name: str, state: Mapping[str, Tensor], depth: int, folder: Path) -> Any:
    """open_clip's CustomTextCLIP with the weights of BiomedCLIP's or UniMed-CLIP's file."""
    import timm
    from transformers import BertConfig

    words = next(len(v) for k, v in state.items() if k.endswith('word_embeddings.weight'))
    bert = BertConfig(vocab_size=words, num_hidden_layers=depth)
    if name == 'biomedclip':
        vit = {'timm_model_name': 'vit_base_patch16_224', 'timm_pool': '', 'timm_proj': 'linear'}
        vit |= {'timm_model_pretrained': False, 'image_size': 224}
        model = custom_clip(vit, 512, folder, bert, quick=False)
        model.visual.trunk = timm.create_model('vit_base_patch16_224', depth=depth, num_classes=0)
    else:
        vit = {'image_size': 224, 'patch_size': 16, 'width': 768, 'layers': depth}
        model = custom_clip(vit, 512, folder, bert, quick=True)
    renamed = {
        key.removeprefix('module.').replace('text_encoder.', 'text.'): value
        for key, value in state.items()
        if not key.endswith('position_ids')
    }
    model.load_state_dict(renamed, strict=True)
    return model.eval()


def both(name: str, depth: int, tmp_path: Path) -> tuple[Space, Reference]:
    """The same file read by us and by its own library."""
    layout = PAIRS[name][0]
    state = small(layout, depth)
    words = tmp_path / 'tokenizer'
    file = tmp_path / 'model' / 'pytorch_model.bin'
    file.parent.mkdir()
    tokenizer = (byte_tokenizer if name in ('plip', *WHY) else letter_tokenizer)(words)
    if layout == 'unimed_clip_vit_b16':
        beside = {'epoch': 10, 'name': name, 'optimizer': {}}
        torch.save({'state_dict': state, **beside}, file)
    else:
        torch.save(state, file)
    if name == 'plip':
        clip_config(state, 'quick_gelu').save_pretrained(file.parent)
        reference = of_transformers(file.parent, words)
    elif name in WHY:
        kept = {key: value.float() for key, value in state.items()}
        reference = of_open_clip(name, open_clip_of(kept, quick=False), tokenizer)
    else:
        bert = bert_pair(name, state, depth, tmp_path / 'bert')
        reference = of_open_clip(name, bert, tokenizer)
    pair = load_pair(name, weights=file, text={'tokenizer': str(words)})
    return space_of_pair(pair, name), reference


@torch.no_grad()
def check(name: str, depth: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cosines and probabilities of files and classes, by prompt ensembling and by means of cosines."""
    from open_clip import build_zero_shot_classifier

    shorten(monkeypatch, name, depth)
    space, reference = both(name, depth, tmp_path)
    files = save_images(tmp_path)
    prompts = find_prompts(PAIRS[name][1], space)
    sentences = class_sentences(CLASSES, prompts.templates).sentences
    images = space.encode_images(files)
    texts = [space.encode_text(own) for own in sentences]
    assert space.scale == pytest.approx(reference.scale, rel=1e-6)

    features = reference.image_features(files)
    theirs = torch.nn.functional.normalize(features, dim=-1)
    weights = build_zero_shot_classifier(
        reference.model, reference.tokenizer, CLASSES, prompts.templates
    )
    means = torch.stack(
        [
            (theirs @ reference.model.encode_text(reference.tokenizer(own), True).T).mean(dim=1)
            for own in sentences
        ],
        dim=1,
    )
    for pooling, expected in (('embeddings', theirs @ weights), ('cosines', means)):
        ours = class_cosines(images, texts, pooling)
        np.testing.assert_allclose(ours, expected, atol=1e-5, rtol=0, err_msg=pooling)
        np.testing.assert_allclose(
            softmax(space.scale * ours, axis=1),
            (reference.scale * expected).softmax(dim=-1),
            atol=1e-5,
            rtol=0,
            err_msg=pooling,
        )
    # images and classes have to matter, or anything would pass
    probabilities = softmax(space.scale * ours, axis=1)
    assert probabilities.std(axis=0).max() > 1e-3 and probabilities.std(axis=1).min() > 1e-3
    if name.startswith('unimed'):
        # its demo neither normalises image features nor scales: other probabilities, the same order
        demo = (features @ weights).softmax(dim=-1)
        order = class_cosines(images, texts).argsort(axis=1)
        assert (demo.argsort(dim=1).numpy() == order).all()


@pytest.mark.parametrize('name', PAIRS)
def test_scores_are_those_of_its_own_library(name, tmp_path, monkeypatch):
    check(name, 1, tmp_path, monkeypatch)


@pytest.mark.slow
@pytest.mark.parametrize('name', ['plip', 'biomedclip', 'unimed-clip-vit-b16'])
def test_they_are_at_full_depth_too(name, tmp_path, monkeypatch):
    check(name, 12, tmp_path, monkeypatch)


@torch.no_grad()
def test_one_sentence_per_class_is_the_forward_pass_of_transformers(tmp_path, monkeypatch):
    """`logits_per_image`, which transformers' pipeline and PLIP's own example take the softmax of."""
    from transformers import CLIPModel, CLIPTokenizerFast
    from transformers.models.clip import CLIPImageProcessorPil

    shorten(monkeypatch, 'plip', 1)
    space, _ = both('plip', 1, tmp_path)
    files = save_images(tmp_path)
    prompts = find_prompts('keep', space)
    sentences = class_sentences(CLASSES, prompts.templates).sentences
    cosines = class_cosines(
        space.encode_images(files), [space.encode_text(own) for own in sentences]
    )
    clip = CLIPModel.from_pretrained(tmp_path / 'model').eval()
    tokens = CLIPTokenizerFast.from_pretrained(tmp_path / 'tokenizer')(
        [own[0] for own in sentences], padding=True, return_tensors='pt'
    )
    images = CLIPImageProcessorPil()(
        [Image.open(file).convert('RGB') for file in files], return_tensors='pt'
    )
    logits = clip(**tokens, **images).logits_per_image
    np.testing.assert_allclose(cosines, logits / space.scale, atol=1e-5, rtol=0)
    np.testing.assert_allclose(
        softmax(space.scale * cosines, axis=1), logits.softmax(dim=-1), atol=1e-5, rtol=0
    )
