"""A store that writes until it is killed, and says what it was told is safe: one line for each."""

import asyncio
import hashlib
import itertools
import sys
from pathlib import Path

from salvia.adapters.objects.files import FileObjects
from salvia.ports.object_store import Bucket


def content(number: int) -> bytes:
    """1 KiB or 200 KiB, by turns; the number decides every byte."""
    return hashlib.sha256(str(number).encode()).digest() * (32 if number % 2 else 6400)


async def main(folder: Path) -> None:
    objects = FileObjects(folder)
    await objects.store.buckets.create(Bucket("b", "0", "us-east-1", 0.0))
    counter = itertools.count()

    async def writer() -> None:
        for number in counter:
            await objects.put("b", f"k{number:06}", content(number))
            sys.stdout.write(f"{number}\n")
            sys.stdout.flush()

    await asyncio.gather(*(writer() for _ in range(8)))


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
