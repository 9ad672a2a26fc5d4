"""A chat-completions endpoint on loopback whose answers are a Python function's, faults included."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any

from mlgym_synth.testing.loopback import LoopbackServer


@dataclass(frozen=True)
class Reply:
    """What the endpoint sends back for one request."""

    text: str = ""
    reasoning: str = ""
    tool_calls: tuple[dict[str, Any], ...] = ()
    """Each `{"name": …, "arguments": "<JSON text>"}`."""
    prompt_tokens: int = 10
    completion_tokens: int = 5
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | None = None
    """Sent as it is in place of a completion: HTML, half a JSON document, an error."""
    delay: float = 0.0
    """Seconds before the first byte."""


class ModelServer(LoopbackServer):
    """Serves `/v1/chat/completions` until it is closed. Use as a context manager.

    Args:
        answer: Called with each request's JSON document, from the thread of its connection.
    """

    def __init__(self, answer: Callable[[dict[str, Any]], Reply]) -> None:
        self.requests: list[dict[str, Any]] = []
        """Every request's JSON document, in the order of arrival."""
        self._answer = answer
        super().__init__(self._handler())

    @property
    def base_url(self) -> str:
        """What an OpenAI client calls `base_url`."""
        return f"{self.address}/v1"

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        owner = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                document = json.loads(self.rfile.read(int(self.headers.get("content-length", 0))) or b"{}")
                if self.path != "/v1/chat/completions":
                    self._send(404, {}, _error("no such path"))
                    return
                owner.requests.append(document)
                reply = owner._answer(document)
                time.sleep(reply.delay)
                body = reply.body if reply.body is not None else _completion(reply, document, len(owner.requests))
                self._send(reply.status, reply.headers, body)

            def _send(self, status: int, headers: dict[str, str], body: bytes) -> None:
                self.send_response(status)
                for name, value in {"content-type": "application/json", **headers}.items():
                    self.send_header(name, value)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *values: object) -> None:  # noqa: A002  (the base class's name)
                """Keeps quiet: the requests are recorded."""

        return Handler


def _completion(reply: Reply, request: dict[str, Any], number: int) -> bytes:
    message: dict[str, Any] = {"role": "assistant", "content": reply.text or None}
    if reply.reasoning:
        message["reasoning_content"] = reply.reasoning
    if reply.tool_calls:
        message["tool_calls"] = [
            {"id": f"call-{number}-{index}", "type": "function", "function": dict(call)}
            for index, call in enumerate(reply.tool_calls)
        ]
    document = {
        "id": f"chatcmpl-{number}",
        "object": "chat.completion",
        "created": 0,
        "model": request.get("model", ""),
        "choices": [{"index": 0, "message": message, "finish_reason": "tool_calls" if reply.tool_calls else "stop"}],
        "usage": {
            "prompt_tokens": reply.prompt_tokens,
            "completion_tokens": reply.completion_tokens,
            "total_tokens": reply.prompt_tokens + reply.completion_tokens,
        },
    }
    return json.dumps(document).encode()


def _error(message: str) -> bytes:
    return json.dumps({"error": {"message": message, "type": "invalid_request_error"}}).encode()
