"""PDF documents; imported where one is at hand, for pypdf is slow to import."""

import io
import logging
from collections.abc import Iterator
from contextlib import contextmanager

from pypdf import Configuration, PageObject, PdfReader, PdfWriter, apply_configuration
from pypdf.annotations import FreeText
from pypdf.generic import (
    ArrayObject,
    DecodedStreamObject,
    DictionaryObject,
    FloatObject,
    NameObject,
    NumberObject,
)

from functions.approvals.document import DocumentUnfitError, Ending, Summary
from functions.approvals.stamp import approvers, stamp_lines
from functions.approvals.text_document import excerpt
from functions.shared.question import MAX_TITLE_LENGTH

# Its warnings quote what is in the document.
logging.getLogger("pypdf").setLevel(logging.CRITICAL)

# A file of a few kilobytes can name one object a million times over, or unpack to gigabytes. These
# are pypdf's own limits, set to what documents need that people read.
_MAX_PAGES = 10_000
_LIMITS = Configuration(
    page_tree_maximum_entries=2 * _MAX_PAGES,
    page_tree_maximum_page_entries=20 * _MAX_PAGES,
)
# The excerpt may be missing: whoever wants it for a large page does without. Here every operator
# on the page is gone through in Python, and every letter of its fonts.
_MAX_UNPACKED_BYTES = 1_000_000
_EXCERPT_LIMITS = _LIMITS.with_overwrites(
    zlib_maximum_output_length=_MAX_UNPACKED_BYTES,
    lzw_maximum_output_length=_MAX_UNPACKED_BYTES,
    run_length_maximum_output_length=_MAX_UNPACKED_BYTES,
    brotli_maximum_output_length=_MAX_UNPACKED_BYTES,
    array_based_stream_maximum_output_length=_MAX_UNPACKED_BYTES,
    stream_decoding_work_maximum_length=2 * _MAX_UNPACKED_BYTES,
    stream_parsing_work_maximum_count=100_000,
)
_MAX_FONTS = 20
_MAX_XOBJECTS = 200
# Long enough for every title, however many spaces are in it.
_MAX_TITLE_READ = 10 * MAX_TITLE_LENGTH

_FONT_SIZE = 7
_LINE_HEIGHT = 9
_PADDING = 6
_MARGIN = 15
# Sixty-four hexadecimal digits and their label, in Helvetica of that size.
_WIDTH = 290
# ISO 32000-1, 12.5.3: printed, and changed by nobody.
_PRINT_READ_ONLY_LOCKED = 4 | 64 | 128


def summarize_pdf(body: bytes) -> Summary:
    """Pages, the title in the metadata, and how the first page begins.

    Raises:
        DocumentUnfitError: It is no PDF, or a broken or encrypted one.
    """
    with _judging():
        reader = PdfReader(io.BytesIO(body))
        if reader.is_encrypted:
            raise DocumentUnfitError("the document is encrypted: remove its password")
        pages = len(reader.pages)
        if not 1 <= pages <= _MAX_PAGES:
            raise DocumentUnfitError(f"the document must have 1 to {_MAX_PAGES:,} pages")
        title = reader.metadata.title if reader.metadata else None
        return Summary("pages", pages, _title(title), _first_words(reader.pages[0]))


def stamp_pdf(body: bytes, ending: Ending) -> bytes:
    """The document as it was, byte for byte, and an update after it: note, metadata.

    Whoever cuts the update off has what was approved, whose digest the stamp names.

    Raises:
        DocumentUnfitError: It takes no stamp.
    """
    lines = stamp_lines(ending)
    with _judging():
        writer = PdfWriter(io.BytesIO(body), incremental=True)
        _put_note(writer, lines)
        writer.add_metadata(
            {
                "/ApprovedAt": lines[1],
                "/ApprovedBy": "; ".join(approvers(ending)),
                "/ApprovedSha256": ending.sha256,
                "/ApprovalJob": ending.job_id,
            }
        )
        stamped = io.BytesIO()
        writer.write(stamped)
        _check_note(stamped, lines)
        return stamped.getvalue()


@contextmanager
def _judging() -> Iterator[None]:
    """What a document brings pypdf to is the document's fault, and not mended by another try."""
    try:
        with apply_configuration(_LIMITS):
            yield
    except DocumentUnfitError:
        raise
    except Exception as error:  # noqa: BLE001  # see below
        # A hostile file can raise nearly anything out of pypdf, not its own errors only; and what
        # they say may quote the document.
        raise DocumentUnfitError(
            f"the document cannot be read as PDF: {type(error).__name__}"
        ) from None


