"""The format of a file, by its first bytes (and, for camera RAW, its name)."""

from __future__ import annotations

import os.path
import re
from dataclasses import dataclass

#: First bytes that `sniff` wants to see; more does no harm.
HEAD_BYTES = 4096


def _set_of(*names: str) -> frozenset[str]:
    return frozenset(" ".join(names).split())


RAW_EXTENSIONS = _set_of(
    ".3fr .arw .cr2 .cr3 .crw .dcr .dng .erf .fff .iiq .k25 .kdc .mef .mos .mrw .nef .nrw .orf .pef .raf .raw .rw2",
    ".rwl .sr2 .srf .srw .x3f",
)
IMAGE_EXTENSIONS = RAW_EXTENSIONS | _set_of(
    ".jpg .jpeg .jpe .jfif .jif .jfi .pjpeg .pjp .mpo .jps .insp",
    ".avif .avifs .heic .heif .heics .heifs .hif .avci .avcs",
    ".jp2 .j2k .j2c .jpc .jpx .jpf .jph .jhc .jxl .jxr .wdp .hdp",
    ".png .apng .webp .gif .bmp .dib .tif .tiff .btf .tf8 .qoi .ico .cur .icns .psd .psb .psdt",
    ".pbm .pgm .ppm .pnm .pam .pfm .tga .targa .icb .vda .vst .dds .pcx .dcx .sgi .ras .xbm .xpm .pcd",
    ".fli .flc .blp .fits",
)
"""Files with these extensions are always read; their first bytes then decide the format."""

LOOK_INSIDE_EXTENSIONS = _set_of(
    ".svg .txt .bin .dat .data .tmp .temp .bak .old .orig .original .copy .part .partial .crdownload .download",
    ".opdownload .img .image .pic .pict .photo .picture .thumb .unknown .file .html .htm .php .asp .aspx .cgi",
    ".sun .rs .rle .fit .fts .im .msp .gbr .p7 .hdr .rgbe .xyze",
    ".rgb .rgba .bw .small .large .jpg_ .jpg! .jpg~ .jpeg_ .png_ .png~ .jpg_large .jpg_orig .jpg:large",
)
"""Extensions that prove nothing: browsers, web sites and rescue programs store images under them.
`begins_like_an_image` decides by the first bytes. Files with any other extension are ignored."""

UNREAD_EXTENSIONS = _set_of(
    ".exr .hdr .rgbe .xcf .kra .ora .clip .psp .pspimage .pdn .cpt .afphoto .procreate .dpx .cin .miff .djvu .djv .mng",
    ".jng .jb2 .jbig2 .bpg .flif .ff .ktx .ktx2 .wmf .emf .svgz .eps .ai .cdr .iff .lbm .ilbm",
)
"""Extensions of pictures and drawings that no reader here reads, or not all of them. What is left out is not called
another file."""


@dataclass(frozen=True, slots=True)
class Kind:
    """The kind of a file. ``format`` is Pillow's name ("RAW" for camera files), "" for one that is not read here.
    ``description`` completes the sentence "the file is ..."."""

    format: str
    description: str


