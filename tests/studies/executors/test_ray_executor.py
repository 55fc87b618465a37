"""The executor on a Ray cluster of two nodes on this machine, each of one CPU."""

from __future__ import annotations

import json
import os
import shutil
import socket
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import pytest
from small_work import gone, make_study, records, states, tasks_of

from cite.errors import ConfigError, DataError
from cite.studies.executors import Finished, Lost, Started, get_executor
from cite.studies.record import read_record

ray = pytest.importorskip('ray')
NODE = dict(num_cpus=1, num_gpus=0, object_store_memory=80 * 2**20, include_dashboard=False)


@pytest.fixture(scope='module')
def cluster():
    """Two nodes; their sockets need a short path, and workers find the work by `PYTHONPATH`."""
    from ray.cluster_utils import Cluster

    folder = Path(tempfile.mkdtemp(prefix='r', dir='/tmp'))
    (folder / 'ray').mkdir()
    patch = pytest.MonkeyPatch()
    patch.setenv('RAY_USAGE_STATS_ENABLED', '0')
    patch.setenv('RAY_TMPDIR', str(folder))
    patch.setenv('PYTHONPATH', os.pathsep.join(path for path in sys.path if path))
    cluster = Cluster()
    try:
        cluster.add_node(**NODE)
        cluster.add_node(**NODE)
        cluster.wait_for_nodes()
        yield cluster
    finally:
        ray.shutdown()
        cluster.shutdown()
        patch.undo()
        shutil.rmtree(folder, ignore_errors=True)


def do(cluster, folder, study, work, on_event=None, **options):
    events = []
    executor = get_executor('ray', address=cluster.address, **options)
    executor.run(tasks_of(folder, study), f'small_work:{work}', on_event or events.append)
    assert not ray.is_initialized()
    return events


@pytest.mark.slow
def test_a_worker_killed_in_mid_run(tmp_path, cluster, monkeypatch):
    monkeypatch.setenv('CITE_SMALL', 'x')
    study = make_study(tmp_path)
    events = do(cluster, tmp_path, study, 'dies_once')
    assert states(tmp_path, study) == ['done'] * 8
    assert [e.run_id for e in events if isinstance(e, Lost)] == ['a/k1-s1-t0']
    assert Counter(e.state for e in events if isinstance(e, Finished)) == {'done': 8}
    pids = {record.about['pid'] for record in records(tmp_path, study)}
    assert os.getpid() not in pids
    assert len(pids) <= 3  # one on each node, and one in place of the dead
    assert len({e.worker for e in events if isinstance(e, Started)}) in (2, 3)
    logs = list((tmp_path / 'logs').iterdir())
    assert sum(log.read_text().count('did ') for log in logs) == 8
    assert not [log for log in logs if log.name.startswith('.probe')]


@pytest.mark.slow
def test_a_run_that_kills_workers_is_given_up(tmp_path, cluster):
    study = make_study(tmp_path, ('a',), 3)
    events = do(cluster, tmp_path, study, 'always_dies', retries=1)
    assert len([e for e in events if isinstance(e, Lost)]) == 2
    assert sorted(states(tmp_path, study)) == ['done', 'done', 'failed']
    assert 'the worker died 2 times' in read_record(tmp_path, study.runs()[1]).error


@pytest.mark.slow
def test_a_node_that_goes_takes_its_run_along(tmp_path, cluster):
    """The third node is the only one with room for a run of two CPUs, until another takes its place."""
    study = make_study(tmp_path, ('a',), 1)
    node = cluster.add_node(**{**NODE, 'num_cpus': 2})
    nodes, lost = [node], []

    def on_event(event):
        if isinstance(event, Started) and not lost:
            cluster.remove_node(node, allow_graceful=False)
            nodes.remove(node)
        if isinstance(event, Lost):
            lost.append(event)
            (tmp_path / 'first-sleep').touch()
            nodes.append(cluster.add_node(**{**NODE, 'num_cpus': 2}))

    try:
        do(cluster, tmp_path, study, 'sleeps_once', on_event, cpus_per_run=2, workers=1)
    finally:
        for left in nodes:
            cluster.remove_node(left)
    assert len(lost) == 1
    assert states(tmp_path, study) == ['done']


@pytest.mark.slow
def test_an_interrupt_leaves_no_process_and_can_be_resumed(tmp_path, cluster):
    study = make_study(tmp_path, ('a',), 1)

    def on_event(event):
        while not list(tmp_path.glob('pids-*-a')):
            time.sleep(0.05)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        do(cluster, tmp_path, study, 'sleeps', on_event)
    assert not ray.is_initialized()
    (note,) = tmp_path.glob('pids-*-a')
    assert all(map(gone, json.loads(note.read_text())))
    assert states(tmp_path, study) == ['running']
    do(cluster, tmp_path, study, 'work')
    assert states(tmp_path, study) == ['done']


