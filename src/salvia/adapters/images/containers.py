"""Images that are not AWS's own: a container daemon has them, or pulls them."""

import asyncio
import logging
import threading

from salvia.adapters.images.daemon import Daemon, DaemonError
from salvia.adapters.images.local import LocalImages
from salvia.ports.images import Image, Readiness

log = logging.getLogger(__name__)

PREFIX = "container:"  # of Image.name, before what the daemon calls it
# As AWS starts them: `docker run IMAGE train`, `docker run IMAGE serve`, and the image's own command for processing.
_ENTRY_POINTS = {"train": ("", "train"), "serve": ("", "serve"), "process": ("",)}


class ContainerImages:
    """AWS's own images as `local` has them; all others through the daemon."""

    def __init__(self, local: LocalImages, daemon: Daemon) -> None:
        self._local, self._daemon = local, daemon
        self._pulls: dict[str, str] = {}  # what is being pulled to "", what could not be to its error

    def resolve(self, uri: str) -> Image:
        if self._local.knows(uri):
            return self._local.resolve(uri)
        return Image(uri, f"{PREFIX}{uri}", _ENTRY_POINTS)

    async def prepare(self, image: Image) -> Readiness:
        if not image.name.startswith(PREFIX):
            return await self._local.prepare(image)
        uri = image.uri
        try:
            if uri not in self._pulls and await asyncio.to_thread(self._daemon.has_image, uri):
                return Readiness(ready=True)
        except DaemonError as refusal:
            return Readiness(ready=False, error=_cannot_pull(uri, refusal))
        if uri not in self._pulls:
            self._pulls[uri] = ""
            threading.Thread(target=self._pull, args=(uri,), name=f"pull {uri}", daemon=True).start()
        error = self._pulls.get(uri)
        if error:
            del self._pulls[uri]  # the next job has it tried again
            return Readiness(ready=False, error=error)
        return Readiness(ready=False, message=f"preparing the image {uri}")

    def _pull(self, uri: str) -> None:
        try:
            self._daemon.call("POST", "/images/create", seconds=None, fromImage=_whole(uri))
        except DaemonError as error:
            log.warning("pulling %s failed: %s", uri, error)
            self._pulls[uri] = _cannot_pull(uri, error)
        else:
            del self._pulls[uri]


def _cannot_pull(uri: str, error: DaemonError) -> str:
    return f"the image {uri} cannot be pulled: {error}"


def _whole(uri: str) -> str:
    """With a tag: a daemon that is asked for none pulls all there are."""
    return uri if "@" in uri or ":" in uri.rpartition("/")[2] else f"{uri}:latest"
