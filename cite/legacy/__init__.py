"""What the published CITE code (github.com/Yunkun-Zhang/CITE, 2023) did where it decides numbers.

Each module reproduces one behaviour that a careful study would not want, so that published figures can
be traced to it. Nothing else in the library uses these classes; configs/_base_/protocols/original.py
names them, and docs/protocols.md tells the two protocols apart.
"""
