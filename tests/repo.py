"""Where the checkout is. (A module of its own: `conftest` names several files.)"""

from pathlib import Path

REPO = Path(__file__).parents[1]
