"""02 Image: a photograph from interleaved bytes (HWC) to planes (CHW) and back, and the plan of each copy.

Pillow hands its pixels over through `__array_interface__`; a neural network wants them planar. Slicing, flipping and
permuting are views and cost nothing; `contiguous()` is the one copy, and `explain()` says how it will be done.

    python samples/02_image.py [PHOTO] [--out FOLDER]

Writes `planes.png` (the photograph, its three planes, and it flipped) and `round_trip.png`.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from PIL import Image

import strideport as sp

HERE = Path(__file__).parent


def to_planes(hwc: sp.Buffer) -> sp.Buffer:
    """(height, width, channels) to a new, dense (channels, height, width)."""
    chw = hwc.permute(2, 0, 1)
    print("HWC -> CHW\n" + indent(chw.explain()))
    return chw.contiguous()


def to_pixels(chw: sp.Buffer) -> sp.Buffer:
    """(channels, height, width) to a new, dense (height, width, channels)."""
    hwc = chw.permute(1, 2, 0)
    print("CHW -> HWC\n" + indent(hwc.explain()))
    return hwc.contiguous()


def contact_sheet(photo: sp.Buffer, planes: sp.Buffer) -> sp.Buffer:
    """The photograph, its planes each in its own colour, and its mirror image, side by side."""
    height, width, channels = photo.shape
    sheet = sp.empty((height, width * (channels + 2), channels), "uint8")
    sp.copy(sheet, sp.asbuffer(bytes(sheet.nbytes)).cast("B", sheet.shape))  # black

    def column(number: int) -> sp.Buffer:
        return sheet[:, number * width : (number + 1) * width]

    sp.copy(column(0), photo)
    for channel in range(channels):
        sp.copy(column(1 + channel)[:, :, channel], planes[channel])
    sp.copy(column(1 + channels), photo[:, ::-1])
    return sheet


def save(pixels: sp.Buffer, path: Path) -> None:
    height, width, _ = pixels.shape
    Image.frombuffer("RGB", (width, height), pixels, "raw", "RGB", 0, 1).save(path)
    print(f"wrote {path}")


def indent(text: str) -> str:
    return "\n".join("    " + line for line in text.splitlines())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photo", nargs="?", type=Path, default=HERE / "data" / "grace_hopper.jpg")
    parser.add_argument("--out", type=Path, default=HERE / "out", help="folder for the pictures (default: %(default)s)")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)

    with Image.open(arguments.photo) as image:
        photo = sp.asbuffer(image.convert("RGB"))
    print(f"{arguments.photo.name}: {photo!r}\n")

    planes = to_planes(photo)
    pixels = to_pixels(planes)
    if pixels != photo:
        raise SystemExit("the round trip changed the picture")
    print("round trip: every byte equal\n")

    save(contact_sheet(photo, planes), arguments.out / "planes.png")
    save(pixels, arguments.out / "round_trip.png")
    return 0


if __name__ == "__main__":
    sys.exit(main())
