"""What both XML APIs of Cisco have at their door: a request is read, one element answers it, the connection ends."""

from http.server import BaseHTTPRequestHandler
from xml.etree import ElementTree as ET

_LONGEST = 4 * 1024 * 1024


class Door(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        """Silent: requests hold cookies and passwords."""

    def body(self) -> bytes:
        """The request; what is longer than a server reads is cut."""
        return self.rfile.read(min(int(self.headers.get("Content-Length", "0")), _LONGEST))

    def reply(self, element: ET.Element) -> None:
        """The answer, and the end of the connection."""
        text = ET.tostring(element)
        self.send_response(200)
        self.send_header("Content-Type", "text/xml")
        self.send_header("Content-Length", str(len(text)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(text)
        self.close_connection = True
