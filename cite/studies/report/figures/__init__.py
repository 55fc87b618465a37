"""Pictures of a report, one file each: `NAME`, `TITLE`, `caption(facts)` and `draw(facts)`.

A picture that has nothing to show returns None. To add one, write its file and name it in `pictures.py`.
"""
