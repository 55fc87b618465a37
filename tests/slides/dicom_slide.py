"""A small DICOM slide, one TILED_FULL instance per level."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from drawn_pyramids import shrunk
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.sequence import Sequence as Items
from pydicom.uid import ExplicitVRLittleEndian, JPEGBaseline8Bit, generate_uid

WSI = '1.2.840.10008.5.1.4.1.1.77.1.6'


def write_dicom(
    folder: Path,
    picture: np.ndarray,
    downsamples: Sequence[int] = (1, 4),
    mpp: float = 0.5,
    tile: int = 128,
    jpeg: bool = False,
) -> list[Path]:
    """Writes level0.dcm … and returns them."""
    folder.mkdir(parents=True, exist_ok=True)
    shared = {name: generate_uid() for name in ('study', 'series', 'frame', 'pyramid', 'device')}
    paths = []
    for number, by in enumerate(downsamples):
        level = picture if by == 1 else shrunk(picture, by)
        path = folder / f'level{number}.dcm'
        _instance(path, level, number, mpp * by, tile, shared, jpeg)
        paths.append(path)
    return paths


def _frames(level: np.ndarray, tile: int) -> list[np.ndarray]:
    height, width = level.shape[:2]
    padded = np.pad(level, ((0, -height % tile), (0, -width % tile), (0, 0)), mode='edge')
    return [
        padded[top : top + tile, left : left + tile]
        for top in range(0, height, tile)
        for left in range(0, width, tile)
    ]


def _jpeg(frame: np.ndarray) -> bytes:
    from io import BytesIO

    from PIL import Image

    stream = BytesIO()
    Image.fromarray(frame).save(stream, 'JPEG', quality=95, subsampling=0)
    return stream.getvalue()


def _instance(
    path: Path,
    level: np.ndarray,
    number: int,
    mpp: float,
    tile: int,
    shared: dict[str, str],
    jpeg: bool,
) -> None:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = WSI
    meta.MediaStorageSOPInstanceUID = generate_uid()
    meta.TransferSyntaxUID = JPEGBaseline8Bit if jpeg else ExplicitVRLittleEndian
    data = FileDataset(path, {}, file_meta=meta, preamble=b'\0' * 128)
    data.SOPClassUID, data.SOPInstanceUID = WSI, meta.MediaStorageSOPInstanceUID
    data.StudyInstanceUID, data.SeriesInstanceUID = shared['study'], shared['series']
    data.FrameOfReferenceUID, data.PyramidUID = shared['frame'], shared['pyramid']
    data.Modality, data.PatientID, data.PatientName = 'SM', 'none', 'none'
    data.PatientBirthDate = data.PatientSex = data.AccessionNumber = data.StudyID = ''
    data.StudyDate = data.ContentDate = '20200101'
    data.StudyTime = data.ContentTime = '000000'
    data.AcquisitionDateTime = '20200101000000'
    data.SeriesNumber, data.InstanceNumber = 1, number + 1
    data.Manufacturer = data.ManufacturerModelName = data.SoftwareVersions = 'drawn'
    data.DeviceSerialNumber, data.ContainerIdentifier = '1', 'slide'
    data.PositionReferenceIndicator = 'SLIDE_CORNER'
    kind = 'ORIGINAL' if number == 0 else 'DERIVED'
    data.ImageType = [kind, 'PRIMARY', 'VOLUME', 'NONE' if number == 0 else 'RESAMPLED']
    height, width = level.shape[:2]
    data.TotalPixelMatrixColumns, data.TotalPixelMatrixRows = width, height
    data.Columns = data.Rows = tile
    data.ImagedVolumeWidth, data.ImagedVolumeHeight = width * mpp / 1000, height * mpp / 1000
    data.ImagedVolumeDepth = 0.001
    data.SamplesPerPixel, data.PlanarConfiguration = 3, 0
    data.PhotometricInterpretation = 'YBR_FULL_422' if jpeg else 'RGB'
    data.BitsAllocated = data.BitsStored = 8
    data.HighBit, data.PixelRepresentation = 7, 0
    data.BurnedInAnnotation, data.LossyImageCompression = 'NO', '01' if jpeg else '00'
    if jpeg:
        data.LossyImageCompressionRatio, data.LossyImageCompressionMethod = 10, 'ISO_10918_1'
    data.SpecimenLabelInImage, data.FocusMethod, data.ExtendedDepthOfField = 'NO', 'AUTO', 'NO'
    data.VolumetricProperties, data.TotalPixelMatrixFocalPlanes = 'VOLUME', 1
    data.DimensionOrganizationType = 'TILED_FULL'
    organization = Dataset()
    organization.DimensionOrganizationUID = generate_uid()
    data.DimensionOrganizationSequence = Items([organization])
    origin = Dataset()
    origin.XOffsetInSlideCoordinateSystem = origin.YOffsetInSlideCoordinateSystem = 0
    data.TotalPixelMatrixOriginSequence = Items([origin])
    data.ImageOrientationSlide = [0, -1, 0, -1, 0, 0]
    data.NumberOfOpticalPaths = 1
    code = Dataset()
    code.CodeValue, code.CodingSchemeDesignator = '111744', 'DCM'
    code.CodeMeaning = 'Brightfield illumination'
    light = Dataset()
    light.CodeValue, light.CodingSchemeDesignator = 'R-102C0', 'SRT'
    light.CodeMeaning = 'Full Spectrum'
    path_ = Dataset()
    path_.OpticalPathIdentifier = '0'
    path_.IlluminationTypeCodeSequence = Items([code])
    path_.IlluminationColorCodeSequence = Items([light])
    data.OpticalPathSequence = Items([path_])
    measures = Dataset()
    measures.PixelSpacing, measures.SliceThickness = [mpp / 1000, mpp / 1000], 0.001
    groups = Dataset()
    groups.PixelMeasuresSequence = Items([measures])
    frame_type = Dataset()
    frame_type.FrameType = data.ImageType
    groups.WholeSlideMicroscopyImageFrameTypeSequence = Items([frame_type])
    optical = Dataset()
    optical.OpticalPathIdentifier = '0'
    groups.OpticalPathIdentificationSequence = Items([optical])
    data.SharedFunctionalGroupsSequence = Items([groups])
    frames = _frames(level, tile)
    data.NumberOfFrames = len(frames)
    if jpeg:
        data.PixelData = encapsulate([_jpeg(frame) for frame in frames])
        data['PixelData'].VR = 'OB'
    else:
        data.PixelData = b''.join(frame.tobytes() for frame in frames)
    data.save_as(path, enforce_file_format=True)
