from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys

import pytest

from cite.cli import VERBS, build_parser, main
from cite.errors import CiteError, ConfigError

KINDS = tuple(f'prepare {kind}' for kind in ('patchgastric', 'folder', 'csv', 'synthetic'))


def python(code: str, **options) -> subprocess.CompletedProcess:
    command = [sys.executable, '-c', code]
    return subprocess.run(command, capture_output=True, text=True, check=False, **options)


def test_help_lists_every_verb(capsys):
    with pytest.raises(SystemExit) as stop:
        main(['--help'])
    assert stop.value.code == 0
    shown = capsys.readouterr().out
    for verb in VERBS:
        assert re.search(rf'^ +{verb} ', shown, re.MULTILINE), verb


def test_version(capsys):
    from cite import __version__

    with pytest.raises(SystemExit) as stop:
        main(['--version'])
    assert stop.value.code == 0
    assert capsys.readouterr().out == f'cite {__version__}\n'


@pytest.mark.parametrize('words', [*VERBS, *KINDS])
def test_the_example_of_each_help_parses(words, capsys):
    with pytest.raises(SystemExit) as stop:
        main([*words.split(), '--help'])
    assert stop.value.code == 0
    shown = capsys.readouterr().out
    (example,) = re.findall(r'^example:\n +(cite .*)$', shown, re.MULTILINE)
    program, *rest = shlex.split(example)
    assert program == 'cite' and example.startswith(f'cite {words}')
    args = build_parser().parse_args(rest)
    assert args.verb == words.split()[0] and callable(args.run)


@pytest.mark.parametrize('words', [*(verb for verb in VERBS if verb != 'prepare'), *KINDS])
def test_every_verb_shows_tracebacks_on_demand(words, capsys):
    with pytest.raises(SystemExit):
        main([*words.split(), '--help'])
    assert '--debug' in capsys.readouterr().out


@pytest.mark.parametrize(
    ('words', 'message'),
    [
        ('', 'VERB'),
        ('tran', "invalid choice: 'tran'"),
        ('train', 'config'),
        ('train x --seed -1', 'whole number from 0'),
        ('train x --seed one', 'whole number from 0'),
        ('train x --cfg-options a.b', "expected KEY=VALUE, found 'a.b'"),
        ('test x --cfg-options a=1 y.pth', 'go in front of --cfg-options'),
        ('test x --cfg-options =1', 'expected KEY=VALUE'),
        ('predict a', 'images'),
        ('predict a b --batch-size 0', 'whole number from 1'),
        ('prepare', 'KIND'),
        ('prepare lc25000 x', 'invalid choice'),
        ('prepare patchgastric x --shots 0', 'whole number from 1'),
        ('prepare patchgastric x --eval-fraction most', 'invalid float'),
        ('prepare synthetic x --workers 0', 'whole number from 1'),
        ('report', 'run_dir'),
        ('models clip dino', 'unrecognized arguments: dino'),
        ('doctor --fix', 'unrecognized arguments: --fix'),
    ],
)
def test_bad_arguments_take_one_line(words, message, capsys):
    with pytest.raises(SystemExit) as stop:
        main(words.split())
    assert stop.value.code == 2
    out, err = capsys.readouterr()
    assert out == ''
    assert message in err and err.count('\n') == 1 and '--help' in err


@pytest.fixture
def failing(monkeypatch):
    """`cite models` that raises what it is given."""

    def arrange(error: BaseException) -> None:
        def run(args):
            raise error

        monkeypatch.setattr('cite.cli.models.run', run)

    return arrange


class AnyError(CiteError):
    pass


@pytest.mark.parametrize(
    ('error', 'line'),
    [
        (ConfigError('x is wrong'), 'x is wrong'),
        (AnyError('first line.\n  Second line.'), 'first line. Second line.'),
        (AnyError(), 'AnyError'),
        (PermissionError(13, 'Permission denied', '/some/where'), '/some/where: Permission denied'),
        (OSError(28, 'No space left on device'), 'No space left on device'),
        (OSError('the library says\nthis'), 'the library says this'),
        (
            FileNotFoundError(2, 'No such file or directory', 'a', None, 'b'),
            'a -> b: No such file or directory',
        ),
    ],
)
def test_what_a_user_can_mend_takes_one_line(failing, capsys, error, line):
    failing(error)
    assert main(['models']) == 2
    assert capsys.readouterr().err == f'cite models: error: {line}\n'
    with pytest.raises(type(error)):
        main(['models', '--debug'])


def test_defects_of_ours_keep_their_traceback(failing):
    failing(ZeroDivisionError('ours'))
    with pytest.raises(ZeroDivisionError):
        main(['models'])


def test_interrupted(failing, capsys):
    failing(KeyboardInterrupt())
    assert main(['models']) == 130
    assert capsys.readouterr().err == 'cite models: interrupted\n'


def test_a_closed_pipe_is_no_error():
    read, write = os.pipe()
    os.close(read)
    buffered = {name: value for name, value in os.environ.items() if name != 'PYTHONUNBUFFERED'}
    found = subprocess.run(
        [sys.executable, '-m', 'cite', 'models'],
        stdout=write,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
        env=buffered,
    )
    os.close(write)
    assert (found.returncode, found.stderr) == (0, '')


def test_import_and_help_are_light():
    heavy = (
        "[m for m in ('torch', 'numpy', 'mmengine', 'transformers', 'pandas') if m in sys.modules]"
    )
    found = python(f'import sys, cite; print({heavy})')
    assert found.stdout == '[]\n', found.stderr
    code = f"""
import sys
from cite.cli import main
for words in (['--help'], ['train', '--help'], ['train'], ['prepare', 'synthetic', '--help']):
    try:
        main(words)
    except SystemExit:
        pass
main(['train', 'no/such/config'])
main(['predict', 'no.safetensors', 'no.jpg'])
print({heavy}, file=sys.stderr)
"""
    found = python(code)
    assert found.stderr.splitlines()[-1] == '[]', found.stderr


def test_module_runs_as_torchrun_starts_it():
    found = subprocess.run(
        [sys.executable, '-m', 'cite', 'models', 'no-such-model'],
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 2
    assert found.stderr.startswith("cite models: error: no short name has 'no-such-model'")
