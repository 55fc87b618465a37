from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from PIL import Image
from small_adapter import CLASSES, PROMPT, TEXTS, picture_files, pictures, write

import cite
from cite.adapter import save_adapter
from cite.errors import CheckpointError, ConfigError, DataError
from cite.images import ResizePatch, image_batches
from cite.serving import Predictor, load


@pytest.fixture(scope='module')
def trained(tmp_path_factory):
    return write(tmp_path_factory.mktemp('adapter'))


@pytest.fixture(scope='module')
def predictor(trained) -> Predictor:
    return load(trained[0], device='cpu')


def test_public_name_loads_and_predicts(trained, tmp_path):
    files = picture_files(tmp_path, ['s1_a.png', 's1_b.png', 's2_a.png'])
    found = cite.load(str(trained[0]), device='cpu').predict(files)
    assert found.names == [str(file) for file in files]
    assert found.scores.shape == (3, 3) and found.scores.dtype == np.float32
    np.testing.assert_allclose(found.scores.sum(1), 1, rtol=1e-5)
    assert found.labels == [CLASSES[i] for i in found.scores.argmax(1)]
    assert list(found.votes) == ['s1', 's2']
    np.testing.assert_allclose(found.votes['s1'], found.scores[:2].mean(0), rtol=1e-6)


def test_scores_depend_on_neither_batch_size_nor_company(predictor):
    images = pictures(7)
    whole = predictor.predict(images, batch_size=7).scores
    assert np.abs(whole[0] - whole[1]).max() > 1e-4  # else the rest would hold of anything
    for batch_size in (1, 2, 100, 'auto'):
        for workers in (0, 1, 3):
            scores = predictor.predict(images, batch_size=batch_size, workers=workers).scores
            np.testing.assert_allclose(scores, whole, atol=1e-6)
    backwards = predictor.predict(images[::-1], batch_size=3).scores
    np.testing.assert_allclose(backwards[::-1], whole, atol=1e-6)


def test_all_kinds_of_images_give_the_same_scores(predictor, tmp_path):
    arrays = pictures(3)
    files = picture_files(tmp_path, ['a.png', 'b.png', 'c.png'])
    pils = [Image.fromarray(pixels) for pixels in arrays]
    tensors = torch.from_numpy(np.stack(arrays)).permute(0, 3, 1, 2)
    wanted = predictor.predict(files).scores
    for images in (arrays, pils, np.stack(arrays), (file for file in files), map(str, files)):
        np.testing.assert_array_equal(predictor.predict(images).scores, wanted)
    # torch resizes uint8 tensors with another rounding than Pillow
    np.testing.assert_allclose(predictor.predict(tensors).scores, wanted, atol=2e-2)
    for one in (files[0], str(files[0]), arrays[0], pils[0]):
        found = predictor.predict(one)
        np.testing.assert_allclose(found.scores, wanted[:1], atol=1e-6)
    assert predictor.predict(tensors[0]).names == ['image 0']
    mixed = predictor.predict([arrays[0], files[1], pils[2]], batch_size=3)
    assert mixed.names == ['image 0', str(files[1]), 'image 2']
    np.testing.assert_array_equal(mixed.scores, wanted)


@pytest.mark.parametrize(('workers', 'ahead'), [(0, 0), (2, 4)])
def test_a_generator_is_read_two_batches_ahead_at_most(predictor, workers, ahead):
    """A hundred thousand patches need not be in memory at once."""
    pulled, seen = [], []

    def images():
        for number, image in enumerate(pictures(12)):
            pulled.append(number)
            yield image

    hook = predictor.classifier.register_forward_pre_hook(lambda *_: seen.append(len(pulled)))
    predictor.predict(images(), batch_size=2, workers=workers)
    hook.remove()
    assert len(seen) == 6 and seen[-1] == 12
    assert all(2 * n <= count <= 2 * n + ahead for n, count in enumerate(seen, 1))


@pytest.mark.parametrize('images', [[], (), iter([])])
def test_nothing_to_predict(predictor, images):
    found = predictor.predict(images)
    assert found.scores.shape == (0, 3)
    assert found.labels == [] and found.votes == {}


def test_bad_images_are_named(predictor, tmp_path):
    good, cut = picture_files(tmp_path, ['good.jpg', 'cut.jpg'])
    cut.write_bytes(cut.read_bytes()[:-900])
    text = tmp_path / 'text.png'
    text.write_text('not an image')
    for bad in (cut, text, tmp_path / 'gone.png'):
        with pytest.raises(DataError, match=bad.name) as error:
            predictor.predict([good, bad])
        assert '\n' not in str(error.value)
    with pytest.raises(DataError, match='uint8'):
        predictor.predict([np.zeros((4, 4, 3), np.float32)])


