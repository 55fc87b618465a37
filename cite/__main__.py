"""`python -m cite`, for torchrun: `torchrun --nproc-per-node 2 -m cite train CONFIG`."""

import sys

from cite.cli import main

if __name__ == '__main__':
    sys.exit(main())
