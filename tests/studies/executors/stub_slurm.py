"""Programs called sbatch, srun, sacct and scancel, which run the jobs of an array on this machine."""

from __future__ import annotations

import sys
from pathlib import Path

# every line of the script's parameters stays readable in `state/script`
SBATCH = """
import os, re, shutil, subprocess, sys
from pathlib import Path
state = Path({state!r})
number = 100 + len(list(state.glob('script-*')))
text = Path(sys.argv[-1]).read_text()
(state / f'script-{{number}}').write_text(text)
array = re.search('--array=0-([0-9]+)', text)
for task in range(int(array[1]) + 1) if array else [None]:
    name = str(number) if task is None else f'{{number}}_{{task}}'
    env = dict(os.environ, STUB_STATE=str(state / f'job-{{name}}'), SLURM_JOB_ID=str(number),
               SLURM_NTASKS='1', SLURM_JOB_NUM_NODES='1', SLURM_NODEID='0', SLURM_PROCID='0',
               SLURM_LOCALID='0', SLURM_JOB_NODELIST='here')
    if task is not None:
        env.update(SLURM_ARRAY_JOB_ID=str(number), SLURM_ARRAY_TASK_ID=str(task))
    Path(env['STUB_STATE']).write_text('RUNNING')
    subprocess.Popen(['bash', sys.argv[-1]], env=env, start_new_session=True,
                     stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
print(f'Submitted batch job {{number}}')
"""
SRUN = """
import os, subprocess, sys
from pathlib import Path
at = next(i for i, word in enumerate(sys.argv[1:], 1) if 'python' in word)
code = subprocess.call(sys.argv[at:])
Path(os.environ['STUB_STATE']).write_text('COMPLETED' if code == 0 else 'FAILED')
"""
SACCT = """
from pathlib import Path
print('JobID|State|NodeList')
for path in sorted(Path({state!r}).glob('job-*')):
    print(f'{{path.name[4:]}}|{{path.read_text()}}|here')
"""
SCANCEL = """
import sys
from pathlib import Path
(Path({state!r}) / f'cancelled-{{sys.argv[-1]}}').touch()
"""


def install(folder: Path) -> Path:
    """Writes the programs to `folder/bin`; where they note what they were told."""
    (folder / 'bin').mkdir()
    state = folder / 'state'
    state.mkdir()
    texts = dict(sbatch=SBATCH, sacct=SACCT, scancel=SCANCEL)
    texts = {name: text.format(state=str(state)) for name, text in texts.items()}
    for name, text in {**texts, 'srun': SRUN}.items():
        path = folder / 'bin' / name
        path.write_text(f'#!{sys.executable}{text}')
        path.chmod(0o755)
    return state
