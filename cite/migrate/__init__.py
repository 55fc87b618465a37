"""From the published CITE code (mmcls 0.25): its configs → ours, its checkpoints → adapters.

Everything in an old file is carried, dropped with a note that says why, or refused by name.
"""

from cite.migrate.checkpoint import migrate_checkpoint
from cite.migrate.config import Migrated, migrate_config

__all__ = ['Migrated', 'migrate_checkpoint', 'migrate_config']
