from __future__ import annotations

import torch

from cite.state import misfit


def state(**shapes):
    return {name: torch.zeros(shape) for name, shape in shapes.items()}


def test_a_state_that_fits_has_nothing_to_tell():
    assert misfit(state(a=(2, 3), b=()), state(b=(), a=(2, 3))) == ''


def test_every_kind_of_misfit_is_told():
    told = misfit(state(a=2, extra=1), state(a=3, gone=4))
    assert told == (
        '1 missing (gone); 1 unexpected (extra); 1 of another shape (a is (2,), the model has (3,))'
    )


def test_five_names_stand_for_many():
    assert misfit({}, state(**{f'w{i}': 1 for i in range(9)})) == (
        '9 missing (w0, w1, w2, w3, w4 and 4 more)'
    )
