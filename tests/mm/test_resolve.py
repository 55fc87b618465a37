from __future__ import annotations

from copy import deepcopy

import pytest

from cite.errors import ConfigError, ModelError
from cite.mm.resolve import resolve
from cite.precision import settle_precision


def steps(cfg, loader='train_dataloader'):
    return {step['type']: step for step in cfg[loader].dataset.pipeline}


def test_fills_in_what_follows_from_the_names_and_leaves_its_input_alone(tiny):
    cfg = tiny()
    before = deepcopy(cfg.to_dict())
    done = resolve(cfg, 'cpu')
    assert cfg.to_dict() == before
    assert done.model.classes == ['well', 'moderate', 'poor']
    assert done.train_cfg.type == 'CiteTrainLoop'
    assert done.val_cfg is None and done.val_evaluator is None
    assert done.test_evaluator.type == 'PatchSlideMetric'
    assert done.test_evaluator.out_dir == cfg.work_dir
    assert done.optim_wrapper.type == 'CiteOptimWrapper'
    assert done.optim_wrapper.constructor == 'TrainableConstructor'
    assert done.train_dataloader.batch_sampler.type == 'PatchBatchSampler'
    assert done.train_dataloader.dataset.seed == cfg.randomness.seed
    assert done.test_dataloader.dataset.test_mode
    assert done.test_dataloader.sampler == {'type': 'DefaultSampler', 'shuffle': False}
    assert steps(done)['ResizePatch']['size'] == 32
    assert list(steps(done)) == ['ResizePatch', 'AugmentPatch']
    assert list(steps(done, 'test_dataloader')) == ['ResizePatch']


def test_resolving_twice_changes_nothing(tiny):
    once = resolve(tiny(), 'cpu')
    assert resolve(once, 'cpu').to_dict() == once.to_dict()


@pytest.mark.parametrize(
    ('model', 'size', 'how', 'resize'),
    [
        ('clip-vit-l14', 224, 'shortest', 224),
        ('dinov2-vit-s14', 224, 'shortest', 256),
        ('timm:vit_tiny_patch16_384', 384, None, None),
    ],
)
def test_a_backbone_is_swapped_by_its_name(tiny, model, size, how, resize):
    cfg = tiny({'model.backbone.model': model})
    del cfg.model.backbone['image_size']  # the tiny config sets one
    done = resolve(cfg, 'cpu')
    assert done.model.backbone.image_size == size
    for loader in ('train_dataloader', 'test_dataloader'):
        step = steps(done, loader)['ResizePatch']
        assert step['size'] == size
        assert how is None or (step['how'], step['resize']) == (how, resize)


def test_another_way_of_resizing_is_kept(tiny):
    from cite.images.resize import ResizePatch

    cfg = tiny()
    cfg.train_dataloader.dataset.pipeline[0].how = 'squash'
    step = steps(resolve(cfg, 'cpu'))['ResizePatch']
    assert step['how'] == 'squash' and step['size'] == 32 and 'resize' not in step
    ResizePatch(**{k: v for k, v in step.items() if k != 'type'})


def test_zero_shot_text_tower_goes_with_the_backbone(tiny):
    head = {'type': 'ZeroShotHead', 'texts': ['a', 'b', 'c']}
    cfg = tiny({'model.backbone.model': 'clip-vit-b32'})
    cfg.model.head = {**head, 'text_encoder': {'type': 'TextEncoder'}}
    assert resolve(cfg, 'cpu').model.head.text_encoder.model == 'clip-vit-b32'
    cfg.model.backbone.model = 'hf-hub:openai/clip-vit-base-patch32'
    assert resolve(cfg, 'cpu').model.head.text_encoder.model == 'clip-vit-b32'
    cfg.model.backbone.model = 'conch-clip'
    assert resolve(cfg, 'cpu').model.head.text_encoder.model == 'conch'
    cfg.model.backbone.model = 'dinov2-vit-b14'
    assert 'model' not in resolve(cfg, 'cpu').model.head.text_encoder
    cfg.model.head.text_encoder.model = 'other'
    assert resolve(cfg, 'cpu').model.head.text_encoder.model == 'other'


def test_parts_may_be_bare_names(tiny):
    cfg = tiny({'model.head.text_encoder': 'biobert-v1.1'})
    assert resolve(cfg, 'cpu').model.head.text_encoder == {
        'type': 'TextEncoder',
        'model': 'biobert-v1.1',
    }
    cfg.model.head, cfg.model.neck = 'LinearHead', 'ProjectionNeck'
    done = resolve(cfg, 'cpu')
    assert done.model.head == {'type': 'LinearHead'}
    assert done.model.neck == {'type': 'ProjectionNeck'}


def test_data_root_of_the_config_reaches_the_data_sets_that_have_none(tiny):
    cfg = tiny({'data_root': '/elsewhere', 'test_dataloader.dataset.data_root': '/own'})
    done = resolve(cfg, 'cpu')
    assert done.train_dataloader.dataset.data_root == '/elsewhere'
    assert done.test_dataloader.dataset.data_root == '/own'


