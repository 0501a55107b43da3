"""Files of films, written frame by frame: only one frame is in memory at a time.

Pillow would keep all frames of a GIF or an APNG. Here it compresses single ones, and both formats
get, of each frame after the first, the rectangle that has changed, and of that only what has.
"""

from __future__ import annotations

import io
import os
import struct
import zlib
from collections.abc import Mapping
from errno import EIO
from importlib.util import find_spec
from pathlib import Path
from typing import Any, BinaryIO, Final, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from sim.errors import InputError, shown
from sim.view.paint import NOTHING, Raster

FORMATS: Final = ("gif", "apng", "mp4")
MOST_FPS: Final = {"gif": 50, "apng": 60, "mp4": 60}
"""Programs show a GIF with less than 1/50 s between two frames more slowly."""
HOLD_S: Final = 1.0
"""A film that begins again, as GIF and APNG do, shows its end for so long."""
_SAME: Final = NOTHING


class Encoder(Protocol):
    """Writes frames, all of one size, into a file."""

    def add(self, raster: Raster) -> None:
        """Write one more frame."""

    def close(self) -> None:
        """Write what belongs at the end."""

    def abandon(self) -> None:
        """Let go of the file, which is worth nothing."""


def format_of(path: Path, to: str | None) -> str:
    """Return the format that a file is to have.

    Raises
    ------
    InputError
        If it is none, or does not fit the file's ending.
    """
    ending = path.suffix.lower().removeprefix(".")
    known = {**{name: name for name in FORMATS}, "png": "apng"}
    if to is not None and to not in FORMATS:
        raise InputError(f"to = {shown(to)}: must be one of {', '.join(FORMATS)}")
    if ending not in known or to not in (None, known[ending]):
        endings = "the ending .gif, .apng, .png or .mp4"
        if to is not None:
            endings = "the ending " + " or ".join(
                f".{e}" for e, name in known.items() if name == to
            )
        raise InputError(f"{path}: the file of a film must have {endings}")
    return known[ending]


def check(to: str, fps: int) -> None:
    """Refuse a format that cannot be written here, or not with so many frames per second.

    Raises
    ------
    InputError
        The message says what is missing.
    """
    if not 1 <= fps <= MOST_FPS[to]:
        raise InputError(f"fps = {fps}: must be from 1 to {MOST_FPS[to]} for {to.upper()}")
    if to == "mp4":
        if find_spec("imageio_ffmpeg") is None:
            raise InputError(
                "MP4 needs imageio-ffmpeg: pip install 'angiosim[film]'; GIF and APNG need nothing"
            )
        import imageio_ffmpeg

        try:
            imageio_ffmpeg.get_ffmpeg_exe()
        except RuntimeError as error:
            raise InputError(
                "MP4: imageio-ffmpeg has no encoder on this machine; install ffmpeg, or write GIF "
                "or APNG"
            ) from error


def encoder(
    to: str, path: Path, size: tuple[int, int], palette: bytes, fps: int, about: Mapping[str, str]
) -> Encoder:
    """Return what writes frames into a file.

    Parameters
    ----------
    to : str
        One of `FORMATS`.
    path : Path
        A file that exists and is empty.
    size : (int, int)
        Width and height of all frames, in pixels: even numbers.
    palette : bytes
        256 colours.
    fps : int
        Frames per second.
    about : mapping of str to str
        What the file says of itself: ``Title``, ``Comment``, ...
    """
    kinds: dict[str, Any] = {"gif": Gif, "apng": Apng, "mp4": Mp4}
    made: Encoder = kinds[to](path, size, palette, fps, about)
    return made


class Changes:
    """What changes from frame to frame."""

    def __init__(self) -> None:
        self._before: Raster | None = None

    def of(self, raster: Raster) -> tuple[int, int, Raster]:
        """Return left, top and content of what differs from the frame before; `_SAME` is as it was.

        Where nothing differs that is one pixel: the frame still takes its time.
        """
        before, self._before = self._before, raster.copy()
        if before is None:
            return 0, 0, raster
        differs = before != raster
        rows, columns = (np.flatnonzero(differs.any(axis=axis)) for axis in (1, 0))
        if not rows.size:
            return 0, 0, raster[:1, :1]
        box = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
        content = np.where(differs[box], raster[box], np.uint8(_SAME))
        return int(columns[0]), int(rows[0]), content


