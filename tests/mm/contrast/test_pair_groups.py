"""Groups of the optimiser in a run on pairs."""

from __future__ import annotations

from cite.frozen import trainable
from cite.mm.contrast.runner import ContrastRunner
from cite.mm.param_groups import places_of


def test_towers_projections_and_scale_are_in_their_groups(tiny_pair):
    cfg = tiny_pair()
    cfg.model.text.tuning = ['TextPrompt', {'type': 'BitFit'}]
    cfg.optim_wrapper.paramwise_cfg = {'groups': {'prompt': {'lr_mult': 4}, 'neck': {'lr': 0.5}}}
    runner = ContrastRunner.from_cfg(cfg)
    model = runner.bare_model
    groups = {name: place.group for name, place in places_of(model, list(trainable(model))).items()}
    assert groups['pair.text.tuning.parts.0.prompt'] == 'prompt'
    assert groups['pair.image_projection.weight'] == groups['pair.text_projection.weight'] == 'neck'
    assert groups['pair.log_scale'] == 'head'
    vision = {group for name, group in groups.items() if name.startswith('pair.vision.')}
    biases = {group for name, group in groups.items() if name.startswith('pair.text.trunk.')}
    assert (vision, biases) == ({'peft'}, {'tower'})

    wrapper = runner.build_optim_wrapper(runner.optim_wrapper)
    rates = {group['name']: group['lr'] for group in wrapper.optimizer.param_groups}
    usual = rates['pair.log_scale']
    assert rates['pair.text.tuning.parts.0.prompt'] == 4 * usual
    assert rates['pair.text_projection.weight'] == 0.5
    assert {rate for name, rate in rates.items() if name.startswith('pair.vision.')} == {usual}