def test_bad_arguments_are_told_before_the_work(predictor, trained):
    predictor.classifier.register_forward_pre_hook(_fail)
    try:
        with pytest.raises(ConfigError, match='batch_size must be at least 1'):
            predictor.predict(pictures(2), batch_size=0)
        with pytest.raises(DataError, match='1 slides were given for 2 images'):
            predictor.predict(pictures(2), slides=['a'])
    finally:
        predictor.classifier._forward_pre_hooks.clear()
    for device in ('gpu', 'tpu:0', 'meta', 'cuda:99'):
        with pytest.raises(ConfigError, match=device):
            load(trained[0], device=device)


def _fail(*_):
    raise AssertionError('the model ran')


def test_a_classifier_in_training_mode_is_put_into_eval_mode(predictor):
    again = Predictor(predictor.classifier.train(), predictor.info)
    assert not any(module.training for module in again.classifier.modules())


def test_precision_of_the_training_is_used(trained, tmp_path):
    _, classifier, info = trained
    found = {}
    for precision in ('fp32', 'bf16', 'fp16'):
        path = tmp_path / f'{precision}.safetensors'
        save_adapter(path, classifier.state_dict(), dataclasses.replace(info, precision=precision))
        found[precision] = load(path, device='cpu').predict(pictures(3)).scores
    assert not np.array_equal(found['bf16'], found['fp32'])
    np.testing.assert_allclose(found['bf16'], found['fp32'], atol=0.15)
    np.testing.assert_array_equal(found['fp16'], found['fp32'])  # a CPU has no fp16
    assert found['bf16'].dtype == np.float32


def test_adapter_of_the_training_framework_gives_its_scores(tmp_path):
    """What the hook at the end of training writes is what `load` reads."""
    from mmengine.config import Config

    from cite.mm.adapter_hook import adapter_info
    from cite.mm.classifier import CiteClassifier
    from cite.mm.sample import PatchSample

    model = {
        'backbone': {'type': 'VisionTower', 'model': 'random-vit-tiny', 'tuning': PROMPT},
        'neck': {'type': 'ProjectionNeck'},
        'head': {
            'type': 'TextEmbeddingHead',
            'texts': TEXTS,
            'text_encoder': {'type': 'TextEncoder', 'model': 'random-bert-tiny'},
        },
    }
    trained = CiteClassifier(**model, classes=CLASSES, precision='fp32').eval()
    path = tmp_path / 'adapter.safetensors'
    save_adapter(path, trained.state_dict(), adapter_info(trained, Config({'model': model}), {}))

    images = pictures(4)
    (batch,) = image_batches(images, trained.backbone.resize, 4)
    with torch.inference_mode():
        blank = [PatchSample.of(0, img_path='', slide='') for _ in images]
        samples = trained(batch, blank, mode='predict')
    found = load(path, device='cpu').predict(images, batch_size=4)
    wanted = np.stack([sample.pred_score.numpy() for sample in samples])
    np.testing.assert_array_equal(found.scores, wanted)
    assert [CLASSES.index(label) for label in found.labels] == wanted.argmax(1).tolist()


def test_patches_are_resized_as_in_training(trained, tmp_path):
    _, classifier, info = trained
    size = classifier.backbone.image_size
    wide = Image.fromarray(np.random.default_rng(1).integers(0, 256, (80, 160, 3), dtype=np.uint8))
    scores = {}
    for how in ('squash', 'shortest'):
        fit = {'size': size, 'interpolation': 'bicubic', 'how': how}
        other = dataclasses.replace(info, preprocessing={**info.preprocessing, 'fit': fit})
        save_adapter(tmp_path / how, classifier.state_dict(), other)
        scores[how] = load(tmp_path / how, device='cpu').predict(wide).scores
        (batch,) = image_batches(wide, ResizePatch(**fit), 1)
        with torch.inference_mode():
            wanted = classifier(batch).softmax(1).numpy()
        np.testing.assert_allclose(scores[how], wanted, rtol=1e-5)
    assert not np.allclose(scores['squash'], scores['shortest'], rtol=1e-3)


@pytest.mark.parametrize('fit', [{'size': 16}, {'size': 112, 'how': 'bent'}, {'sise': 112}])
def test_a_foreign_way_of_resizing_is_refused(trained, tmp_path, fit):
    _, classifier, info = trained
    other = dataclasses.replace(info, preprocessing={**info.preprocessing, 'fit': fit})
    save_adapter(tmp_path / 'a', classifier.state_dict(), other)
    with pytest.raises(CheckpointError, match='resize'):
        load(tmp_path / 'a', device='cpu')
