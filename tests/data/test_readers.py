from __future__ import annotations

import pytest

from cite.data import PatchTable, read_annotation, read_csv, read_folder, read_patches
from cite.errors import ConfigError, DataError

CLASSES = ('well differentiated', 'poorly differentiated', 'differentiated')


def write(path, text, encoding='utf-8'):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode(encoding))
    return path


# Annotation files


def test_annotation_lines(tmp_path):
    path = write(
        tmp_path / 'train.txt',
        'dir with space/s2_b c.jpg 1\n\ns1_a.jpg\t0\r\ns3_é.jpg well differentiated\n'
        's4_a.jpg differentiated\n',
    )
    table = read_annotation(path, tmp_path / 'images', CLASSES)
    assert table.files.tolist() == ['dir with space/s2_b c.jpg', 's1_a.jpg', 's3_é.jpg', 's4_a.jpg']
    assert table.labels.tolist() == [1, 0, 0, 2]
    assert table.slides.tolist() == ['s2', 's1', 's3', 's4']
    assert table.path(1) == tmp_path / 'images' / 's1_a.jpg'


@pytest.mark.parametrize(
    'line', ['s_a.jpg', 's_a.jpg 3', 's_a.jpg -1', 's_a.jpg poor', 's_a.jpg 1,2']
)
def test_annotation_names_the_bad_line(tmp_path, line):
    path = write(tmp_path / 'a.txt', f's_0.jpg 1\n{line}\n')
    with pytest.raises(DataError, match=r'a\.txt, line 2.*0 to 2'):
        read_annotation(path, tmp_path, CLASSES)


def test_slides_come_from_names_or_an_error_says_how(tmp_path):
    path = write(tmp_path / 'a.txt', 'w/case-1/t1.jpg 0\nw/case-1/t2.jpg 0\n')
    with pytest.raises(DataError, match=r'no slide in the names.*t1\.jpg.*slide_pattern'):
        read_annotation(path, tmp_path, CLASSES)
    folder = r'(?P<slide>[^/]+)/[^/]+$'
    assert set(read_annotation(path, tmp_path, CLASSES, folder).slides) == {'case-1'}
    alone = read_annotation(path, tmp_path, CLASSES, slide_pattern=None)
    assert alone.slides.tolist() == alone.files.tolist()
    with pytest.raises(ConfigError, match=r'no group \(\?P<slide>'):
        read_annotation(path, tmp_path, CLASSES, slide_pattern='[^_]+')
    with pytest.raises(ConfigError, match='no regular expression'):
        read_annotation(path, tmp_path, CLASSES, slide_pattern='(?P<slide>')


def test_the_slide_is_all_that_stands_before_the_first_underscore(tmp_path):
    path = write(tmp_path / 'a.txt', 'my_dir/s1_0_1.jpg 0\n/abs_x/s2_0.jpg 0\n')
    assert read_annotation(path, tmp_path, CLASSES).slides.tolist() == ['s1', 's2']
    path = write(tmp_path / 'b.txt', '_s1_0.jpg 0\n')
    with pytest.raises(DataError, match='no slide'):
        read_annotation(path, tmp_path, CLASSES)


# Manifests

MANIFEST = """file,label,slide,patient,split
c/1.jpg,high,s3,p2,val
a/1.jpg,low,s1,p1,train
"b, c/2.jpg",high,s2,p1,train
"""


def test_manifest(tmp_path):
    path = write(tmp_path / 'm.csv', '\ufeff' + MANIFEST.replace('\n', '\r\n'))
    table = read_csv(path)
    assert table.classes == ('high', 'low')
    assert table.files.tolist() == ['c/1.jpg', 'a/1.jpg', 'b, c/2.jpg']
    assert table.patients.tolist() == ['p2', 'p1', 'p1']
    assert table.root == tmp_path
    assert read_csv(path, classes=['low', 'high']).labels.tolist() == [1, 0, 1]


def test_a_split_keeps_the_classes_of_the_whole_file(tmp_path):
    path = write(tmp_path / 'm.csv', MANIFEST)
    val = read_csv(path, split='val')
    assert val.files.tolist() == ['c/1.jpg']
    assert val.classes == ('high', 'low')
    with pytest.raises(DataError, match=r"no split 'test', the file has \['train', 'val'\]"):
        read_csv(path, split='test')


def test_columns_can_be_mapped(tmp_path):
    path = write(tmp_path / 'm.csv', 'file,label,stain_cluster\n1.jpg,0,s1\n2.jpg,1,s2\n')
    with pytest.raises(DataError, match=r"missing columns \['slide'\].*'stain_cluster'"):
        read_csv(path)
    table = read_csv(path, columns={'slide': 'stain_cluster'})
    assert table.slides.tolist() == ['s1', 's2']
    assert table.classes == ('0', '1')
    assert read_csv(path, columns={'slide': 'file'}).slides.tolist() == ['1.jpg', '2.jpg']
    with pytest.raises(DataError, match='case'):
        read_csv(path, columns={'slide': 'file', 'patient': 'case'})
    with pytest.raises(DataError, match=r"\['split'\]"):
        read_csv(path, columns={'slide': 'file'}, split='val')
    with pytest.raises(ConfigError, match='slides'):
        read_csv(path, columns={'slides': 'file'})


