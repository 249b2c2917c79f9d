"""Reads the colours in an AV1 sequence header (AV1 Bitstream & Decoding Process Specification, 5.5)."""

from __future__ import annotations

_SEQUENCE_HEADER = 1


class _Bits:
    """Reads big-endian bits. Raises EOFError past the end."""

    def __init__(self, data: bytes) -> None:
        self._value, self._left = int.from_bytes(data, "big"), 8 * len(data)

    def take(self, count: int) -> int:
        self._left -= count
        if self._left < 0:
            raise EOFError
        return self._value >> self._left & ((1 << count) - 1)

    def uvlc(self) -> int:
        zeros = 0
        while not self.take(1):
            zeros += 1
            if zeros >= 32:
                return 0
        return self.take(zeros) + (1 << zeros) - 1 if zeros else 0


def sequence_codes(data: bytes) -> tuple[int, int] | None:
    """Colour primaries and transfer characteristics from the first sequence header in these OBUs; None if there is
    none, or if it describes no colours."""
    at = 0
    while at < len(data):
        head = data[at]
        at += 2 if head & 4 else 1
        length, at = _leb128(data, at) if head & 2 else (len(data) - at, at)
        if head >> 3 & 15 == _SEQUENCE_HEADER:
            try:
                return _colours(_Bits(data[at : at + min(length, 256)]))
            except EOFError:
                return None
        at += length
    return None


def _leb128(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 56, 7):
        byte = data[at] if at < len(data) else 0
        at += 1
        value |= (byte & 127) << shift
        if not byte & 128:
            break
    return value, at


def _colours(bits: _Bits) -> tuple[int, int] | None:
    profile = bits.take(3)
    bits.take(1)
    reduced = bits.take(1)
    if reduced:
        bits.take(5)
    else:
        _skip_operating_points(bits)
    _skip_size(bits)
    if not reduced and bits.take(1):
        bits.take(7)  # frame id numbers
    bits.take(3)
    if not reduced:
        _skip_tools(bits)
    bits.take(3)
    is_deep = bits.take(1)
    if profile == 2 and is_deep:
        bits.take(1)
    if profile != 1:
        bits.take(1)
    return (bits.take(8), bits.take(8)) if bits.take(1) else None


def _skip_operating_points(bits: _Bits) -> None:
    decoder_model, delay_bits = 0, 0
    if bits.take(1):  # timing info
        bits.take(64)
        if bits.take(1):
            bits.uvlc()
        decoder_model = bits.take(1)
        if decoder_model:
            delay_bits = bits.take(5) + 1
            bits.take(32 + 5 + 5)
    display_delay = bits.take(1)
    for _ in range(bits.take(5) + 1):
        bits.take(12)
        if bits.take(5) > 7:
            bits.take(1)
        if decoder_model and bits.take(1):
            bits.take(2 * delay_bits + 1)
        if display_delay and bits.take(1):
            bits.take(4)


def _skip_size(bits: _Bits) -> None:
    width_bits, height_bits = bits.take(4) + 1, bits.take(4) + 1
    bits.take(width_bits + height_bits)


def _skip_tools(bits: _Bits) -> None:
    bits.take(4)
    order_hint = bits.take(1)
    if order_hint:
        bits.take(2)
    screen_content = 2 if bits.take(1) else bits.take(1)
    if screen_content and not bits.take(1):
        bits.take(1)
    if order_hint:
        bits.take(3)
