from __future__ import annotations

import copy

import pytest
import torch
from small_adapter import NECK, build, pictures
from tiny_models import save_tiny_bert, tiny_images
from tower_kinds import check_state, check_trains, features, size, vision

from cite.adapter import save_adapter
from cite.encoders.text.bert import TextEncoder
from cite.encoders.vision import load_vision
from cite.errors import ConfigError
from cite.frozen import trainable
from cite.images import image_batches
from cite.serving.rebuild import load_adapter
from cite.tuning import TUNINGS, Tuning, build_tuning
from cite.tuning.base import BEHIND, EMBED
from cite.tuning.several import Several

PROMPT = {'type': 'VisualPrompt', 'length': 2, 'init': 'normal'}
WORDS = {'type': 'TextPrompt', 'length': 2}
LORA = {'type': 'LoRA', 'r': 2}
ADAPTER = {'type': 'HoulsbyAdapter', 'width': 8}
SIDE = {'type': 'SideTuning', 'width': 4, 'layers': 1}

TOGETHER = {
    'prompt+lora': ('vit', [PROMPT, LORA]),
    'lora+prompt': ('vit', [LORA, PROMPT]),
    'adapters+norms': ('vit', [ADAPTER, 'LayerNormTuning']),
    'adapters+lora': ('vit', [ADAPTER, {'type': 'LoRA', 'targets': 'attn+mlp'}]),
    'biases+lora': ('vit', ['BitFit', LORA]),
    'lora+biases': ('vit', [LORA, 'BitFit']),
    'block+lora': ('vit', ['LastBlocks', LORA]),
    'biases+norms': ('vit', ['BitFit', 'LayerNormTuning']),
    'adapters twice': ('vit', [ADAPTER, {'type': 'AdaptFormer', 'width': 8}]),
    'side+prompt+lora': ('vit', [SIDE, PROMPT, LORA]),
    'norms of a resnet+side': ('resnet', ['LayerNormTuning', SIDE]),
    'swin': ('swin', [LORA, ADAPTER, 'BitFit']),
    'words+lora': ('bert', [WORDS, LORA]),
    'adapters of bert+lora': ('bert', [ADAPTER, {'type': 'LoRA', 'targets': 'attn+mlp'}]),
    'lora+adapters of clip': ('clip', [LORA, ADAPTER, 'LayerNormTuning']),
}


@pytest.mark.parametrize('case', TOGETHER)
def test_all_of_them_train_and_nothing_else(towers, case):
    check_trains(towers(*TOGETHER[case]))


@pytest.mark.parametrize('case', TOGETHER)
def test_the_digest_is_that_of_the_model_as_it_was_loaded(towers, case):
    kind, specs = TOGETHER[case]
    assert towers(kind, specs).digest == towers(kind).digest


@pytest.mark.parametrize('case', TOGETHER)
def test_state_dict(towers, case):
    check_state(towers.maker(*TOGETHER[case]))


@pytest.mark.parametrize('case', ['adapters+norms', 'biases+lora', 'swin', 'adapters of bert+lora'])
def test_starts_as_the_untouched_tower_where_each_part_does(towers, case):
    kind, specs = TOGETHER[case]
    assert torch.equal(features(towers(kind, specs)), features(towers(kind)))


@pytest.mark.parametrize(
    ('specs', 'stage'),
    [
        (['NoTuning'], None),
        (['NoTuning', SIDE], BEHIND),
        ([{**PROMPT, 'layers': [1]}, {**LORA, 'blocks': [2]}], 1),
        ([SIDE, {**LORA, 'blocks': [2]}], 2),
        ([{**PROMPT, 'layers': [1]}, 'BitFit'], EMBED),
    ],
)
def test_gradients_start_with_the_first_of_them(towers, specs, stage):
    assert towers('vit', specs).tuning.first_stage == stage


def test_weights_are_known_by_the_part_that_trains_them(towers):
    tower = towers('vit', [PROMPT, LORA, 'LayerNormTuning', SIDE])
    groups = {name: tower.tuning.group_of(name) for name in trainable(tower)}
    assert groups['tuning.parts.0.prompt'] == 'prompt'
    assert groups['tuning.parts.3.logit'] == 'peft'
    assert groups['trunk.norm.weight'] == 'tower'
    assert {group for name, group in groups.items() if '.lora_' in name} == {'peft'}
    assert not tower.tuning.owns('trunk.blocks.0.mlp.fc1.weight')


def test_the_part_decides_the_factor_of_the_rate():
    class Slow(Tuning):
        def lr_factor(self, name):
            assert name == 'tuning.weight'
            return 0.25

    several = Several([build_tuning(PROMPT), Slow()])
    assert several.lr_factor('tuning.parts.1.weight') == 0.25
    assert several.lr_factor('tuning.parts.0.prompt') == 1


def test_counts(towers):
    prompt = towers('vit', [PROMPT, LORA])
    assert size(prompt) == 2 * 48 + size(towers('vit', LORA))
    both = towers('vit', ['BitFit', 'LayerNormTuning'])  # the biases of norms count once
    assert size(both) == size(towers('vit', 'BitFit')) + 7 * 48


