"""Which web pages may call: none, unless the settings name their origins."""

from collections.abc import Mapping

from salvia.base.errors import AwsError
from salvia.wire.message import Response


class Cors:
    """`origins` is comma-separated; "*" stands for every origin."""

    def __init__(self, origins: str) -> None:
        self._origins = {origin.strip() for origin in origins.split(",") if origin.strip()}

    def preflight(self, headers: Mapping[str, str]) -> Response:
        """The answer to OPTIONS. Raises AwsError for an origin that is not named."""
        granted = self.headers(headers)
        if not granted:
            raise AwsError(
                "CORSResponse: CORS is not enabled; the setting cors_origins names the origins that may call.",
                code="AccessForbidden",
                http_status=403,
            )
        granted["access-control-allow-methods"] = "GET, HEAD, POST, PUT, DELETE"
        granted["access-control-allow-headers"] = headers.get("access-control-request-headers", "*")
        granted["access-control-max-age"] = "3600"
        return Response(200, granted)

    def headers(self, headers: Mapping[str, str]) -> dict[str, str]:
        """What every answer to that origin carries; nothing for others."""
        if not self._origins:
            return {}
        origin = headers.get("origin", "")
        if not origin or not ({origin, "*"} & self._origins):
            return {}
        return {"access-control-allow-origin": origin, "access-control-expose-headers": "*", "vary": "origin"}
