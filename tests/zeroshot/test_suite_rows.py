"""Every row of the library reads its published layouts: files, classes, order, split."""

from __future__ import annotations

import pytest
from repo import REPO
from suite_trees import TREES, picture, sheet

from cite.errors import DataError
from cite.zeroshot.prompts import DOMAINS
from cite.zeroshot.suite import rows
from cite.zeroshot.suite.entry import METRICS

CASES = [(name, number) for name, trees in TREES.items() for number in range(len(trees))]


def table_of(name, root):
    entry = rows()[name]
    return entry.table(*entry.find(root))


@pytest.mark.parametrize(('name', 'number'), CASES)
def test_a_row_reads_its_layout(name, number, tmp_path):
    truth = TREES[name][number](tmp_path)
    table = table_of(name, tmp_path)
    read = [
        (file, table.classes[label]) for file, label in zip(table.files, table.labels, strict=True)
    ]
    assert read == truth
    assert table.classes == tuple(one.name for one in rows()[name].classes)
    assert table.path(0).is_file()


def test_each_layout_of_each_row_is_drawn():
    assert {name: len(entry.layouts) for name, entry in rows().items()} == {
        name: len(trees) for name, trees in TREES.items()
    }


def test_rows_are_complete():
    for name, entry in rows().items():
        assert entry.name == name and entry.metric in METRICS and entry.modality in DOMAINS
        assert {'title', 'split', 'homepage', 'citation'} <= set(entry.about), name
        labels = [one.label for one in entry.classes]
        assert len(set(labels)) == len(labels)
        # published texts are here, or it is said where they stand
        here = all(one.sentences for one in entry.classes) or bool(entry.templates)
        assert here != bool(entry.constants), name


def test_class_order_is_that_of_the_published_sentences():
    # what the evaluation's own readers map labels to, by place
    order = {
        'bach': ['Benign', 'InSitu', 'Invasive', 'Normal'],
        'osteosarcoma': ['Non-Tumor', 'Non-Viable-Tumor', 'Viable'],
        'refuge': ['n', 'g'],
        'fives': ['A', 'D', 'G', 'N'],
        'odir': ['normal', 'pathologic myopia', 'cataract'],
        'thyroid_us': ['benign', 'malignant'],
        'breast_us': ['benign', 'malignant'],
        'meniscal_mri': ['n', 'p'],
        'acl_mri': ['no', 'yes'],
        'lc25000_lung': ['lung_aca', 'lung_n', 'lung_scc'],
    }
    for name, labels in order.items():
        assert [one.label for one in rows()[name].classes] == labels


def test_nothing_is_found_in_an_empty_folder(tmp_path):
    assert all(entry.find(tmp_path) is None for entry in rows().values())


def failing(name, root):
    with pytest.raises(DataError) as caught:
        table_of(name, root)
    return ' '.join(str(caught.value).split())


def test_a_class_folder_that_is_missing(tmp_path):
    picture(tmp_path / 'BACH/Benign/b001.tif')
    said = failing('bach', tmp_path)
    assert 'missing: InSitu, Invasive, Normal' in said


def test_a_folder_that_is_no_class(tmp_path):
    TREES['bach'][0](tmp_path)
    picture(tmp_path / 'BACH/Unsure/b009.tif')
    assert 'no class: Unsure' in failing('bach', tmp_path)


def test_a_class_folder_without_images(tmp_path):
    TREES['bach'][0](tmp_path)
    for path in (tmp_path / 'BACH/InSitu').iterdir():
        path.unlink()
    assert 'no image of InSitu' in failing('bach', tmp_path)


def test_a_sheet_without_its_column(tmp_path):
    sheet(tmp_path, 'skin_tumor/data/tiles-v2.csv', ',file,label,set', ['0,a.jpg,x,Test'])
    assert "expected the column 'class', found , file, label, set" in failing(
        'skin_cancer', tmp_path
    )


def test_a_sheet_without_rows_of_the_split(tmp_path):
    sheet(tmp_path, 'organs_axial/annotations.csv', 'filepath,split,tasks/organ', ['a,val,0'])
    assert 'no row with split = test' in failing('organs_axial', tmp_path)


def test_an_unknown_label(tmp_path):
    picture(tmp_path / 'acl_mri/images/a.png')
    lines = ['images/a.png,maybe']
    sheet(tmp_path, 'acl_mri/test_fold1.csv', 'filename,acl_label', lines)
    assert "unknown labels 'maybe'; expected no, yes" in failing('acl_mri', tmp_path)


def test_an_image_that_is_missing(tmp_path):
    truth = TREES['thyroid_us'][0](tmp_path)
    (tmp_path / 'thyroid_us' / truth[0][0]).unlink()
    assert f'1 of {len(truth)} files are not under' in failing('thyroid_us', tmp_path)


def test_an_image_with_two_labels(tmp_path):
    picture(tmp_path / 'acl_mri/images/a.png')
    lines = ['images/a.png,yes', 'images/a.png,no']
    sheet(tmp_path, 'acl_mri/test_fold1.csv', 'filename,acl_label', lines)
    assert 'images/a.png is given as yes and as no' in failing('acl_mri', tmp_path)


def test_a_row_of_ones_with_two_findings(tmp_path):
    TREES['chexpert_5x200'][0](tmp_path)
    path = tmp_path / 'chexpert/chexpert-5x200.csv'
    path.write_text(path.read_text().replace('0.0,', '1.0,', 1))
    assert 'expected exactly one' in failing('chexpert_5x200', tmp_path)


def test_file_names_without_a_label(tmp_path):
    pictures = tmp_path / 'PCam_Test_preprocessed'
    picture(pictures / '0_1.png')
    picture(pictures / 'cover.png')
    assert '1 of 2 file names hold no label' in failing('pcam', tmp_path)


def test_a_label_that_is_no_list(tmp_path):
    picture(tmp_path / 'a.jpg')
    sheet(tmp_path, '08_ODIR200x3.csv', ',image,atributes,categories', ['0,a.jpg,[],normal'])
    assert "such as ['normal'], found 'normal'" in failing('odir', tmp_path)


def test_hidden_files_are_no_images(tmp_path):
    truth = TREES['bach'][0](tmp_path)
    picture(tmp_path / 'BACH/Benign/._b001.tif')
    picture(tmp_path / 'BACH/__MACOSX/b001.tif')
    assert len(table_of('bach', tmp_path)) == len(truth)


def test_the_page_lists_every_row():
    page = (REPO / 'docs/zeroshot_suite.md').read_text(encoding='utf-8')
    for name, entry in rows().items():
        texts = 'kept here'
        if entry.constants:
            texts = f'`{entry.constants}`'
        elif entry.templates:
            texts = 'four templates'
        layout = entry.layouts[0].expects().replace('|', '\\|')
        line = (
            f'| `{name}` | {entry.title} | {entry.modality} | {len(entry.classes)} | '
            f'`{layout}` | {entry.about["split"]} | {texts} |'
        )
        assert line in page, line
