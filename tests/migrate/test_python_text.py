from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from cite.migrate.python_text import WIDTH, Name, assignment, comment

PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: (
        st.lists(inner)
        | st.lists(inner).map(tuple)
        | st.dictionaries(st.text() | st.sampled_from(['type', 'lr', 'if', 'None']), inner)
    ),
    max_leaves=30,
)


@given(PLAIN)
@settings(max_examples=40, deadline=None)
def test_the_text_is_the_value(value):
    found: dict = {}
    exec(assignment('x', value), {'dict': dict}, found)
    assert found['x'] == value


def test_laid_out_as_a_person_would():
    loader = {
        'type': 'PatchDataset',
        'ann_file': 'a' * 40,
        'classes': Name('classes'),
        'n': [1] * 40,
    }
    text = assignment('loader', {'batch_size': 4, 'dataset': loader})
    assert text.splitlines()[1] == '    batch_size=4,'
    assert '        classes=classes,' in text.splitlines()
    assert max(map(len, text.splitlines())) <= WIDTH
    assert assignment('x', {'lr': 0.1}) == 'x = dict(lr=0.1)'


def test_comments_stay_comments():
    text = comment('one\nimport os ' + 'word ' * 40, '# - ', '#   ')
    assert all(line.startswith('#') for line in text.splitlines()) and len(text.splitlines()) > 1