_PREFIXES: tuple[tuple[bytes, Kind], ...] = (
    (b"\xff\xd8\xff", Kind("JPEG", "a JPEG picture")),
    (b"\x89PNG\r\n\x1a\n", Kind("PNG", "a PNG picture")),
    (b"GIF87a", Kind("GIF", "a GIF picture")),
    (b"GIF89a", Kind("GIF", "a GIF picture")),
    (b"\x00\x00\x00\x0cjP  \r\n\x87\n", Kind("JPEG2000", "a JPEG 2000 picture")),
    (b"\xff\x4f\xff\x51", Kind("JPEG2000", "a JPEG 2000 picture")),
    (b"qoif", Kind("QOI", "a QOI picture")),
    (b"FUJIFILMCCD-RAW", Kind("RAW", "a camera RAW file")),
    (b"FOVb", Kind("RAW", "a camera RAW file")),
    (b"\x00MRM", Kind("RAW", "a camera RAW file")),
    (b"IIU\x00", Kind("RAW", "a camera RAW file")),
    (b"IIRO", Kind("RAW", "a camera RAW file")),
    (b"IIRS", Kind("RAW", "a camera RAW file")),
    (b"MMOR", Kind("RAW", "a camera RAW file")),
    (b"II\x1a\x00\x00\x00HEAPCCDR", Kind("RAW", "a camera RAW file")),
    (b"8BPS\x00\x01", Kind("PSD", "a Photoshop document")),
    (b"8BPS\x00\x02", Kind("PSD", "a large Photoshop document (PSB)")),
    (b"8BPS", Kind("", "a Photoshop document of a version that is not known")),
    (b"\xff\x0a", Kind("JXL", "a JPEG XL picture")),
    (b"\x00\x00\x00\x0cJXL \r\n\x87\n", Kind("JXL", "a JPEG XL picture")),
    (b"II\xbc\x01", Kind("JXR", "a JPEG XR picture")),
    (b"DDS \x7c\x00\x00\x00", Kind("DDS", "a DDS texture")),
    (b"icns", Kind("ICNS", "a macOS icon file")),
    (b"\x01\xda", Kind("SGI", "an SGI picture")),
    (b"\x59\xa6\x6a\x95", Kind("SUN", "a Sun raster picture")),
    (b"/* XPM */", Kind("XPM", "an XPM picture")),
    (b"BLP1", Kind("BLP", "a BLP texture")),
    (b"BLP2", Kind("BLP", "a BLP texture")),
    (b"SIMPLE  =", Kind("FITS", "a FITS picture")),
    (b"Image type:", Kind("IM", "an IM picture")),
    (b"DanM", Kind("MSP", "a Windows Paint picture (MSP)")),
    (b"LinS", Kind("MSP", "a Windows Paint picture (MSP)")),
    (b"\xb1\x68\xde\x3a", Kind("DCX", "a DCX picture")),
    (b"P7 332", Kind("XVTHUMB", "a thumbnail of xv")),
    (b"%PDF", Kind("", "a PDF document")),
    (b"%!PS", Kind("", "a PostScript document")),
    (b"\xc5\xd0\xd3\xc6", Kind("", "a PostScript document")),
    (b"PK\x03\x04", Kind("", "a ZIP archive or an office document")),
    (b"\x1f\x8b", Kind("", "a gzip archive")),
    (b"7z\xbc\xaf\x27\x1c", Kind("", "a 7-Zip archive")),
    (b"Rar!", Kind("", "a RAR archive")),
    (b"gimp xcf", Kind("", "a GIMP document, which is not supported (export it as PNG)")),
    (b"\x76\x2f\x31\x01", Kind("", "an OpenEXR picture, which is not supported")),
    (b"#?RADIANCE", Kind("HDR", "a Radiance HDR picture")),
    (b"#?RGBE", Kind("HDR", "a Radiance HDR picture")),
    *(
        (prefix, Kind("", f"{words}, which is not supported"))
        for prefix, words in (
            (b"\x8aMNG\r\n\x1a\n", "an MNG animation"),
            (b"\x8bJNG\r\n\x1a\n", "a JNG picture"),
            (b"SDPX", "a DPX picture"),
            (b"XPDS", "a DPX picture"),
            (b"\x80\x2a\x5f\xd7", "a Cineon picture"),
            (b"id=ImageMagick", "a MIFF picture"),
            (b"AT&TFORM", "a DjVu document"),
            (b"\x97JB2\r\n\x1a\n", "a JBIG2 picture"),
            (b"FLIF", "a FLIF picture"),
            (b"BPG\xfb", "a BPG picture"),
            (b"farbfeld", "a farbfeld picture"),
            (b"\xabKTX ", "a KTX texture"),
            (b"\xd7\xcd\xc6\x9a", "a Windows metafile"),
        )
    ),
    *(
        (prefix, Kind("", "a video"))
        for prefix in (b"\0\0\1\xba", b"\0\0\1\xb3", b"FLV\1", b"\x30\x26\xb2\x75\x8e\x66\xcf\x11")
    ),
    (b"\x00\x05\x16\x07", Kind("", "a companion file that macOS writes, without a picture in it")),
    (b"\x1aE\xdf\xa3", Kind("", "a Matroska or WebM video")),
    (b"\x7fELF", Kind("", "a program")),
    (b"MZ", Kind("", "a Windows program")),
    (b"SQLite format 3", Kind("", "an SQLite database")),
    (b"OggS", Kind("", "an Ogg sound or video")),
    (b"ID3", Kind("", "an MP3 sound")),
)
# JP2's family by the brand of its file type box.
_OTHER_JPEG_2000 = {
    b"mjp2": Kind("", "a video (Motion JPEG 2000)"),
    b"jpm ": Kind("", "a JPEG 2000 document of layers (JPM), which is not supported"),
}
_RIFF = {
    b"WEBP": Kind("WEBP", "a WebP picture"),
    b"ACON": Kind("", "an animated mouse pointer, which is not supported"),
}
_QUICKTIME = (b"moov", b"mdat", b"wide", b"pnot")  # QuickTime before it had brands
_TEXT_BYTES = bytes([9, 10, 12, 13, 27, *range(32, 127)])
_BMP_HEADER_BYTES = frozenset({12, *range(16, 65, 4), 108, 124})  # OS/2 headers may end after any field
_OS2_ICONS = (b"IC", b"CI", b"PT", b"CP")
_TIFF_MAGICS = (b"II*\x00", b"MM\x00*", b"II+\x00", b"MM\x00+")
_AVIF_BRANDS = frozenset({b"avif", b"avis"})
_HEIF_BRANDS = frozenset(
    name.encode()
    for name in _set_of(
        "heic heix hevc hevx heim heis hevm hevs mif1 mif2 mif3 msf1 miaf",
        "avci avcs j2ki j2is jpeg jpgs vvic vvis evbi evbs evmi evms unif",
    )
)
_TGA_EXTENSIONS = (".tga", ".targa", ".icb", ".vda", ".vst")
_TGA_DEPTHS = {1: (8,), 2: (15, 16, 24, 32), 3: (1, 8, 16), 9: (8,), 10: (15, 16, 24, 32), 11: (8, 16)}
_PHOTO_CD_AT = 2048
_NUMBER_NEXT = re.compile(rb"\s*(#|\d)")


