"""What a binary file that is no media is, by its first bytes: archives, documents, programs, notes.

Each mark has at least three bytes, for raw samples, which callers may name by `-f`, have none. The
libraries for this name too much to be believed: to them zeros are embroidery, 0xFF bytes a disc
image, and each ZIP archive a Word document. What is not sure is left unnamed here.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping
from types import MappingProxyType

_UNPACK = "not a media file; unpack it and give the address of the file inside"
_EXPORT = (
    "which this server cannot read; export it as a picture (PNG or JPEG) or as a video, and give "
    "the address of that"
)
_DEVELOP = "which this server cannot develop; give the address of a JPEG or PNG that was made of it"
_PLAY = (
    "which this server cannot play; record it as a sound file such as MP3, and give the address "
    "of that"
)
_NO_MEDIA = "not a media file; give the address of a video, sound or picture file"
_UNPROTECT = "which this server has no key for; give the address of a copy without protection"

_Mark = tuple[int, bytes, str]
"""Where the bytes stand, the bytes, and what the file is."""

_MARKS: tuple[tuple[str, tuple[_Mark, ...]], ...] = (
    (_UNPACK, (
        (0, b"PK\x05\x06", "an empty ZIP archive"),
        (0, b"PK\x07\x08PK\x03\x04", "a part of a ZIP archive"),
        (0, b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
        (0, b"Rar!\x1a\x07", "a RAR archive"),
        (0, b"\xfd7zXZ\x00", "an XZ archive"),
        (0, b"\x28\xb5\x2f\xfd", "a Zstandard archive"),
        (0, b"\x04\x22\x4d\x18", "an LZ4 archive"),
        (0, b"LZIP\x01", "an lzip archive"),
        (0, b"\x1f\x9d\x90", "an archive of compress (.Z)"),
        (4, b"1AY&SY", "a bzip2 archive"),
        (0, b"MSCF\x00\x00\x00\x00", "a cabinet archive (CAB)"),
        (2, b"-lh5-", "an LHA archive"),
        (2, b"-lh6-", "an LHA archive"),
        (2, b"-lh7-", "an LHA archive"),
        (7, b"**ACE**", "an ACE archive"),
        (0, b"StuffIt", "a StuffIt archive"),
        (0, b"SIT!", "a StuffIt archive"),
        (0, b"xar!\x00\x1c", "a package for macOS (xar)"),
        (0, b"!<arch>\ndebian", "a Debian package"),
        (0, b"!<arch>\n", "an ar archive"),
        (0, b"\xed\xab\xee\xdb", "an RPM package"),
        (0, b"070701", "a cpio archive"),
        (0, b"070707", "a cpio archive"),
        (0, b"MSWIM\x00\x00\x00", "a Windows image (WIM)"),
        (257, b"ustar", "a tar archive"),
    )),
    (_EXPORT, (
        (0, b"%PDF-", "a PDF document"),
        (0, b"\xef\xbb\xbf%PDF-", "a PDF document"),
        (0, b"%!PS", "a PostScript document"),
        (0, b"\xc5\xd0\xd3\xc6", "a PostScript document (EPS)"),
        (0, b"{\\rtf", "a rich text document (RTF)"),
        (0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "a compound file, such as an old DOC or XLS"),
        (0, b"AT&TFORM", "a DjVu document"),
        (60, b"BOOKMOBI", "an electronic book (MOBI)"),
        (0, b"ITSF\x03\x00", "a help file (CHM)"),
        (0, b"\xe4\x52\x5c\x7b\x8c\xd8\xa7\x4d", "a OneNote notebook"),
        (0, b"\x06\x06\xed\xf5\xd8\x1d\x46\xe5", "an InDesign document"),
        (0, b"gimp xcf ", "a GIMP picture (XCF)"),
        (0, b"8BPS\x00\x02", "a large Photoshop picture (PSB)"),
        (0, b"\xd7\xcd\xc6\x9a", "a Windows metafile (WMF)"),
        (40, b" EMF\x00\x00\x01\x00", "a Windows metafile (EMF)"),
        (0, b"icns\x00", "a set of macOS icons (ICNS)"),
        (0, b"II\xbc\x01", "a JPEG XR picture"),
        (0, b"FLIF", "a FLIF picture"),
        (0, b"BPG\xfb", "a BPG picture"),
        (0, b"BLP1", "a BLP texture"),
        (0, b"BLP2", "a BLP texture"),
        (0, b"\xabKTX ", "a KTX texture"),
        (0, b"II+\x00\x08\x00\x00\x00", "a BigTIFF picture"),
        (0, b"MM\x00+\x00\x08\x00\x00", "a BigTIFF picture"),
        (128, b"DICM", "a medical picture (DICOM)"),
        (0, b"AC10", "an AutoCAD drawing (DWG)"),
        (0, b"BLENDER", "a Blender scene"),
        (0, b"glTF\x02\x00", "a 3D model (glTF)"),
        (0, b"SIMPLE  =", "an astronomical picture (FITS)"),
    )),
    (_DEVELOP, (
        (4, b"ftypcrx ", "a camera's raw photo (CR3)"),
        (0, b"II\x1a\x00\x00\x00HEAPCCDR", "a camera's raw photo (CRW)"),
        (0, b"IIRO", "a camera's raw photo (ORF)"),
        (0, b"IIRS", "a camera's raw photo (ORF)"),
        (0, b"MMOR", "a camera's raw photo (ORF)"),
        (0, b"IIU\x00", "a camera's raw photo (RW2)"),
        (0, b"FUJIFILMCCD-RAW", "a camera's raw photo (RAF)"),
        (0, b"FOVb", "a camera's raw photo (X3F)"),
        (0, b"\x00MRM", "a camera's raw photo (MRW)"),
        (8, b"CR\x02\x00", "a camera's raw photo (CR2)"),
    )),
    (_PLAY, (
        (0, b"MThd\x00\x00\x00\x06", "a MIDI file (notes, no sound)"),
        (0, b"NESM\x1a", "music for a game console (NSF)"),
        (0, b"NSFE", "music for a game console (NSF)"),
        (0, b"SNES-SPC700", "music for a game console (SPC)"),
        (0, b"GBS\x01", "music for a game console (GBS)"),
        (0, b"Vgm ", "music for a game console (VGM)"),
        (0, b"GYMX", "music for a game console (GYM)"),
        (0, b"HESM", "music for a game console (HES)"),
        (0, b"KSCC", "music for a home computer (KSS)"),
        (0, b"KSSX", "music for a home computer (KSS)"),
        (0, b"PSID\x00", "music for a home computer (SID)"),
        (0, b"RSID\x00", "music for a home computer (SID)"),
        (0, b"ZXAYEMUL", "music for a home computer (AY)"),
        (0, b"SAP\r\n", "music for a home computer (SAP)"),
        (0, b"\x18FICHIER GUITAR PRO", "a Guitar Pro score"),
    )),
    (_UNPROTECT, (
        (4, b"ftypaax", "a protected audio book of Audible (AAX)"),
        (4, b"\x57\x90\x75\x36", "a protected audio book of Audible (AA)"),
        (0, b"Salted__", "an encrypted file (OpenSSL)"),
        (0, b"-----BEGIN PGP MESSAGE", "an encrypted message (PGP)"),
        (0, b"\x03\xd9\xa2\x9a", "a password database (KeePass)"),
    )),
    (_NO_MEDIA, (
        (0, b"\x7fELF", "a program"),
        (0, b"\xfe\xed\xfa\xce", "a program"),
        (0, b"\xfe\xed\xfa\xcf", "a program"),
        (0, b"\xce\xfa\xed\xfe", "a program"),
        (0, b"\xcf\xfa\xed\xfe", "a program"),
        (0, b"\xca\xfe\xba\xbe", "a program"),
        (0, b"\x00asm\x01\x00\x00\x00", "a program (WebAssembly)"),
        (0, b"dex\n03", "a program (Android)"),
        (0, b"\x1bLua", "a program (Lua)"),
        (0, b"#!/", "a script"),
        (0, b"NES\x1a", "a program (a game of the NES)"),
        (0, b"L\x00\x00\x00\x01\x14\x02\x00", "a Windows shortcut"),
        (0, b"wOFF", "a font"),
        (0, b"wOF2", "a font"),
        (0, b"OTTO\x00", "a font"),
        (0, b"ttcf\x00", "a font"),
        (6, b"%!PS-AdobeFont", "a font"),
        (6, b"%!FontType1", "a font"),
        (0, b"STARTFONT ", "a font"),
        (0, b"SQLite format 3\x00", "a database (SQLite)"),
        (0, b"\x89HDF\r\n\x1a\n", "a data file (HDF5)"),
        (0, b"PAR1", "a data file (Parquet)"),
        (0, b"\xd4\xc3\xb2\xa1\x02\x00\x04\x00", "a recording of network traffic"),
        (0, b"\x0a\x0d\x0d\x0a", "a recording of network traffic"),
        (0, b"# VobSub index", "an index of VobSub subtitles"),
    )),
)  # fmt: skip

# Of the marks that are words, these may begin a text.
_READABLE = (
    b"%PDF-", b"\xef\xbb\xbf%PDF-", b"%!PS", b"{\\rtf", b"-----BEGIN PGP MESSAGE", b"#!/",
    b"STARTFONT ", b"# VobSub index", b"SIMPLE  =",
)  # fmt: skip

_TORRENT = re.compile(
    rb"d(?:8:announce|13:announce-list|10:created by|13:creation date|7:comment|8:encoding"
    rb"|4:infod|5:nodesl)"
)
_TORRENT_NAME = "a torrent (a list of files)"
_32VID = "a 32vid film for the game"
_FLASH = "a Flash film (SWF)"
_FLASH_HEAD = re.compile(rb"[FCZ]WS[\x01-\x3c]")
_ZIP = "a ZIP archive"
GZIP = "a gzip archive"
_JAR = "a program (Java)"
_APK = "a program (Android)"
_OFFICE = "an Office document"
_BOOK = "an electronic book (EPUB)"
_PAINTING = "a painting with layers (KRA or ORA)"
_SOUNDS = "a bank of instruments (SoundFont)"
_DRAWING = "a CorelDRAW drawing"
_MIDI = "a MIDI file (notes, no sound)"
_EXE = "a program (Windows)"
_FONT = "a font"

REMEDIES: Mapping[str, str] = MappingProxyType(
    {name: remedy for remedy, marks in _MARKS for _, _, name in marks}
    | {
        _TORRENT_NAME: "not a media file; download what it lists, and give that file's address",
        _32VID: "which this server cannot read; give the address of what it was made of",
    }
    | dict.fromkeys((_ZIP, GZIP), _UNPACK)
    | dict.fromkeys((_FLASH, _OFFICE, _BOOK, _PAINTING, _DRAWING), _EXPORT)
    | dict.fromkeys((_JAR, _EXE, _SOUNDS), _NO_MEDIA)
)
"""What is the matter with each kind, and what to do about it."""

_RIFF = {b"RMID": _MIDI, b"sfbk": _SOUNDS, b"CDRv": _DRAWING}
_OFFICE_FOLDERS = (b"word/", b"xl/", b"ppt/", b"_rels/", b"docProps/")
_INSIDE_BYTES = 512


def file_kind(head: bytes, *, is_text: bool) -> str | None:
    """What the file with this beginning (4 KiB are enough) is, with its article, such as "a ZIP
    archive"; one of `REMEDIES`. None for media and for what is not known."""
    if _TORRENT.match(head):
        return _TORRENT_NAME
    if not is_text:
        if head.startswith(b"PK\x03\x04"):
            return _in_zip(head)
        if head.startswith(b"\x1f\x8b\x08"):
            return GZIP
        if head.startswith(b"RIFF"):
            return _RIFF.get(head[8:12])
        if head.startswith(b"32VD"):
            return _32VID
        if _FLASH_HEAD.match(head):
            return _FLASH
        if _is_exe(head):
            return _EXE
        if _is_font(head):
            return _FONT
    for _, marks in _MARKS:
        for at, mark, name in marks:
            if head.startswith(mark, at) and (not is_text or mark in _READABLE):
                return name
    return None


