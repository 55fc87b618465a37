from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import replace

import pytest

from cite.cli import main
from cite.encoders.catalogue import TUNED_BY, all_rows, tuned_by, ways_to_tune
from cite.encoders.zoo import CARDS, PAIRS, TEXT_CARDS


def shown(capsys, *arguments: str) -> str:
    assert main(['models', *arguments]) == 0
    return capsys.readouterr().out


def first_words(text: str) -> set[str]:
    return {line.split()[0] for line in text.splitlines() if line}


def line_of(text: str, name: str) -> list[str]:
    return next(line for line in text.splitlines() if line.startswith(f'{name} ')).split()


def test_lists_every_short_name_in_three_tables(capsys):
    text = shown(capsys)
    tables = text.split('\n\n')
    for table, names in zip(tables, (CARDS, TEXT_CARDS, PAIRS), strict=False):
        assert list(names) == [line.split()[0] for line in table.splitlines()[1:]]
    assert max(map(len, text.splitlines())) <= 120
    assert line_of(text, 'uni2-h')[1:6] == ['1536', '224', '14', 'pathology', 'hub*']
    assert 'prompts, LoRA, full' in next(t for t in text.splitlines() if t.startswith('uni2-h '))
    assert 'by hand' in next(t for t in text.splitlines() if t.startswith('ctranspath '))


def test_free_text_finds_names_hub_ids_and_aliases(capsys):
    assert {'clip-vit-l14', 'conch-clip', 'biomedclip'} <= first_words(shown(capsys, 'CLIP'))
    assert 'uni2-h' in first_words(shown(capsys, 'mahmoodlab'))
    assert {'random-vit-tiny', 'random-bert-tiny'} <= first_words(shown(capsys, 'random'))
    assert 'pubmedbert-large' in first_words(shown(capsys, 'biomedbert'))


@pytest.mark.parametrize(
    ('options', 'inside', 'outside'),
    [
        (['--kind', 'text'], 'biogpt', 'uni2-h'),
        (['--domain', 'pathology'], 'uni2-h', 'dinov2-vit-b14'),
        (['--licence', 'APACHE'], 'virchow', 'uni2-h'),
        (['--gated'], 'uni2-h', 'plip'),
        (['--open'], 'plip', 'uni2-h'),
        (['--prompts'], 'ctranspath', 'internimage-t'),
        (['--prompts'], 'biogpt', 'resnet50-in1k'),
        (['h-optimus', '--licence', 'apache'], 'h-optimus-0', 'h-optimus-1'),
    ],
)
def test_filters(capsys, options, inside, outside):
    words = first_words(shown(capsys, *options))
    assert inside in words and outside not in words


def test_the_card_of_a_gated_model(capsys):
    text = ' '.join(shown(capsys, 'uni2-h').split())
    for part in (
        'uni2-h, vision backbone',
        'CC-BY-NC-ND-4.0 (non-commercial, no derivatives)',
        '1536 numbers, the class token',
        'accept the terms at https://huggingface.co/MahmoodLab/UNI2-h, then run `hf auth login`',
        '$CITE_WEIGHTS',
        "cite.load_vision('uni2-h')",
        '--cfg-options model.backbone.model=uni2-h',
        CARDS['uni2-h'].citation,
    ):
        assert part in text


def test_a_name_of_several_kinds_shows_all(capsys):
    text = shown(capsys, 'PLIP')
    assert {'plip, vision backbone', 'plip, text encoder', 'plip, pair'} <= set(text.splitlines())
    assert PAIRS['plip'].templates[0] in text and "cite.load_pair('plip')" in text
    assert 'plip, pair' not in shown(capsys, 'plip', '--kind', 'vision').splitlines()


def test_cards_by_alias_and_by_hand(capsys):
    assert shown(capsys, 'biomedbert-large').startswith('pubmedbert-large, text encoder')
    text = ' '.join(shown(capsys, 'clinical-t5-base').split())
    assert 'physionet.org' in text and 'clinical-t5-base/ (config.json, weights, tokenizer)' in text
    assert 'See also: conch-clip' in shown(capsys, 'conch')
    assert 'vit256_small_dino.pth and vit4k_xs_dino.pth' in ' '.join(
        shown(capsys, 'hipt-4k').split()
    )


def test_every_row_has_a_card_that_fits(capsys):
    for name in dict.fromkeys(row.name for row in all_rows()):
        text = shown(capsys, name)
        longest = max(text.splitlines(), key=len)
        assert len(longest) <= 130, longest


def test_unknown_names_are_refused_with_suggestions(capsys):
    assert main(['models', 'uni3-h']) == 2
    out, err = capsys.readouterr()
    assert out == '' and "'uni3-h'" in err and 'uni2-h' in err and err.count('\n') == 1
    assert main(['models', 'xyzzy', '--gated']) == 2
    assert 'with these filters' in capsys.readouterr().err
    for options, told in (
        (['--licence', 'foo'], 'no model of the zoo fits all of these filters'),
        (['uni2-h', '--domain', 'general'], "what has 'uni2-h' in its name does not fit"),
        (['timm:resnet18'], '`cite doctor timm:resnet18`'),
    ):
        assert main(['models', *options]) == 2
        assert told in capsys.readouterr().err
    assert main(['models', '--domain', 'geology']) == 2
    assert 'pathology' in capsys.readouterr().err


def test_what_can_tune_is_what_the_towers_say():
    from cite.encoders.text.base import TEXT_ENCODERS

    for kind in {card.tower for card in CARDS.values()}:
        assert TUNED_BY[kind] == ways_to_tune(kind), kind
    for kind in {card.encoder for card in TEXT_CARDS.values()}:
        assert TEXT_ENCODERS.get(kind)
    assert tuned_by(PAIRS['medclip-resnet']) == ('LoRA', 'full')


def test_a_kind_of_tower_of_ones_own_is_asked(monkeypatch):
    from cite.encoders.towers.stages import STAGES, Stages

    kinds = {'prompts': {'takes_prompts': True}, 'LoRA': {}, 'full': {'alternatives': 'nothing'}}
    for first, says in kinds.items():
        monkeypatch.setitem(STAGES._classes, 'Mine', type('Mine', (Stages,), says))
        assert tuned_by(replace(CARDS['uni'], tower='Mine'))[0] == first


@pytest.mark.slow
def test_it_is_quick_and_loads_nothing_heavy():
    code = (
        'import sys; from cite.cli import main; main(["models", "uni2-h"]); main(["models"]); '
        'sys.exit(len({"torch", "timm", "transformers", "pandas"} & sys.modules.keys()))'
    )
    start = time.perf_counter()
    done = subprocess.run([sys.executable, '-c', code], capture_output=True)
    assert done.returncode == 0
    assert time.perf_counter() - start < 5  # about 0.3 s, on a machine with nothing else to do
