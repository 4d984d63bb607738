from pathlib import Path

import pytest
from PIL import Image


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Six colours as classes, three pictures each, of several formats, sizes and modes, one of them nested."""
    root = tmp_path / "colours"
    for number in range(6):
        folder = root / f"colour{number}"
        (folder / "more").mkdir(parents=True)
        colour = (40 * number, 0, 255 - 40 * number)
        Image.new("RGB", (40, 30), colour).save(folder / "a.png")
        Image.new("RGBA", (20, 50), (*colour, 255)).save(folder / "b.png")
        Image.new("RGB", (64, 64), colour).save(folder / "more" / "c.JPG", quality=95)
    return root


def unreadable(archive: bytes) -> bytes:
    """A ZIP whose members say that they are packed by Deflate64, which Python does not read."""
    content = bytearray(archive)
    for mark, place in ((b"PK\x03\x04", 8), (b"PK\x01\x02", 10)):
        start = content.find(mark)
        while start >= 0:
            content[start + place] = 9
            start = content.find(mark, start + 4)
    return bytes(content)