def test_prompts_and_lora_compute_what_each_of_them_does(towers):
    """LoRA's update folded into the weights of a tower with the prompt alone."""
    tower = towers('vit', [PROMPT, LORA])
    for name, value in trainable(tower).items():
        if '.lora_' in name:
            torch.nn.init.normal_(value, std=0.3)
    alone = vision('vit', PROMPT)
    with torch.no_grad():
        alone.tuning.prompt.copy_(tower.tuning.parts[0].prompt)
        state = tower.trunk.state_dict()
        for name in {n.partition('.lora_')[0] for n in state if '.lora_' in n}:
            a, b = (state[f'{name}.lora_{side}.default.weight'] for side in 'AB')
            alone.trunk.get_submodule(name).weight += tower.tuning.parts[1].alpha / 2 * b @ a
        torch.testing.assert_close(features(tower), features(alone), rtol=1e-4, atol=1e-4)


class First(Tuning):
    """Writes down what is asked of it."""

    def __init__(self, log):
        super().__init__()
        self.log = log
        self.who = type(self).__name__[0]

    def note(self, what, value):
        self.log.append(what + self.who)
        return value

    def before_embed(self, images):
        return self.note('image', images)

    def start(self, tokens):
        self.note('start', None)

    def before_block(self, index, tokens):
        return self.note(f'in{index}', tokens)

    def run_block(self, index, tokens, run):
        self.note(f'({index}', None)
        return self.note(f'{index})', run(index, tokens))

    def after_blocks(self, tokens):
        return self.note('out', tokens)

    def after_pool(self, features, images):
        return self.note('pool', features)

    def before_text(self, tokens):
        return self.note('text', tokens)

    def after_text(self, output):
        return self.note('untext', output)

    def set_mode(self, trunk, training):
        self.note(f'mode{int(training)}', None)
        super().set_mode(trunk, training)

    def stored_as(self, spec):
        return {**spec, 'stored': self.who}


class Second(First):
    pass


def test_every_part_is_asked_and_the_last_in_is_the_first_out():
    log = []
    tower = vision('vit', Several([First(log), Second(log)]))
    log.clear()
    plain = vision('vit')
    assert torch.equal(tower(tiny_images()), plain(tiny_images()))
    blocks = [f'{part}' for i in range(3) for part in (
        f'in{i}F', f'in{i}S', f'({i}S', f'({i}F', f'{i})F', f'{i})S'
    )]  # fmt: skip
    assert log == [
        'imageF', 'imageS', 'startF', 'startS', *blocks, 'outS', 'outF', 'poolF', 'poolS'
    ]  # fmt: skip
    log.clear()
    tower.train()
    assert log == ['mode1F', 'mode1S']


def test_of_texts_too(towers):
    log = []
    tower = towers('bert', None)
    tuned = towers('bert', Several([First(log), Second(log)]))
    log.clear()
    assert torch.equal(features(tuned), features(tower))
    assert log == ['textF', 'textS', 'untextS', 'untextF']


def test_each_part_says_how_it_is_stored():
    several = Several([First([]), 'BitFit', Second([])])
    spec = {'type': 'Several', 'tunings': [{'type': 'First'}, 'BitFit', {'type': 'Second'}]}
    kept = copy.deepcopy(spec)
    assert several.stored_as(spec) == {
        'type': 'Several',
        'tunings': [{'type': 'First', 'stored': 'F'}, 'BitFit', {'type': 'Second', 'stored': 'S'}],
    }
    assert spec == kept


# -- how they are asked for --------------------------------------------------------------------------


def test_a_list_in_a_config_is_several():
    tuning = load_vision('random-vit-tiny', image_size=32, tuning=[PROMPT, 'LoRA']).tuning
    assert isinstance(tuning, Several)
    assert repr(tuning).startswith(
        'Several(VisualPrompt(length=2, blocks=[0], prepend, normal), LoRA('
    )
    assert '\n' not in repr(tuning)


def test_of_a_text_tower(tmp_path):
    encoder = TextEncoder(str(save_tiny_bert(tmp_path / 'bert')), 'cls')
    tower = encoder.tower([WORDS, 'LoRA'])
    assert isinstance(tower.tuning, Several)
    check_trains(tower)


@pytest.mark.parametrize('tuning', [[PROMPT, LORA, 'LayerNormTuning'], [ADAPTER, 'BitFit']])
def test_an_adapter_file_brings_all_of_them_back(tmp_path, tuning):
    classifier, info = build(tuning=tuning, neck=NECK)
    path = tmp_path / 'adapter.safetensors'
    save_adapter(path, classifier.state_dict(), info)
    loaded, _ = load_adapter(path)
    (batch,) = image_batches(pictures(2), classifier.backbone.resize, 2)
    with torch.inference_mode():
        assert torch.equal(loaded(batch), classifier(batch))


@pytest.mark.parametrize(
    ('specs', 'says'),
    [
        ([], r'Several: tunings must be a list of tunings, found \[\]'),
        ([PROMPT, 'FullFineTuning'], "'FullFineTuning' trains the whole tower"),
        ([PROMPT, PROMPT], 'VisualPrompt is there twice'),
        ([PROMPT, 'LoRa'], "no tuning called 'LoRa'. Did you mean 'LoRA'"),
        ([PROMPT, {'r': 2}], 'a tuning needs a `type`'),
        ([PROMPT, WORDS], 'TextPrompt tunes text towers'),
    ],
)
def test_what_does_not_go_together(specs, says):
    with pytest.raises(ConfigError, match=says):
        vision('vit', specs)


def test_no_list():
    with pytest.raises(ConfigError, match="must be a list of tunings, found 'LoRA'"):
        TUNINGS.build({'type': 'Several', 'tunings': 'LoRA'})
    assert build_tuning(None) is None
    with pytest.raises(ConfigError, match='VisualPrompt: tiny is a convolutional network'):
        vision('resnet', ['BitFit', PROMPT])
