"""What decides a run, as a digest: another one is another run, and is done anew."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from cite.studies.data import Data, digest
from cite.studies.description import Method, Study
from cite.studies.draws import Draw
from cite.studies.named_files import files_in
from cite.studies.options import LOADERS, config_with
from cite.studies.run_key import RunKey

PLACES = ('work_dir', 'launcher', 'data_root')
"""Keys of a config that tell where things are, not what comes out."""


def run_digest(study: Study, method: Method, key: RunKey, draw: Draw, data: Data) -> str:
    """SHA-256 of all that decides the result of a run: config, seed, slides, choosing, evaluation set."""
    config = {}
    if method.baseline is None:
        cfg = config_with(method.config, method.options, Path(), key.seed)
        config = {k: v for k, v in cfg.to_dict().items() if k not in PLACES}
        for loader in LOADERS:
            if config.get(loader):
                config[loader].get('dataset', {}).pop('data_root', None)
    decides = {
        'config': config,
        'files': files_in(config.get('model')),
        'preset by what trains': bool(method.factors),
        'baseline': method.baseline,
        'choose': method.choose,
        'choosing': [study.choosing.budget, study.choosing.folds],
        'seed': key.seed,
        'slides': draw.hash,
        'pool': digest(data.pool),
        'evaluation': digest(data.evaluation),
    }
    text = json.dumps(decides, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()
