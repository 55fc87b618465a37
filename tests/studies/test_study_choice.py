"""What is held out whole when a setting is chosen."""

import numpy as np
import pytest

from cite.data.table import PatchTable
from cite.studies.choice import BY_PATIENT, units_of


def table(patients, labels=(0, 0, 1, 1)):
    slides = [f's{i}' for i in range(len(labels))]
    return PatchTable(
        np.array([f'{slide}.png' for slide in slides]),
        np.array(labels),
        np.array(slides),
        ('a', 'b'),
        '.',
        None if patients is None else np.array(patients),
    )


@pytest.mark.parametrize(
    ('patients', 'held_out'),
    [
        (['p', 'q', 'r', 's'], 'patients'),
        (['p', 'p', 'r', 's'], 'slides'),  # one patient of class a: leaving it out leaves nothing
        (['p', 'q', 'p', 's'], 'slides'),  # p has slides of both classes
        (None, 'slides'),
    ],
)
def test_patients_where_they_can_be(patients, held_out):
    made = table(patients)
    assert units_of(made) is getattr(made, held_out)


def test_slides_of_a_patient_leave_together():
    made = table(['p', 'p', 'q', 'r', 's', 's'], (0, 0, 0, 1, 1, 1))
    assert units_of(made).tolist() == ['p', 'p', 'q', 'r', 's', 's']
    assert BY_PATIENT == 'leave-one-patient-out'
