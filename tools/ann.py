"""The published split of PatchGastric under its old name.

    python tools/ann.py

reads data/captions.csv and data/patches_captions/ and writes data/gastric_cls3_ann/: `val_0.8.txt`,
`train_all_0.2.txt` and `train_{1,2,4,8,16}_0.2.txt`, line for line what the script of the original code
writes for the same order of files. `cite prepare patchgastric` makes the better split.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from cite.errors import CiteError
from cite.legacy.splits import write_original


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument('--data-path', type=Path, default=Path('data'))
    parser.add_argument('--out', type=Path, help='default: DATA_PATH/gastric_cls3_ann')
    parser.add_argument('--val', type=float, default=0.8, help='share of slides that evaluate')
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--shots', type=int, nargs='+', default=[1, 2, 4, 8, 16])
    parser.add_argument(
        '--draw-patches',
        action='store_true',
        help='the other mode of the script (sort=False): draw k patches and take their slides',
    )
    parser.add_argument(
        '--directory-order',
        action='store_true',
        help='files as the file system lists them, as the script does; default: sorted by name',
    )
    args = parser.parse_args()
    folder = args.data_path / 'patches_captions'
    try:
        counts = write_original(
            args.data_path,
            args.out,
            seed=args.seed,
            val=args.val,
            shots=args.shots,
            by_patch_count=not args.draw_patches,
            listing=[path.name for path in folder.iterdir()] if args.directory_order else None,
        )
    except (CiteError, OSError) as error:
        print(f'ann.py: error: {error}', file=sys.stderr)
        return 2
    for part in dict.fromkeys(count.part for count in counts):
        classes = [f'{c.slides} / {c.patches}' for c in counts if c.part == part]
        print(f'{part + ".txt":<22} slides / patches of the classes: {", ".join(classes)}')
    return 0


if __name__ == '__main__':
    sys.exit(main())
