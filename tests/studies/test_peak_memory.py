import sys
import time

import numpy as np
import pytest
import torch

from cite.studies.memory import PeakMemory


@pytest.mark.skipif(not sys.platform.startswith('linux'), reason='looks into /proc')
@pytest.mark.skipif(torch.cuda.is_available(), reason='a GPU counts what is on it')
def test_what_a_block_takes_whatever_was_there_before():
    for _ in range(2):  # the second time, the memory of the first is free and must not hide it
        with PeakMemory() as memory:
            parts = [np.ones(100_000) for _ in range(100)]  # 80 MB in pieces that malloc keeps
            time.sleep(0.2)
            del parts
        assert 60 < memory.mb < 160
    with PeakMemory() as memory:
        pass
    assert memory.mb < 20


@pytest.mark.skipif(not torch.cuda.is_available(), reason='needs a GPU')
def test_what_pytorch_takes_on_a_gpu():
    with PeakMemory() as memory:
        torch.ones(25_000_000, device='cuda')
    assert 95 < memory.mb < 200
