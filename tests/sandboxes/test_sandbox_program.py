from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from mlgym_synth.sandboxes.program import Capture


@given(st.lists(st.binary(max_size=40)), st.integers(0, 60))
def test_capture_keeps_the_head_and_the_tail(chunks: list[bytes], limit: int) -> None:
    capture = Capture(limit)
    for chunk in chunks:
        capture.add(chunk)
    whole = b"".join(chunks)
    head, tail = limit // 2, limit - limit // 2
    if len(whole) <= limit:
        assert not capture.truncated
        assert capture.text() == whole.decode(errors="replace")
    else:
        assert capture.truncated
        end = whole[len(whole) - tail :]
        note = f"\n[{len(whole) - limit} bytes left out]\n"
        assert capture.text() == whole[:head].decode(errors="replace") + note + end.decode(errors="replace")