class Gif:
    """A GIF with one palette for all frames."""

    def __init__(
        self, path: Path, size: tuple[int, int], palette: bytes, fps: int, about: Mapping[str, str]
    ) -> None:
        self._file: BinaryIO = path.open("wb")
        self._palette, self._fps, self._changes = palette, fps, Changes()
        self._count, self._waiting = 0, b""  # the last frame, whose time is not known yet
        screen = struct.pack("<HHBBB", *size, 0xF7, 0, 0)  # a palette of 256 colours
        forever = b"\x21\xff\x0bNETSCAPE2.0\x03\x01\x00\x00\x00"
        self._file.write(b"GIF89a" + screen + palette + forever)
        for text in _lines(about):
            self._file.write(b"\x21\xfe" + _blocks(text) + b"\x00")

    def add(self, raster: Raster) -> None:
        """Write one more frame."""
        left, top, content = self._changes.of(raster)
        self._flush(0)
        box = struct.pack("<BHHHHB", 0x2C, left, top, *content.shape[::-1], 0)
        self._waiting = box + _lzw(content, self._palette)

    def _flush(self, more: int) -> None:
        """Write the frame that waits for how long it is shown, hundredths of a second."""
        if not self._waiting:
            return
        k, self._count = self._count, self._count + 1
        delay = round(100 * (k + 1) / self._fps) - round(100 * k / self._fps) + more
        keep, clear = 1 << 2, 1  # what is there stays below what comes; a number for "as before"
        control = struct.pack("<BBBBHBB", 0x21, 0xF9, 4, keep | clear, delay, _SAME, 0)
        self._file.write(control + self._waiting)

    def close(self) -> None:
        """Write what belongs at the end."""
        self._flush(round(100 * HOLD_S))
        self._file.write(b"\x3b")
        _sync(self._file)

    def abandon(self) -> None:
        """Let go of the file, which is worth nothing."""
        self._file.close()


def _lzw(content: Raster, palette: bytes) -> bytes:
    """Return the compressed pixels as they are in a GIF, by the GIF of this picture alone."""
    image = Image.frombytes("P", content.shape[::-1], content.tobytes())
    image.putpalette(palette)
    whole = io.BytesIO()
    image.save(whole, "gif", optimize=False, interlace=False)
    data, at = whole.getvalue(), 13
    if data[10] & 0x80:
        at += 3 << ((data[10] & 7) + 1)
    while data[at] == 0x21:  # extensions
        at = _after_blocks(data, at + 2)
    local = data[at + 9]
    at += 10 + ((3 << ((local & 7) + 1)) if local & 0x80 else 0)
    return data[at : _after_blocks(data, at + 1)]


def _after_blocks(data: bytes, at: int) -> int:
    while data[at]:
        at += 1 + data[at]
    return at + 1


def _blocks(text: bytes) -> bytes:
    """Return bytes cut into blocks of a GIF, without the empty one at the end."""
    parts = [text[k : k + 255] for k in range(0, len(text), 255)]
    return b"".join(bytes([len(part)]) + part for part in parts)


def _lines(about: Mapping[str, str]) -> list[bytes]:
    return [f"{name}: {value}".encode() for name, value in about.items()]


