"""Packaging metadata. The settings of ruff, mypy and pytest are in pyproject.toml."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent

# A lower bound is the first release with what the code uses, an upper one the first that is known
# or announced to break it. constraints.txt says which versions were tested together.
REQUIREMENTS = [
    'torch>=2.6',  # torch.load reads weights only by default
    'torchvision>=0.21',
    'mmengine>=0.10.7,<0.11',
    'mmcv-lite>=2.2,<2.4',  # mmpretrain 1.2 refuses 2.4
    'mmpretrain>=1.2,<2',
    'openmim>=0.3.9',
    'transformers>=5,<6',  # 5 renamed the layers that PEFT targets
    'timm>=1.0.17,<2',
    'peft>=0.18',  # knows transformers 5
    'filelock>=3.12',
    'safetensors>=0.4.3',
    'huggingface_hub>=1',
    'numpy>=2',
    'pandas>=2.2.2',
    'pyarrow>=16',
    'scikit-learn>=1.5',
    'scipy>=1.13',
    'matplotlib>=3.9',
    'pillow>=10.3',
    'tqdm>=4.66',
    'setuptools>=77,<82',  # mim and mmengine import pkg_resources, which 82 dropped
]

# what optional tests need comes with `dev` as well, so that none is skipped for want of it
OPEN_CLIP = 'open_clip_torch>=2.30'
TENSORBOARD = ['tensorboard>=2.17', 'future']

# tokenizers of T5 and LLaMA as their authors publish them, and that of BioGPT
TEXT = ['sentencepiece>=0.2', 'protobuf>=4', 'sacremoses>=0.1']

ONNX = ['onnx>=1.18', 'onnxscript>=0.5', 'onnxruntime>=1.20']
# places where studies run
RAY, SUBMITIT = 'ray>=2.40', 'submitit>=1.5'
FAISS, LANGID = 'faiss-cpu>=1.9', 'py3langid>=0.3'
CAPTUM, GRADIO = 'captum>=0.8', 'gradio>=6'
# OpenSlide with its library; tiffslide for OME-TIFF, wsidicom for DICOM that OpenSlide refuses
SLIDES = [
    'openslide-python>=1.4',
    'openslide-bin>=4',
    'tiffslide>=3',
    'imagecodecs',
    'wsidicom>=0.25',
]
EXTRAS = {
    'clip': [OPEN_CLIP],
    'text': TEXT,
    'onnx': ONNX,
    'tensorboard': TENSORBOARD,
    'wandb': ['wandb>=0.19'],
    'mlflow': ['mlflow>=2.16'],
    'comet': ['comet_ml>=3.47'],
    'ray': [RAY],
    'slurm': [SUBMITIT],
    'retrieval': [FAISS],
    'quality': [FAISS, LANGID],
    'slides': SLIDES,
    'attribution': [CAPTUM],
    'demo': [GRADIO],
    'dev': [
        OPEN_CLIP,
        *TEXT,
        *TENSORBOARD,
        *ONNX,
        RAY,
        SUBMITIT,
        FAISS,
        LANGID,
        *SLIDES,
        CAPTUM,
        GRADIO,
        'nbclient>=0.10',  # runs the notebook
        'ipykernel>=6.29',
        'torchmetrics>=1.5',  # a reference for calibration
        'pytest>=8.3',
        'hypothesis>=6.100',
        'ruff>=0.9',
        'mypy>=1.14',
        'types-PyYAML',
        'types-tqdm',
        'tifffile>=2024.8',  # reads the slides that are drawn, as a check
        'build>=1.2',
    ],
}


def read_version() -> str:
    """Version in cite/__init__.py, read without importing the package, which may lack torch yet."""
    text = (ROOT / 'cite' / '__init__.py').read_text(encoding='utf-8')
    match = re.search(r"^__version__ = '([^']+)'$", text, re.MULTILINE)
    if match is None:
        raise RuntimeError("cite/__init__.py has no line `__version__ = 'X.Y.Z'`")
    return match.group(1)


def config_packages() -> list[str]:
    """Folders of configs/ as packages: top level in the repository, cite/configs in a wheel."""
    folders = {path.parent for path in (ROOT / 'configs').rglob('*.py')}
    return sorted('.'.join(('cite', *folder.relative_to(ROOT).parts)) for folder in folders)


if __name__ == '__main__':
    from setuptools import find_packages, setup

    setup(
        name='cite-pathology',
        version=read_version(),
        description='Parameter-efficient few-shot adaptation of frozen pathology encoders, '
        'with heads anchored in text',
        long_description=(ROOT / 'README.md').read_text(encoding='utf-8'),
        long_description_content_type='text/markdown',
        license='Apache-2.0',
        license_files=['LICENSE'],
        python_requires='>=3.10',
        install_requires=REQUIREMENTS,
        extras_require=EXTRAS,
        packages=[*find_packages(include=['cite', 'cite.*']), *config_packages()],
        package_dir={'cite.configs': 'configs'},
        package_data={
            '': ['*.txt', '*.json', '*.safetensors', '*.md', '*.yaml', '*.yml'],
            'cite.encoders': ['tiny_tissue/*', 'tiny_tissue/text/*'],
        },
        include_package_data=False,
        entry_points={'console_scripts': ['cite = cite.cli:main']},
        classifiers=[
            'Development Status :: 4 - Beta',
            'Intended Audience :: Science/Research',
            'Programming Language :: Python :: 3',
            'Programming Language :: Python :: 3.10',
            'Programming Language :: Python :: 3.11',
            'Programming Language :: Python :: 3.12',
            'Programming Language :: Python :: 3.13',
            'Topic :: Scientific/Engineering :: Image Recognition',
            'Topic :: Scientific/Engineering :: Medical Science Apps.',
        ],
    )