def sniff(head: bytes, name: str = "") -> Kind:
    """The kind of a file, by its first bytes. ``name`` only decides between TIFF and the RAW formats built on TIFF."""
    for prefix, kind in _PREFIXES:
        if head.startswith(prefix):
            return _OTHER_JPEG_2000.get(head[20:24], kind) if kind.format == "JPEG2000" else kind
    if head.startswith(_TIFF_MAGICS):
        raw = os.path.splitext(name)[1].lower() in RAW_EXTENSIONS or head[8:11] == b"CR\x02"  # noqa: PTH122
        return Kind("RAW", "a camera RAW file") if raw else Kind("TIFF", "a TIFF picture")
    if head[:4] == b"FORM" and head[8:12] in (b"ILBM", b"PBM ", b"ACBM"):
        return Kind("", "an Amiga picture (IFF), which is not supported")
    if head[:4] == b"RIFF":
        return _RIFF.get(head[8:12], Kind("", "a RIFF sound or video"))
    if head[4:8] == b"ftyp":
        return _sniff_brands(head)
    if head[4:8] in _QUICKTIME:
        return Kind("", "a video")
    return _sniff_by_name(head, name) or _sniff_weak(head)


def begins_like_an_image(head: bytes, name: str = "") -> bool:
    """Whether the first bytes (64 are enough) are those of an image that can be read here. For files whose names do not
    say (`LOOK_INSIDE_EXTENSIONS`, or no extension). 2 microseconds."""
    return bool(sniff(head, name).format)


def _sniff_brands(head: bytes) -> Kind:
    """The kind of an ISO file, by its major brand and then its compatible ones. A video may list none of these
    brands."""
    stop = min(max(int.from_bytes(head[:4], "big"), 16), 512)
    major = head[8:12]
    brands = {major} | {head[at : at + 4] for at in range(16, stop, 4)}
    if major == b"crx ":
        return Kind("RAW", "a camera RAW file")
    if major == b"mif3":  # the short form has the codec's brand where others have the version
        brands.add(head[12:16])
    if major in _AVIF_BRANDS or (major in _HEIF_BRANDS and brands & _AVIF_BRANDS):
        return Kind("AVIF", "an AVIF picture")
    if brands & _HEIF_BRANDS:
        return Kind("HEIF", "an HEIC picture")
    if brands & _AVIF_BRANDS:
        return Kind("AVIF", "an AVIF picture")
    return Kind("", "a video")