def _title(title: str | None) -> str | None:
    return (excerpt(title[:_MAX_TITLE_READ])[:MAX_TITLE_LENGTH] or None) if title else None


def _first_words(page: PageObject) -> str:
    """Nothing where the text cannot be got out cheaply: reviewers look at the document itself."""
    try:
        with apply_configuration(_EXCERPT_LIMITS):
            return excerpt(page.extract_text()) if _is_plain(page) else ""
    except Exception:  # noqa: BLE001  # a font pypdf stumbles over does not make the document unfit
        return ""


def _is_plain(page: PageObject) -> bool:
    """Whether the page says by itself what is on it, and in not too many fonts.

    A form is a page within the page, which can be drawn any number of times, and hold others.
    """
    resources = page.get("/Resources", DictionaryObject()).get_object()
    fonts = resources.get("/Font", DictionaryObject()).get_object()
    xobjects = resources.get("/XObject", DictionaryObject()).get_object()
    if len(fonts) > _MAX_FONTS or len(xobjects) > _MAX_XOBJECTS:
        return False
    return all(each.get_object().get("/Subtype") == "/Image" for each in xobjects.values())


def _put_note(writer: PdfWriter, lines: tuple[str, ...]) -> None:
    height = _LINE_HEIGHT * len(lines) + 2 * _PADDING
    left, top, scale = _place(writer.pages[0], height)
    note = FreeText(
        text="\n".join(lines),
        rect=(left, top - height * scale, left + _WIDTH * scale, top),
        font_size=f"{_FONT_SIZE}pt",
    )
    note[NameObject("/F")] = NumberObject(_PRINT_READ_ONLY_LOCKED)
    # Of the viewers some draw a note without an appearance, some draw nothing.
    appearance = writer._add_object(_appearance(lines, height))  # noqa: SLF001  # pypdf's own way to add an object
    note[NameObject("/AP")] = DictionaryObject({NameObject("/N"): appearance})
    writer.add_annotation(0, note)


def _check_note(stamped: io.BytesIO, lines: tuple[str, ...]) -> None:
    """Whatever is wrong with a file, an update of it may be read as if it were not there."""
    annotations = PdfReader(stamped).pages[0].annotations or ArrayObject()
    if not any(note.get_object().get("/Contents") == "\n".join(lines) for note in annotations):
        raise DocumentUnfitError("the document takes no stamp: save it anew")


def _place(page: PageObject, height: float) -> tuple[float, float, float]:
    """The stamp's upper left corner, and its size: smaller where the page is smaller than it.

    Viewers fit the appearance to the place. Of a page's box any two corners may be given.
    """
    box = page.cropbox
    left, right = sorted((float(box.left), float(box.right)))
    bottom, top = sorted((float(box.bottom), float(box.top)))
    margin = min(_MARGIN, (right - left) / 10, (top - bottom) / 10)
    room = (right - left - 2 * margin, top - bottom - 2 * margin)
    return left + margin, top - margin, min(1.0, room[0] / _WIDTH, room[1] / height)


def _appearance(lines: tuple[str, ...], height: float) -> DecodedStreamObject:
    font = DictionaryObject(
        {
            NameObject("/Type"): NameObject("/Font"),
            NameObject("/Subtype"): NameObject("/Type1"),
            NameObject("/BaseFont"): NameObject("/Helvetica"),
            NameObject("/Encoding"): NameObject("/WinAnsiEncoding"),
        }
    )
    form = DecodedStreamObject()
    form.update(
        {
            NameObject("/Type"): NameObject("/XObject"),
            NameObject("/Subtype"): NameObject("/Form"),
            NameObject("/BBox"): ArrayObject(map(FloatObject, (0, 0, _WIDTH, height))),
            NameObject("/Resources"): DictionaryObject(
                {NameObject("/Font"): DictionaryObject({NameObject("/Helv"): font})}
            ),
        }
    )
    # The one font every viewer has knows Latin letters only; the note's text has them all.
    shown = " ".join(f"<{line.encode('cp1252', 'replace').hex()}> Tj T*" for line in lines)
    form.set_data(
        (
            f"q 1 1 1 rg 0 0.4 0.2 RG 1 w 0.5 0.5 {_WIDTH - 1} {height - 1} re B "
            f"BT /Helv {_FONT_SIZE} Tf {_LINE_HEIGHT} TL 0 0.3 0.15 rg "
            f"{_PADDING} {height - _PADDING - _FONT_SIZE} Td {shown} ET Q"
        ).encode()
    )
    return form