def inside_gzip(head: bytes) -> bytes:
    """The first bytes of what a gzip archive with this beginning holds; none when it is damaged."""
    try:
        return zlib.decompressobj(wbits=31).decompress(head, _INSIDE_BYTES)
    except zlib.error:
        return b""


def _in_zip(head: bytes) -> str:
    """Documents and programs in a ZIP archive are told by the names of the files in it."""
    length, extra = int.from_bytes(head[26:28], "little"), int.from_bytes(head[28:30], "little")
    name = head[30 : 30 + length]
    if name == b"mimetype":
        kind = head[30 + length + extra :]
        if kind.startswith(b"application/epub"):
            return _BOOK
        if kind.startswith((b"application/x-krita", b"image/openraster")):
            return _PAINTING
        if kind.startswith(b"application/vnd.oasis.opendocument"):
            return _OFFICE
    if name == b"[Content_Types].xml" or name.startswith(_OFFICE_FOLDERS):
        return _OFFICE
    if name.startswith(b"META-INF/"):
        return _JAR
    if name in (b"AndroidManifest.xml", b"classes.dex"):
        return _APK
    return _ZIP


def _is_exe(head: bytes) -> bool:
    """Whether this is a program for Windows: two letters, and where its second header is."""
    at = int.from_bytes(head[60:64], "little")
    return head.startswith(b"MZ") and head[at : at + 2] in (b"PE", b"NE", b"LE", b"LX")


def _is_font(head: bytes) -> bool:
    """Whether this is a TrueType font: a version, and the number of tables with what follows."""
    count, search = int.from_bytes(head[4:6]), int.from_bytes(head[6:8])
    if not head.startswith((b"\x00\x01\x00\x00", b"true")) or not 0 < count < 256:
        return False
    return search == 16 << (count.bit_length() - 1)
