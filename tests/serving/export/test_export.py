from __future__ import annotations

import dataclasses
import json

import pytest
import timm
import torch
from small_adapter import NECK, write

from cite.cli import main
from cite.encoders.zoo import CARDS
from cite.errors import ConfigError, ModelError
from cite.serving.export import export, onnx_file
from cite.serving.export import export as export_function
from cite.serving.export.export import ABOUT

LINEAR = {'type': 'LinearHead'}
LORA = {'type': 'LoRA', 'r': 2}
RESNET = {'model': 'timm:resnet10t', 'image_size': 64, 'pretrained': False}


def images(classifier, count=3):
    side = classifier.backbone.image_size
    return torch.rand(count, 3, side, side, generator=torch.Generator().manual_seed(7))


@pytest.mark.parametrize('tuning', [None, LORA, {'type': 'BitFit'}, {'type': 'FullFineTuning'}])
def test_timm_alone_gives_the_logits_of_a_linear_head(tmp_path, tuning):
    path, classifier, info = write(tmp_path, tuning=tuning, neck=None, head=LINEAR)
    exported = export(path, 'timm', tmp_path / 'out')
    assert exported.difference < 1e-4
    plain = timm.create_model(f'local-dir:{tmp_path / "out"}', pretrained=True).eval()
    pixels = images(classifier)
    cfg = plain.pretrained_cfg
    mean, std = (torch.tensor(cfg[key]).view(3, 1, 1) for key in ('mean', 'std'))
    with torch.no_grad():
        torch.testing.assert_close(
            plain((pixels - mean) / std), classifier(pixels), rtol=1e-4, atol=1e-4
        )
    assert cfg['label_names'] == info.classes
    assert not any('lora' in name for name in plain.state_dict())


def test_timm_gives_the_feature_under_another_head(tmp_path):
    path, classifier, _ = write(tmp_path, tuning=LORA)
    export(path, 'timm', tmp_path / 'out')
    plain = timm.create_model(f'local-dir:{tmp_path / "out"}', pretrained=True).eval()
    pixels = images(classifier)
    with torch.no_grad():
        found = plain(classifier.backbone.normalise(pixels))
        torch.testing.assert_close(found, classifier.backbone(pixels), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    'parts',
    [
        {},
        {'tuning': LORA, 'neck': None, 'head': LINEAR},
        {'tuning': [{'type': 'VisualPrompt', 'layers': 'deep', 'init': 'normal'}, LORA]},
    ],
    ids=['prompt, text', 'LoRA, linear', 'both, text'],
)
def test_onnx_gives_the_logits_in_batches_of_any_size(tmp_path, parts):
    onnxruntime = pytest.importorskip('onnxruntime')
    path, classifier, _ = write(tmp_path, **parts)
    exported = export(path, 'onnx', tmp_path / 'out')
    session = onnxruntime.InferenceSession(str(exported.file))
    for count in (1, 5):
        pixels = images(classifier, count)
        (found,) = session.run(None, {'images': pixels.numpy()})
        with torch.no_grad():
            torch.testing.assert_close(
                torch.from_numpy(found), classifier(pixels), rtol=1e-4, atol=1e-4
            )


def test_prompts_cannot_be_merged_and_say_so(tmp_path):
    path, _, _ = write(tmp_path)
    with pytest.raises(ConfigError, match=r'VisualPrompt acts beside.*ONNX'):
        export(path, 'timm', tmp_path / 'out')
    assert not (tmp_path / 'out').exists()


def test_layers_of_our_own_are_refused_for_timm(tmp_path):
    path, _, _ = write(tmp_path, tuning=None, tower={'model': 'tiny-tissue'}, neck=NECK)
    with pytest.raises(
        ConfigError, match=r'tiny-tissue cannot be written for timm alone.*embed_layer'
    ):
        export(path, 'timm', tmp_path / 'out')


def under(monkeypatch, licence):
    card = dataclasses.replace(CARDS['random-vit-tiny'], licence=licence)
    monkeypatch.setitem(CARDS, 'random-vit-tiny', card)


def test_a_licence_without_derivatives_wants_a_flag(tmp_path, monkeypatch, capsys):
    under(monkeypatch, 'CC-BY-NC-ND-4.0')
    path, _, _ = write(tmp_path, tuning=LORA)
    args = ['export', str(path), '--to', 'timm', '--out', str(tmp_path / 'out')]
    assert main(args) == 2
    said = capsys.readouterr().err
    assert 'CC-BY-NC-ND-4.0' in said and '--allow-derivatives' in said
    assert not (tmp_path / 'out').exists()
    assert main([*args, '--allow-derivatives']) == 0
    assert 'no derivatives' in capsys.readouterr().out
    about = json.loads((tmp_path / 'out' / ABOUT).read_text())
    assert about['licences']['vision']['licence'] == 'CC-BY-NC-ND-4.0'


def test_a_folder_that_holds_something_is_left_alone(tmp_path):
    path, _, _ = write(tmp_path, tuning=LORA)
    with pytest.raises(ConfigError, match='is there already'):
        export(path, 'timm', tmp_path)
    with pytest.raises(ConfigError, match='the format must be one of timm, onnx'):
        export(path, 'tflite', tmp_path / 'out')


def test_what_computes_something_else_is_not_kept(tmp_path, monkeypatch):
    path, _, _ = write(tmp_path, tuning=LORA)

    def wrong(classifier, pixels, folder):
        (folder / 'x').write_text('x')
        expected = classifier(pixels)
        return 'x', [(expected * 1.01, expected)]

    monkeypatch.setitem(export_function.__globals__['WRITERS'], 'onnx', wrong)
    with pytest.raises(ModelError, match=r'differs from the classifier by 1\.0e-02'):
        export(path, 'onnx', tmp_path / 'out')
    assert sorted(p.name for p in tmp_path.iterdir()) == ['adapter.safetensors']


def test_without_its_packages_onnx_names_the_extra(tmp_path, monkeypatch):
    path, _, _ = write(tmp_path)
    monkeypatch.setitem(__import__('sys').modules, 'onnxscript', None)
    with pytest.raises(ConfigError, match=r'needs onnxscript: pip install'):
        export(path, 'onnx', tmp_path / 'out')
    assert onnx_file.FILE == 'classifier.onnx'
