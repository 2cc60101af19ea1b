"""The protocols, by the names that the service models use."""

from salvia.wire.protocols.cbor import Cbor
from salvia.wire.protocols.json import Json
from salvia.wire.protocols.protocol import WireProtocol
from salvia.wire.protocols.query import Query
from salvia.wire.protocols.rest_json import RestJson
from salvia.wire.protocols.rest_xml import RestXml

JSON_1_0: WireProtocol = Json("1.0")
JSON_1_1: WireProtocol = Json("1.1")
QUERY: WireProtocol = Query()
REST_JSON: WireProtocol = RestJson()
REST_XML: WireProtocol = RestXml()
CBOR: WireProtocol = Cbor()
