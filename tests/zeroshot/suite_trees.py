"""Small trees as the publishers of the 21 data sets lay them out, and what is to be read from them.

Names, headers and labels are written out here, apart from the rows of the library that read them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
from PIL import Image

Truth = list[tuple[str, str]]
"""(file from the folder of the images, class), in the order in which they are to be read."""


def picture(path: Path, seed: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (24, 24, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)


def sheet(root: Path, name: str, header: str, lines: Iterable[str]) -> None:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text('\n'.join([header, *lines]) + '\n', encoding='utf-8')


def folders(where: str, classes: dict[str, str], file: str, also: tuple[str, ...] = ()) -> Callable:
    def draw(root: Path) -> Truth:
        truth = []
        for number, (label, name) in enumerate(classes.items()):
            for image in range(2):
                inside = f'{label}/{file.format(label=label, n=image)}'
                picture(root / where / inside, 10 * number + image)
                truth.append((inside, name))
        for folder in also:
            picture(root / where / folder / file.format(label=folder, n=0))
        return truth

    return draw


LUNG = {
    'lung_aca': 'Lung adenocarcinoma',
    'lung_n': 'Benign lung',
    'lung_scc': 'Lung squamous cell carcinoma',
}
COLON = {'colon_aca': 'Colon adenocarcinoma', 'colon_n': 'Benign colonic tissue'}
CRC = {
    'ADI': 'Adipose',
    'DEB': 'Debris',
    'LYM': 'Lymphocytes',
    'MUC': 'Mucus',
    'MUS': 'Smooth muscle',
    'NORM': 'Normal colon mucosa',
    'STR': 'Cancer-associated stroma',
    'TUM': 'Colorectal adenocarcinoma epithelium',
}
BACH = {
    'Benign': 'Breast non-malignant benign tissue',
    'InSitu': 'Breast malignant in-situ carcinoma',
    'Invasive': 'Breast malignant invasive carcinoma',
    'Normal': 'Breast normal breast tissue',
}
TUMOURS = {
    'tumor_skin_epithelial_sqcc': 'Squamous-cell carcinoma',
    'tumor_skin_melanoma_melanoma': 'Melanoma in-situ',
    'tumor_skin_epithelial_bcc': 'Basal-cell carcinoma',
    'tumor_skin_naevus_naevus': 'Naevus',
}
TISSUES = {
    'nontumor_skin_necrosis_necrosis': 'Necrosis',
    'nontumor_skin_muscle_skeletal': 'Skeletal muscle',
    'nontumor_skin_sweatglands_sweatglands': 'Eccrine sweat glands',
    'nontumor_skin_vessel_vessel': 'Vessels',
    'nontumor_skin_elastosis_elastosis': 'Elastosis',
    'nontumor_skin_chondraltissue_chondraltissue': 'Chondral tissue',
    'nontumor_skin_hairfollicle_hairfollicle': 'Hair follicle',
    'nontumor_skin_epidermis_epidermis': 'Epidermis',
    'nontumor_skin_nerves_nerves': 'Nerves',
    'nontumor_skin_subcutis_subcutis': 'Subcutis',
    'nontumor_skin_dermis_dermis': 'Dermis',
    'nontumor_skin_sebaceousglands_sebaceousglands': 'Sebaceous glands',
    **TUMOURS,
}
ORGANS = (
    'heart',
    'left lung',
    'right lung',
    'liver',
    'spleen',
    'pancreas',
    'left kidney',
    'right kidney',
    'bladder',
    'left femoral head',
    'right femoral head',
)
GRADES = (
    'no diabetic retinopathy',
    'mild non-proliferative diabetic retinopathy',
    'moderate non-proliferative diabetic retinopathy',
    'severe non-proliferative diabetic retinopathy',
    'proliferative diabetic retinopathy',
)
KNEE = {'no': 'normal knee', 'yes': 'anterior cruciate ligament tear'}
MENISCUS = {'n': 'normal knee', 'p': 'meniscal tear'}
LESION = {'benign': 'benign', 'malignant': 'malignant'}


def medimeta(name: str, task: str, classes: tuple[str, ...]) -> Callable:
    def draw(root: Path) -> Truth:
        lines, truth = [], []
        for number, label in enumerate([*reversed(range(len(classes))), 0]):
            file = f'images/{number:06d}.tiff'
            split = 'train' if number == len(classes) else 'test'
            lines.append(f'{file},{split},{label},volume-{number},train')
            picture(root / name / file, number)
            if split == 'test':
                truth.append((file, classes[label]))
        header = f'filepath,split,tasks/{task},original_filepath,original_split'
        sheet(root, f'{name}/annotations.csv', header, lines)
        return truth

    return draw


def fold(csv: str, base: str, header: str, labels: dict[str, str], file: str) -> Callable:
    def draw(root: Path) -> Truth:
        lines, truth = [], []
        for number, (label, name) in enumerate([*reversed(labels.items()), *labels.items()]):
            image = f'images/{file.format(n=number)}'
            picture(root / base / image, number)
            lines.append(f'{image},{label}')
            truth.append((image, name))
        sheet(root, f'{base}/{csv}', header, lines)
        return truth

    return draw


def skin(csv: str, classes: dict[str, str], base: str = 'skin_tumor') -> Callable:
    def draw(root: Path) -> Truth:
        lines, truth = [], []
        for number, (label, name) in enumerate(classes.items()):
            for split in ('Train', 'Test'):
                file = f'data/tiles/{label}/{label}_{split}_{number}.jpg'
                lines.append(f'{len(lines)},{file},{label},{split},tumor')
                picture(root / base / file, number)
                if split == 'Test':
                    truth.append((file, name))
        sheet(root, f'{base}/{csv}', ',file,class,set,malignicity', lines)
        return truth

    return draw


def chexpert(csv: str, images: str) -> Callable:
    findings = ('Cardiomegaly', 'Edema', 'Consolidation', 'Atelectasis', 'Pleural Effusion')

    def draw(root: Path) -> Truth:
        lines, truth = [], []
        for number, finding in enumerate(reversed(findings)):
            file = f'CheXpert-v1.0-small/train/patient{number:05d}/study1/view1_frontal.jpg'
            picture(root / images / file, number)
            ones = ','.join('1.0' if name == finding else '0.0' for name in findings)
            lines.append(f'{number},{file},Male,{ones},"1. one line,\nand another"')
            truth.append((file, finding))
        header = f',imgpath,Sex,{",".join(findings)},Report Impression'
        sheet(root, csv, header, lines)
        return truth

    return draw


def rsna(root: Path) -> Truth:
    truth = [('images/b.png', 'Pneumonia'), ('images/a.png', 'Normal')]
    for file, _ in truth:
        picture(root / 'rsna_custom_test_set' / file)
    lines = [f'{n},{file},{int(name == "Pneumonia")}' for n, (file, name) in enumerate(truth)]
    name = 'rsna_custom_test_set/RSNA_pneumonia_balanced_testfile.csv'
    sheet(root, name, ',imgpath,Pneumonia', lines)
    return truth


def pcam(root: Path) -> Truth:
    truth = []
    for name, label in (('0', 1), ('1', 0), ('2', 0)):
        file = f'{name}_{label}.png'
        picture(root / 'PCam_Test_preprocessed' / file)
        names = ('Lymph node', 'Lymph node containing metastatic tumor tissue')
        truth.append((file, names[label]))
    return truth


def osteosarcoma(root: Path) -> Truth:
    names = {'Viable': 'Tumor', 'Non-Tumor': 'Normal non-tumor', 'Non-Viable-Tumor': 'Necrotic'}
    truth, lines = [], []
    for number, (label, name) in enumerate(names.items()):
        file = f'images/Case-3-A{number}-100-200.jpg'
        picture(root / 'Osteosarcoma' / file)
        lines.append(f'{file},{label}')
        truth.append((file, name))
    sheet(root, 'Osteosarcoma/annotations_final.csv', 'image.name,classification', lines)
    return truth


def refuge(base: str, per_class: bool) -> Callable:
    def draw(root: Path) -> Truth:
        truth = []
        for letter, folder, name in (
            ('g', 'Glaucoma', 'glaucoma'),
            ('n', 'Non-Glaucoma', 'no glaucoma'),
        ):
            for number in (1, 2):
                file = f'{letter}{number:04d}.jpg'
                file = f'{folder}/{file}' if per_class else file
                picture(root / base / file)
                truth.append((file, name))
        return truth

    return draw


def fives(base: str) -> Callable:
    names = {
        'A': 'age-related macular degeneration',
        'D': 'diabetic retinopathy',
        'G': 'glaucoma',
        'N': 'normal',
    }

    def draw(root: Path) -> Truth:
        truth = []
        for split in ('test', 'train'):
            for number, (letter, name) in enumerate(names.items(), start=1):
                file = f'{split}/Original/{number}_{letter}.png'
                picture(root / base / file)
                picture(root / base / f'{split}/Ground truth/{number}_{letter}.png')
                truth.append((file, name))
        return truth

    return draw


def odir(csv: str) -> Callable:
    def draw(root: Path) -> Truth:
        truth, lines = [], []
        for number, name in enumerate(('cataract', 'normal', 'pathologic myopia')):
            file = f'odir_retina/{number}_left.jpg'
            picture(root / file)
            lines.append(f"{number},{file},[],['{name}']")
            truth.append((file, name))
        sheet(root, csv, ',image,atributes,categories', lines)
        return truth

    return draw


_KNEE_FILE = '00{n}_sagittal_12.000000.png'
TREES: dict[str, tuple[Callable[[Path], Truth], ...]] = {
    'chexpert_5x200': (
        chexpert('chexpert/chexpert-5x200.csv', 'chexpert'),
        chexpert('local_data/chexpert-5x200.csv', 'chexpert'),
        chexpert('chexpert-5x200.csv', '.'),
    ),
    'rsna_pneumonia': (rsna,),
    'organs_axial': (medimeta('organs_axial', 'organ label', ORGANS),),
    'organs_coronal': (medimeta('organs_coronal', 'organ label', ORGANS),),
    'organs_sagittal': (medimeta('organs_sagittal', 'organ label', ORGANS),),
    'acl_mri': (
        fold('test_fold1.csv', 'acl_mri', 'filename,acl_label', KNEE, _KNEE_FILE),
        fold('dataframe/test_fold1.csv', 'acl', 'filename,acl_label', KNEE, _KNEE_FILE),
    ),
    'meniscal_mri': (
        fold('meniscus_test_fold1.csv', 'meniscal_mri', 'img_dir,label', MENISCUS, _KNEE_FILE),
        fold(
            'dataframe/meniscus_test_fold1.csv', 'meniscus', 'img_dir,label', MENISCUS, _KNEE_FILE
        ),
    ),
    'breast_us': (
        fold('breast_test_fold1.csv', 'breast_us', 'filename,label', LESION, 'benign ({n}).png'),
        fold(
            'dataframe/breast_test_fold1.csv',
            'breast',
            'filename,label',
            LESION,
            'normal ({n}).png',
        ),
    ),
    'thyroid_us': (
        fold('thyroid_test_fold1.csv', 'thyroid_us', 'img_dir,label', LESION, '314_{n}.jpg'),
        fold('dataframe/thyroid_test_fold1.csv', 'thyroid', 'img_dir,label', LESION, '13_{n}.jpg'),
    ),
    'dr_regular': (medimeta('dr_regular', 'DR level', GRADES),),
    'refuge': (
        refuge('REFUGE-Training400', per_class=False),
        refuge('REFUGE-Training400/Training400', per_class=True),
        refuge('Training400', per_class=True),
    ),
    'fives': (
        fives('fives_retina'),
        fives('FIVES A Fundus Image Dataset for AI-based Vessel Segmentation'),
    ),
    'odir': (odir('local_data/08_ODIR200x3.csv'), odir('08_ODIR200x3.csv')),
    'lc25000_lung': (
        folders('LC25000_test', LUNG, '{label}{n}.jpeg', tuple(COLON)),
        folders('lung_colon_image_set/lung_image_sets', LUNG, '{label}{n}.jpeg'),
        folders('LC25000/lung_colon_image_set/lung_image_sets', LUNG, '{label}{n}.jpeg'),
    ),
    'lc25000_colon': (
        folders('LC25000_test', COLON, '{label}{n}.jpeg', tuple(LUNG)),
        folders('lung_colon_image_set/colon_image_sets', COLON, '{label}{n}.jpeg'),
        folders('LC25000/lung_colon_image_set/colon_image_sets', COLON, '{label}{n}.jpeg'),
    ),
    'pcam': (pcam,),
    'nct_crc': (
        folders('CRC-VAL-HE-7K', CRC, '{label}-TCGA-AAICEQF{n}.tif', ('BACK',)),
        folders('NCT-CRC/CRC-VAL-HE-7K', CRC, '{label}-TCGA-AAICEQF{n}.tif', ('BACK',)),
    ),
    'bach': (
        folders('BACH', BACH, 'b00{n}.tif'),
        folders('ICIAR2018_BACH_Challenge/Photos', BACH, 'b00{n}.tif'),
    ),
    'osteosarcoma': (osteosarcoma,),
    'skin_cancer': (
        skin('data/tiles-v2.csv', TISSUES),
        skin('data/tiles-v2.csv', TISSUES, 'skin'),
    ),
    'skin_tumor': (skin('data/SkinTumorSubset.csv', TUMOURS),),
}