class Apng:
    """An animated PNG; programs that do not know it show the first frame."""

    def __init__(
        self, path: Path, size: tuple[int, int], palette: bytes, fps: int, about: Mapping[str, str]
    ) -> None:
        self._file: BinaryIO = path.open("w+b")
        self._fps, self._changes = fps, Changes()
        self._frames, self._numbers = 0, 0
        self._last_control: tuple[int, bytes] | None = None
        self._file.write(b"\x89PNG\r\n\x1a\n")
        self._chunk(b"IHDR", struct.pack(">IIBBBBB", *size, 8, 3, 0, 0, 0))
        self._animation = self._file.tell()
        self._chunk(b"acTL", struct.pack(">II", 0, 0))
        for name, value in about.items():
            self._chunk(b"iTXt", name.encode() + bytes(5) + value.encode())
        self._chunk(b"PLTE", palette)
        opaque = bytearray(b"\xff" * 256)
        opaque[_SAME] = 0
        self._chunk(b"tRNS", bytes(opaque))

    def add(self, raster: Raster) -> None:
        """Write one more frame."""
        left, top, content = self._changes.of(raster)
        height, width = content.shape
        box = struct.pack(">IIII", width, height, left, top)
        self._last_control = self._file.tell(), struct.pack(">I", self._numbers) + box
        self._control(1, self._fps)
        self._numbers += 1
        rows = np.zeros((height, width + 1), np.uint8)  # the first of a row: as it is
        rows[:, 1:] = content
        data = zlib.compress(rows.tobytes(), 6)
        if self._frames == 0:
            self._chunk(b"IDAT", data)
        else:
            self._chunk(b"fdAT", struct.pack(">I", self._numbers) + data)
            self._numbers += 1
        self._frames += 1

    def _control(self, num: int, den: int) -> None:
        """Write where a frame is and how long it is shown: num / den seconds."""
        assert self._last_control is not None
        over = bytes([0, 1])  # what is there stays; this one is laid over it
        self._chunk(b"fcTL", self._last_control[1] + struct.pack(">HH", num, den) + over)

    def _chunk(self, kind: bytes, data: bytes) -> None:
        check_sum = zlib.crc32(kind + data)
        self._file.write(struct.pack(">I", len(data)) + kind + data + struct.pack(">I", check_sum))

    def close(self) -> None:
        """Write what belongs at the end."""
        self._chunk(b"IEND", b"")
        if self._last_control is not None:
            self._file.seek(self._last_control[0])
            self._control(1 + round(HOLD_S * self._fps), self._fps)
        self._file.seek(self._animation)
        self._chunk(b"acTL", struct.pack(">II", self._frames, 0))
        _sync(self._file)

    def abandon(self) -> None:
        """Let go of the file, which is worth nothing."""
        self._file.close()


_BT709: Final = (
    "scale=out_color_matrix=bt709:out_range=tv,"
    "setparams=colorspace=bt709:color_primaries=bt709:color_trc=bt709:range=tv"
)
"""Said in the file, too: players guess the colours of others by the size of the film."""


class Mp4:
    """H.264 in MP4, by the encoder that imageio-ffmpeg brings."""

    def __init__(
        self, path: Path, size: tuple[int, int], palette: bytes, fps: int, about: Mapping[str, str]
    ) -> None:
        import imageio_ffmpeg

        self._path = path
        self._colours: NDArray[np.uint8] = np.frombuffer(palette, np.uint8).reshape(256, 3)
        said = [word for name, value in about.items()
                for word in ("-metadata", f"{name.lower()}={value}")]  # fmt: skip
        self._stream = imageio_ffmpeg.write_frames(
            str(path.absolute()), size, fps=fps, codec="libx264", macro_block_size=2, quality=None,
            ffmpeg_log_level="error",
            output_params=["-crf", "18", "-preset", "fast", "-vf", _BT709,
                           "-movflags", "+faststart", *said, "-f", "mp4"],
        )  # fmt: skip
        self._stream.send(None)

    def add(self, raster: Raster) -> None:
        """Write one more frame."""
        try:
            self._stream.send(self._colours[raster])
        except OSError as error:  # whose message is its command line
            raise self._failed() from error

    def close(self) -> None:
        """Write what belongs at the end."""
        self._stream.close()
        with self._path.open("rb") as file:
            if b"moov" not in file.read(4096):  # which comes last, and is moved to the start
                raise self._failed()

    def _failed(self) -> OSError:
        return OSError(EIO, "the encoder has failed", str(self._path))

    def abandon(self) -> None:
        """Let go of the file, which is worth nothing."""
        self._stream.close()


def _sync(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())
    file.close()