@pytest.mark.parametrize(('workers', 'persistent'), [(0, False), (2, True)])
def test_loader_flags_of_mmpretrains_script_are_mended(tiny, workers, persistent):
    flags = {'num_workers': workers, 'persistent_workers': True, 'pin_memory': True}
    cfg = tiny()
    cfg.train_dataloader.update(flags)
    cfg.test_dataloader.update(flags)
    done = resolve(cfg, 'cpu')
    assert done.train_dataloader.persistent_workers is False  # one pass, started once
    assert done.test_dataloader.persistent_workers is persistent
    assert done.train_dataloader.pin_memory is False
    assert resolve(cfg, 'cuda').train_dataloader.pin_memory is True


def test_amp_of_mmpretrains_script_is_the_precision_of_the_hardware(tiny):
    cfg = tiny({'optim_wrapper.type': 'AmpOptimWrapper', 'optim_wrapper.loss_scale': 'dynamic'})
    cfg.optim_wrapper.accumulative_counts = 2
    done = resolve(cfg, 'cpu')
    assert done.optim_wrapper.type == 'CiteOptimWrapper'
    assert 'loss_scale' not in done.optim_wrapper
    assert done.optim_wrapper.accumulative_counts == 2
    assert done.model.precision == settle_precision('auto', 'cpu') in ('bf16', 'fp32')
    assert done.optim_wrapper.loss_scaling is False


def test_amp_of_mmpretrains_test_script(tiny):
    done = resolve(tiny({'test_cfg': {'fp16': True}}), 'cpu')
    assert done.test_cfg == {}
    assert done.model.precision == settle_precision('auto', 'cpu')


def test_fp16_scales_the_loss(tiny):
    cfg = tiny({'model.precision': 'fp16'})
    assert resolve(cfg, 'cuda').optim_wrapper.loss_scaling is True
    with pytest.raises(ConfigError, match='needs a GPU'):
        resolve(cfg, 'cpu')


@pytest.mark.parametrize('none', ['none', 'None', ''])
def test_no_checkpoint_for_mims_test(tiny, none):
    assert resolve(tiny({'load_from': none}), 'cpu').load_from is None


@pytest.mark.parametrize(
    ('given', 'kinds'),
    [
        ({}, ['colour', 'majority']),
        ({'baselines': 'majority'}, ['majority']),
        ({'baselines': ('majority', 'majority')}, ['majority']),
        ({'baselines': []}, []),
    ],
)
def test_baselines_unless_others_are_named(tiny, given, kinds):
    assert resolve(tiny(given), 'cpu').baselines == kinds


def test_cosine_falls_until_the_end_of_training(tiny):
    assert resolve(tiny({'train_cfg.max_iters': 50}), 'cpu').param_scheduler[0].T_max == 50
    cfg = tiny({'param_scheduler.0.T_max': 20})
    assert resolve(cfg, 'cpu').param_scheduler[0].T_max == 20


def test_a_seed_that_is_none_is_zero(tiny):
    done = resolve(tiny({'randomness.seed': None}), 'cpu')
    assert done.randomness.seed == 0 and done.train_dataloader.dataset.seed == 0


def test_validation_gets_its_loop_and_metric(tiny):
    cfg = tiny()
    cfg.val_dataloader = deepcopy(cfg.test_dataloader)
    done = resolve(cfg, 'cpu')
    assert done.val_cfg == {} and done.val_evaluator == {'type': 'PatchSlideMetric'}
    assert done.val_dataloader.dataset.test_mode


def test_without_training_or_validation_nothing_of_them_is_left(tiny):
    none = dict.fromkeys(('train_cfg', 'train_dataloader', 'optim_wrapper', 'param_scheduler'))
    done = resolve(tiny({**none, 'val_cfg': {}}), 'cpu')
    assert done.val_cfg is None and done.train_cfg is None


@pytest.mark.parametrize(
    ('options', 'kind', 'message'),
    [
        ({'model': None}, ConfigError, 'no `model`'),
        ({'model.head': None}, ConfigError, r'no `model\.head`'),
        ({'test_dataloader': None}, ConfigError, 'no `test_dataloader`'),
        (
            {f'{name}_dataloader.dataset.classes': None for name in ('train', 'test')},
            ConfigError,
            'no data set names its classes',
        ),
        ({'test_dataloader.dataset.classes': ['x', 'y']}, ConfigError, 'different classes'),
        ({'model.classes': ['x', 'y', 'z']}, ConfigError, r'model\.classes'),
        ({'model.backbone.model': 'clip-vit-b61'}, ModelError, 'did you mean clip-vit-b16'),
        ({'model.precision': 'fp8'}, ConfigError, 'precision must be'),
        ({'baselines': ['color']}, ConfigError, "Did you mean 'colour'"),
        ({'baselines': None}, ConfigError, r'expected a list of .* or \[\], found None'),
        ({'train_cfg': {'by_epoch': True, 'max_epochs': 3}}, ConfigError, 'counts iterations'),
    ],
)
def test_errors_say_what_is_wrong(tiny, options, kind, message):
    with pytest.raises(kind, match=message):
        resolve(tiny(options), 'cpu')