@pytest.mark.slow
def test_a_folder_that_nodes_do_not_share(tmp_path, cluster, monkeypatch):
    study = make_study(tmp_path)
    # what this machine writes never reaches the path that the nodes look at
    monkeypatch.setattr('cite.studies.executors.ray_pool.write_text', lambda path, text: None)
    with pytest.raises(DataError, match='does not share'):
        do(cluster, tmp_path, study, 'work')
    assert set(states(tmp_path, study)) == {None}


@pytest.mark.slow
def test_the_node_of_the_command_dies(tmp_path, cluster, monkeypatch):
    """Ray goes on without it, and answers this process no more."""
    from cite.studies.executors import ray_pool

    study = make_study(tmp_path)
    look = ray_pool.alive_nodes
    after: list[Finished] = []

    def others():
        here = ray.get_runtime_context().get_node_id()
        return [node for node in look() if not after or node['NodeID'] != here]

    monkeypatch.setattr(ray_pool, 'alive_nodes', others)
    with pytest.raises(ConfigError, match='node of this machine has died'):
        do(
            cluster,
            tmp_path,
            study,
            'work',
            lambda event: after.append(event) if isinstance(event, Finished) else None,
        )
    assert after and not ray.is_initialized()


@pytest.mark.slow
def test_runs_that_no_node_has_room_for(tmp_path, cluster):
    study = make_study(tmp_path)
    with pytest.raises(ConfigError, match=r'no node.*4 CPU and 0 GPU.*1 CPU and 0 GPU'):
        do(cluster, tmp_path, study, 'work', cpus_per_run=4)
    with pytest.raises(ConfigError, match=r'no node.*1 CPU and 0\.5 GPU'):
        do(cluster, tmp_path, study, 'work', gpus_per_run=0.5)


@pytest.mark.slow
def test_work_that_nodes_do_not_have(tmp_path, cluster, monkeypatch):
    study = make_study(tmp_path)
    Path(tmp_path / 'lib').mkdir()
    (tmp_path / 'lib' / 'not_there.py').write_text('def work(s, r): return "done"')
    monkeypatch.syspath_prepend(str(tmp_path / 'lib'))
    with pytest.raises(ConfigError, match=r'before they can work.*not_there'):
        get_executor('ray', address=cluster.address).run(
            tasks_of(tmp_path, study), 'not_there:work', print
        )


def test_nobody_at_the_address(tmp_path):
    study = make_study(tmp_path)
    with socket.socket() as bound:  # a port that is taken, and not listened at
        bound.bind(('127.0.0.1', 0))
        executor = get_executor('ray', address=f'127.0.0.1:{bound.getsockname()[1]}')
        with pytest.raises(ConfigError, match=r'no Ray cluster answers.*ray start --head'):
            executor.run(tasks_of(tmp_path, study), 'small_work:work', print)


@pytest.mark.parametrize(
    'options',
    [dict(cpus_per_run=0), dict(gpus_per_run=1.5), dict(gpus_per_run=-1), dict(workers=0)],
)
def test_numbers_of_the_ray_executor(options):
    with pytest.raises(ConfigError, match='found'):
        get_executor('ray', **options)


@pytest.mark.parametrize(
    ('resources', 'cpus', 'gpus', 'runs'),
    [
        ({'CPU': 8.0, 'GPU': 2.0}, 1, 1, 2),
        ({'CPU': 8.0, 'GPU': 2.0}, 1, 0.5, 4),
        ({'CPU': 8.0, 'GPU': 2.0}, 1, 0.4, 4),  # two of 0.4 fit on each GPU, not five on both
        ({'CPU': 3.0, 'GPU': 2.0}, 1, 0.5, 3),
        ({'CPU': 8.0}, 0.5, 0, 16),
        ({'CPU': 8.0}, 1, 0.5, 0),
        ({'CPU': 8.0, 'GPU': 4.0}, 1, 2, 2),
    ],
)
def test_room_of_a_node(resources, cpus, gpus, runs):
    from cite.studies.executors.ray_pool import slots

    assert slots(resources, cpus, gpus) == runs


def test_ray_that_is_not_installed(monkeypatch):
    monkeypatch.setitem(sys.modules, 'ray', None)
    with pytest.raises(ConfigError, match=r"pip install 'cite-pathology\[ray\]'"):
        get_executor('ray')
