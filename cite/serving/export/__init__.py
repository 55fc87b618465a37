"""An adapter merged into its base model: files that need no cite, checked before they are left."""

from cite.serving.export.export import Exported, export

__all__ = ['Exported', 'export']