def test_labels_may_be_indexes_and_number_names_keep_their_order(tmp_path):
    rows = ''.join(f'{i}.jpg,{i},s{i}\n' for i in range(11))
    path = write(tmp_path / 'm.csv', 'file,label,slide\n' + rows)
    assert read_csv(path).labels.tolist() == list(range(11))
    named = read_csv(path, classes=[f'class {i}' for i in range(11)])
    assert named.labels.tolist() == list(range(11))


@pytest.mark.parametrize(
    ('row', 'message'),
    [
        ('4.jpg,middle,s4,p4,val', r"line 5: unknown labels 'middle'"),
        ('4.jpg,low,,p4,val', "line 5: no value in column 'slide'"),
        ('4.jpg,low,s4', 'line 5: expected 5 fields'),
        ('"4.jpg,low,s4,p4,val', 'line 5: not CSV'),
        ('c/1.jpg,high,s3,p2,val', 'more than once: c/1.jpg'),
        ('4.jpg,low,s3,p2,val', r's3 \(low and high\)'),
        ('4.jpg,high,s3,p1,val', 'one patient.*s3'),
        ('4.jpg,low,s1,p1,val', 'slides in more than one split.*s1'),
        ('4.jpg,low,s4,p1,val', 'patients in more than one split.*p1'),
    ],
)
def test_manifest_rows_that_cannot_be(tmp_path, row, message):
    path = write(tmp_path / 'm.csv', MANIFEST + row + '\n')
    with pytest.raises(DataError, match=message):
        read_csv(path, classes=['low', 'high'])


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        (None, 'no such file'),
        (b'', 'empty'),
        (b' \n\n', 'empty'),
        ('file,label,slide\né,a,s'.encode('latin-1'), 'not UTF-8'),
    ],
)
@pytest.mark.parametrize('name', ['m.csv', 'm.txt'])
def test_files_that_cannot_be_read(tmp_path, name, content, message):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(DataError, match=f'{name}.*{message}'):
        read_patches(path, classes=['a'])


def test_a_manifest_of_a_header_alone_has_no_patches(tmp_path):
    with pytest.raises(DataError, match='no patches'):
        read_csv(write(tmp_path / 'm.csv', 'file,label,slide\n'))


# Folders


def test_folder_of_classes(tmp_path):
    for name in ('low/s1_1.jpg', 'low/deep/s1_2.PNG', 'high/s2_1.tiff', 'high/s2_2.webp'):
        write(tmp_path / name, '')
    for other in ('high/notes.txt', 'high/._s2_3.jpg', '.hidden/s_1.jpg', 'stray_1.jpg'):
        write(tmp_path / other, '')
    table = read_folder(tmp_path)
    assert table.classes == ('high', 'low')
    assert table.files.tolist() == [
        'high/s2_1.tiff', 'high/s2_2.webp', 'low/deep/s1_2.PNG', 'low/s1_1.jpg',
    ]  # fmt: skip
    assert table.slides.tolist() == ['s2', 's2', 's1', 's1']
    assert table.path(0).is_file()
    assert set(read_folder(tmp_path, classes=['low']).labels) == {0}
    with pytest.raises(DataError, match=r"'middle'.*found \['high', 'low'\]"):
        read_folder(tmp_path, classes=['low', 'middle'])


def test_folders_without_patches(tmp_path):
    with pytest.raises(DataError, match='no such folder'):
        read_folder(tmp_path / 'gone')
    with pytest.raises(DataError, match='one folder per class'):
        read_folder(tmp_path)
    (tmp_path / 'low').mkdir()
    with pytest.raises(DataError, match='no patches'):
        read_folder(tmp_path)


# Whatever it is


def test_read_patches_tells_sources_apart_and_sorts(tmp_path):
    manifest = write(tmp_path / 'm.csv', MANIFEST)
    annotation = write(tmp_path / 'a.txt', 's2_1.jpg 1\ns1_1.jpg 0\n')
    write(tmp_path / 'folder' / 'low' / 's1_1.jpg', '')
    assert read_patches(manifest).files.tolist() == ['a/1.jpg', 'b, c/2.jpg', 'c/1.jpg']
    assert read_patches(manifest, keep_order=True).files[0] == 'c/1.jpg'
    assert len(read_patches(manifest, split='val')) == 1
    assert read_patches(annotation, classes=CLASSES).files[0] == 's1_1.jpg'
    assert isinstance(read_patches(tmp_path / 'folder'), PatchTable)
    with pytest.raises(DataError, match='give classes'):
        read_patches(annotation)
    with pytest.raises(ConfigError, match=r"folder of classes.*not \['split'\]"):
        read_patches(tmp_path / 'folder', split='val')
    with pytest.raises(ConfigError, match=r"CSV manifest.*not \['slide_pattern'\]"):
        read_patches(manifest, slide_pattern=None)
    with pytest.raises(DataError, match='no such file'):
        read_patches(tmp_path / 'gone')


def test_a_file_that_is_not_there_is_told_with_those_beside_it(tmp_path):
    for name in ('train_2.csv', 'train_1.csv', 'split.json'):
        (tmp_path / name).touch()
    (tmp_path / 'x.csv').mkdir()
    with pytest.raises(
        DataError, match=r'train_8\.csv: no such file; .* has train_1.csv, train_2.csv$'
    ):
        read_patches(tmp_path / 'train_8.csv')
    with pytest.raises(DataError, match=r'gone/train_8\.csv: no such file$'):
        read_patches(tmp_path / 'gone' / 'train_8.csv')
