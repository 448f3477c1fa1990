"""How long a dataset's records are, told from a few small pieces of it."""

from collections.abc import Sequence

# Four pieces, so that a beginning that is not like the rest does not decide alone.
_PIECES = 4
_PIECE_BYTES = 64 * 1024


def sample_ranges(size_bytes: int) -> list[tuple[int, int]]:
    """Which bytes to read (both ends included); the first piece begins at 0.

    A small dataset is one piece, which is all of it; of an empty one there is none.
    """
    if size_bytes <= _PIECES * _PIECE_BYTES:
        return [(0, size_bytes - 1)] if size_bytes else []
    apart = (size_bytes - _PIECE_BYTES) / (_PIECES - 1)
    begins = [round(number * apart) for number in range(_PIECES)]
    return [(first, first + _PIECE_BYTES - 1) for first in begins]


def mean_record_bytes(pieces: Sequence[bytes]) -> float:
    """The mean length of a line, with its break, in pieces read as `sample_ranges` says.

    Only lines that are whole count, and blank ones are no records. Where no line ends in a piece,
    a record is at least as long as the piece.
    """
    is_all = len(pieces) == 1
    found = [
        _whole_lines(piece, is_first=number == 0, is_all=is_all)
        for number, piece in enumerate(pieces)
    ]
    records = sum(1 for whole in found for line in whole.splitlines() if line.strip())
    if not records:
        return float(max(map(len, pieces), default=1) or 1)
    return sum(map(len, found)) / records


def _whole_lines(piece: bytes, *, is_first: bool, is_all: bool) -> bytes:
    begin = 0 if is_first else piece.find(b"\n") + 1
    if not begin and not is_first:
        return b""
    return piece[begin:] if is_all else piece[begin : piece.rfind(b"\n") + 1]