def _sniff_by_name(head: bytes, name: str) -> Kind | None:
    """Formats without a magic number. The name must name the format, and the header must make sense."""
    extension = os.path.splitext(name)[1].lower()  # noqa: PTH122
    if extension in _TGA_EXTENSIONS and len(head) >= 18:
        sized = head[12:14] != b"\0\0" and head[14:16] != b"\0\0"
        if sized and head[1] in (0, 1) and head[16] in _TGA_DEPTHS.get(head[2], ()):
            return Kind("TGA", "a TGA picture")
    if extension in (".dib", ".bmp", ".rle") and int.from_bytes(head[:4], "little") in _BMP_HEADER_BYTES:
        return Kind("DIB", "a BMP picture without its file header")
    return None


def _sniff_weak(head: bytes) -> Kind:
    """Formats with a magic number of only two to four bytes, and text."""
    if head[:2] == b"BM" and int.from_bytes(head[14:18], "little") in _BMP_HEADER_BYTES:
        return Kind("BMP", "a BMP picture")
    if head[:1] == b"P" and head[1:2] in b"123456" and head[2:3].strip() in (b"", b"#") and _NUMBER_NEXT.match(head, 2):
        return Kind("PPM", "a PPM picture")
    if head[:2] in (b"P7", b"PF", b"Pf") and head[2:3] in (b" ", b"\n", b"\r", b"\t"):
        return Kind("PAM", "a PAM or PFM picture")
    if (
        head[:1] == b"\x0a"
        and head[1:2] in b"\x00\x02\x03\x04\x05"
        and head[2:3] == b"\1"
        and head[3:4] in b"\1\2\4\x08"
    ):
        return Kind("PCX", "a PCX picture")
    if head[4:6] in (b"\x11\xaf", b"\x12\xaf") and head[14:16] in (b"\0\0", b"\3\0") and head[20:22] == b"\0\0":
        return Kind("FLI", "an FLI or FLC animation")
    if head[20:24] == b"GIMP" and head[4:8] == b"\0\0\0\2" and head[16:20] in (b"\0\0\0\1", b"\0\0\0\4"):
        return Kind("GBR", "a GIMP brush")
    if head[:2] == b"BA" and head[14:16] == b"BM" and int.from_bytes(head[28:32], "little") in _BMP_HEADER_BYTES:
        return Kind("BMP", "a BMP picture of OS/2")
    several = head[:2] == b"BA" and head[14:16] in (b"BA", *_OS2_ICONS)
    if several or (head[:2] in _OS2_ICONS and int.from_bytes(head[14:18], "little") in _BMP_HEADER_BYTES):
        return Kind("", "an icon, pointer or picture of OS/2, which is not supported")
    if head[_PHOTO_CD_AT : _PHOTO_CD_AT + 4] == b"PCD_":
        return Kind("PCD", "a Photo CD picture")
    if head[:4] == b"\x00\x00\x02\x00" and head[4:6] != b"\x00\x00":
        return Kind("CUR", "a mouse pointer")
    if head[:4] == b"\x00\x00\x01\x00" and head[4:6] != b"\x00\x00":
        return Kind("ICO", "an icon file")
    if head[128:132] == b"DICM":
        return Kind("", "a DICOM picture, which is not supported")
    if head[:4] == b"\1\0\0\0" and head[40:44] == b" EMF":
        return Kind("", "a Windows metafile, which is not supported")
    if head[522:526] == b"\x00\x11\x02\xff":
        return Kind("", "a Macintosh drawing (PICT), which is not supported")
    if head and not head.strip(b"\x00"):
        return Kind("", "nothing but zero bytes, as an interrupted copy or a damaged disk leaves it")
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if text.startswith((b"#define", b"/*")) and b"_width" in text:
        return Kind("XBM", "an XBM picture")
    if text.startswith(b"<svg") or (text.startswith((b"<?xml", b"<!--", b"<!doctype svg")) and b"<svg" in text):
        return Kind("", "an SVG drawing")
    if text.startswith((b"<!doctype html", b"<html", b"<head", b"<body")) or b"<html" in text[:512]:
        return Kind("", "a web page")
    if text.startswith(b"version https://git-lfs"):
        return Kind("", "a Git LFS pointer, not the picture itself (fetch it with: git lfs pull)")
    if b"\x00" not in head and len(head.translate(None, _TEXT_BYTES)) <= 0.05 * len(head):
        return Kind("", "a text file")
    return Kind("", "not a picture of any known format")
