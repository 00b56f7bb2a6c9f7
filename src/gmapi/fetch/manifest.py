"""The XML of a DASH manifest as a small tree of what is read of it.

Bounds hold while it is parsed, before there is a tree: the parser is fed in small pieces, each
element is counted as it comes, and what nobody asks for is not kept.
"""

from __future__ import annotations

from typing import Any
from xml.sax import SAXException
from xml.sax.handler import ContentHandler

from defusedxml.common import DefusedXmlException
from defusedxml.expatreader import DefusedExpatParser

from gmapi.fetch.address import MAX_URL_LENGTH
from gmapi.fetch.bounds import Bounds
from gmapi.fetch.segments import bad_playlist

ELEMENTS_MAX = 100_000
DEPTH_MAX = 32
ATTRIBUTES_MAX = 64
"""Most attributes of one element."""

NAMES_MAX = 1_000
"""Most different names of elements and attributes; the parser remembers each."""

TAG_MAX = 16 * 1024
"""Characters of a tag or comment: longer ones may be refused, those above twice as long are."""

_KEPT = frozenset(
    {
        "AdaptationSet", "BaseURL", "ContentProtection", "EssentialProperty", "Initialization",
        "MPD", "Period", "Representation", "S", "SegmentList", "SegmentTemplate",
        "SegmentTimeline", "SegmentURL", "SupplementalProperty",
    }
)  # fmt: skip
_KEPT_ATTRIBUTES = frozenset(
    {
        "bandwidth", "contentType", "d", "duration", "height", "id", "initialization", "maxHeight",
        "media", "mediaPresentationDuration", "mediaRange", "mimeType", "r", "range",
        "schemeIdUri", "sourceURL", "startNumber", "t", "timescale", "type",
    }
)  # fmt: skip
_NOTHING: dict[str, str] = {}


class Element:
    """An element by its name without prefix; only BaseURL has a `text`."""

    __slots__ = ("attributes", "children", "name", "text")

    def __init__(self, name: str, attributes: dict[str, str]) -> None:
        self.name = name
        self.attributes = attributes
        self.children: list[Element] | tuple[()] = ()
        self.text = ""

    def named(self, name: str) -> list[Element]:
        """The children of this name."""
        return [child for child in self.children if child.name == name]

    def add(self, child: Element) -> None:
        if isinstance(self.children, tuple):
            self.children = []
        self.children.append(child)


def read_manifest(text: str, bounds: Bounds) -> Element:
    """The root element. Raises SourceError, and what the check of `bounds` raises."""
    tree = _Tree(bounds)
    parser = DefusedExpatParser(forbid_dtd=True)
    parser.setContentHandler(tree)
    try:
        start = len(text) - len(text.lstrip("\ufeff \t\r\n"))
        for at in range(start, len(text), TAG_MAX):
            events = tree.events
            parser.feed(text[at : at + TAG_MAX])
            if tree.events == events and at + TAG_MAX < len(text):
                raise bad_playlist(f"has a tag of more than {TAG_MAX} characters")
        parser.close()
    except DefusedXmlException as error:
        raise bad_playlist("has a document type definition, which is not read", error) from None
    except (SAXException, ValueError, LookupError) as error:
        raise bad_playlist("is not well-formed XML; check the address", error) from None
    finally:
        # The parser refers to itself; what it was told need not wait for it to be collected.
        parser.setContentHandler(ContentHandler())
    if tree.root is None or tree.root.name != "MPD":
        raise bad_playlist("is not a DASH manifest; check the address")
    return tree.root


class _Tree(ContentHandler):
    """Builds the tree. `events` counts what the parser has told."""

    def __init__(self, bounds: Bounds) -> None:
        super().__init__()
        self.root: Element | None = None
        self.events = 0
        self._bounds = bounds
        self._elements = 0
        self._depth = 0
        self._names: set[str] = set()
        # The kept elements that are open. What is deeper than these is passed over.
        self._open: list[Element] = []

    def startElement(self, name: str, attrs: Any) -> None:
        self._count(name, attrs)
        local = name.rpartition(":")[2]
        if self._depth == len(self._open) and (local in _KEPT or self.root is None):
            kept = {key: value for key, value in attrs.items() if key in _KEPT_ATTRIBUTES}
            element = Element(local, kept or _NOTHING)
            if self._open:
                self._open[-1].add(element)
            else:
                self.root = element
            self._open.append(element)
        self._depth += 1

    def endElement(self, name: str) -> None:
        self.events += 1
        if self._depth == len(self._open):
            self._open.pop()
        self._depth -= 1

    def characters(self, content: str) -> None:
        self.events += 1
        self._bounds.step()
        if not self._open or self._depth != len(self._open) or self._open[-1].name != "BaseURL":
            return
        element = self._open[-1]
        element.text += content
        if len(element.text) > MAX_URL_LENGTH:
            raise bad_playlist(f"has a base address of more than {MAX_URL_LENGTH} characters")

    def processingInstruction(self, target: str, data: str) -> None:
        self.events += 1
        self._bounds.step()

    def _count(self, name: str, attributes: Any) -> None:
        self.events += 1
        self._bounds.step(4)
        self._elements += 1
        if self._elements > ELEMENTS_MAX:
            raise bad_playlist(
                f"has more than the {ELEMENTS_MAX:,} elements this server reads; use a shorter "
                "source"
            )
        if self._depth == DEPTH_MAX:
            raise bad_playlist(f"has elements more than {DEPTH_MAX} deep; use another source")
        names = attributes.keys()
        self._names.add(name)
        self._names.update(names)
        if len(names) > ATTRIBUTES_MAX or len(self._names) > NAMES_MAX:
            raise bad_playlist(
                f"has more than {ATTRIBUTES_MAX} attributes in an element, or more than "
                f"{NAMES_MAX:,} different names; use another source"
            )
        if any(key.endswith(":href") for key in names):
            raise bad_playlist("has parts at other addresses (xlink); use another source")
