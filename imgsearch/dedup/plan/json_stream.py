"""Reads a JSON object too large to hold, value by value, and finds where the items of its one long list lie."""

from __future__ import annotations

import codecs
import json
from collections.abc import Callable
from typing import Any, BinaryIO

CHUNK_BYTES = 1 << 18
_SPACE = " \t\r\n"
_NEAR = 16  # characters before the end within which a cut text is misread, like 1 for 1.5

ItemFound = Callable[[int, bytes], object]
"""(offset in bytes, the item's own text)."""


class JsonFault(ValueError):
    """The text is not JSON, or not an object; the message names the fault and its place."""


class JsonStream:
    """Reads the object in ``file`` once. Holds one item's text, or one other value, and 256 kB around it."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._decoder = json.JSONDecoder()
        self._utf8 = codecs.getincrementaldecoder("utf-8")()
        self._text = ""
        self._at = 0  # in the text
        self._offset = 0  # of the character there, in bytes
        self._read_bytes = 0
        self._step = CHUNK_BYTES
        self._ended = False

    def read(self, listed: str, found: ItemFound) -> dict[str, Any]:
        """The object without the items of the list named ``listed``: each item is passed to ``found``, and the list
        is then empty. A second list of that name is a fault. Raises JsonFault, OSError."""
        try:
            return self._object(listed, found)
        except json.JSONDecodeError as exc:
            raise JsonFault(f"is not JSON: {exc.msg} at {self._place(exc.pos)}") from exc
        except UnicodeDecodeError as exc:
            byte = self._read_bytes - len(exc.object) + exc.start
            raise JsonFault(f"is not a plan: byte {byte} is not UTF-8") from exc
        except RecursionError as exc:
            raise JsonFault("is not a plan: it is nested too deeply") from exc
        except JsonFault:
            raise
        except ValueError as exc:  # a number of thousands of digits
            raise JsonFault(f"is not JSON: {exc} at {self._place(self._at)}") from exc

    def _object(self, listed: str, found: ItemFound) -> dict[str, Any]:
        if self._peek() != "{":
            value = self._value()
            raise JsonFault(f"is not a plan: got a {type(value).__name__}, expected an object")
        self._take(1)
        head: dict[str, Any] = {}
        ended = self._peek() == "}"
        while not ended:
            if self._peek() != '"':
                raise self._fault("Expecting property name enclosed in double quotes")
            name = str(self._value())
            self._expect(":")
            if name == listed and self._peek() == "[":
                if name in head:
                    raise JsonFault(f"is not a plan: it has {name!r} twice")
                self._items(found)
                head[name] = []
            else:
                head[name] = self._value()
            ended = self._one_of(",", "}") == "}"
        if not head:
            self._take(1)
        if self._peek():
            raise self._fault("Extra data")
        return head

    def _items(self, found: ItemFound) -> None:
        self._take(1)
        if self._peek() == "]":
            self._take(1)
            return
        while True:
            self._peek()
            self._drop()
            start, before = self._at, self._offset
            end = self._end_of_value()[1]
            raw = self._text[start:end].encode()
            found(before, raw)
            self._at, self._offset = end, before + len(raw)
            if self._one_of(",", "]") == "]":
                return

    def _value(self) -> Any:
        """Reads the next value and moves behind it."""
        self._peek()
        value, end = self._end_of_value()
        self._take(end - self._at)
        return value

    def _end_of_value(self) -> tuple[Any, int]:
        """The value that begins here and its end; while it is cut off, reads on, twice as much each time."""
        while True:
            try:
                value, end = self._decoder.raw_decode(self._text, self._at)
            except json.JSONDecodeError as exc:
                cut_off = exc.msg.startswith("Unterminated") or exc.pos >= len(self._text) - _NEAR
                if self._ended or not cut_off:
                    raise
            else:
                if end < len(self._text) - _NEAR or self._ended:
                    self._step = CHUNK_BYTES
                    return value, end
            self._more()

    def _peek(self) -> str:
        """Moves to the next character that is not a space and returns it; "" at the end."""
        while True:
            start = self._at
            while self._at < len(self._text) and self._text[self._at] in _SPACE:
                self._at += 1
            self._offset += self._at - start
            if self._at < len(self._text):
                return self._text[self._at]
            if self._ended:
                return ""
            self._drop()
            self._more()

    def _expect(self, wanted: str) -> None:
        self._one_of(wanted, wanted)

    def _one_of(self, one: str, other: str) -> str:
        seen = self._peek()
        if seen not in (one, other) or not seen:
            raise self._fault(f"Expecting '{one}' delimiter")
        self._take(1)
        return seen

    def _take(self, count: int) -> None:
        self._offset += len(self._text[self._at : self._at + count].encode())
        self._at += count

    def _drop(self) -> None:
        """Forget the text that was read, now and then, because each time copies the rest."""
        if self._at > CHUNK_BYTES:
            self._text, self._at = self._text[self._at :], 0

    def _more(self) -> None:
        chunk = self._file.read(self._step)
        self._step *= 2
        self._read_bytes += len(chunk)
        self._ended = not chunk
        self._text += self._utf8.decode(chunk, final=self._ended)

    def _fault(self, message: str) -> json.JSONDecodeError:
        return json.JSONDecodeError(message, self._text, self._at)

    def _place(self, position: int) -> str:
        """ "line 3, column 7" for a position in the text; reads the file again up to it."""
        offset = self._offset + len(self._text[self._at : position].encode("utf-8", "replace"))
        if position < self._at:
            offset = self._offset - len(self._text[position : self._at].encode("utf-8", "replace"))
        line, column, at = 1, 1, 0
        self._file.seek(0)
        while at < offset and (chunk := self._file.read(min(CHUNK_BYTES, offset - at))):
            at += len(chunk)
            line += chunk.count(b"\n")
            tail = chunk.rpartition(b"\n")[2].decode("utf-8", "ignore")
            column = len(tail) + (1 if b"\n" in chunk else column)
        return f"line {line}, column {column}"
