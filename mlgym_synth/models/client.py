"""A chat model behind any OpenAI-compatible endpoint: typed answers, bounded waiting, every call in the ledger."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from mlgym_synth.errors import InputError, ModelError
from mlgym_synth.models.ledger import Ledger, Price

if TYPE_CHECKING:
    from openai.types.chat import ChatCompletion

KEY_VARIABLE = "OPENAI_API_KEY"
CHARACTERS_PER_TOKEN = 2
"""A lower bound for common tokenizers, so that reservations of prompt tokens are never too small by much."""


class ModelConfig(BaseModel):
    """Which model, and how it is asked. Holds no key: that comes from the environment and is never written."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    base_url: str | None = None
    """An OpenAI-compatible endpoint; OpenAI's own if None."""
    temperature: float | None = None
    reasoning_effort: Literal["minimal", "low", "medium", "high"] | None = None
    max_tokens: int = Field(default=8192, ge=1)
    """Most tokens of one answer, reasoning included."""
    timeout: float = 600.0
    """Seconds for one attempt."""
    retries: int = 4
    """Further attempts after 408, 409, 429, 5xx and connection errors; Retry-After is honoured."""
    price: Price = Price()


class ToolCall(BaseModel):
    """One tool call as the model wrote it; the arguments may be malformed JSON."""

    id: str
    name: str
    arguments: str


class Answer(BaseModel):
    """One answer of a model."""

    text: str
    reasoning: str = ""
    tool_calls: list[ToolCall] = []
    finish_reason: str = ""
    refusal: str = ""
    response_id: str = ""
    model: str = ""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    dollars: float = 0.0
    seconds: float = 0.0


class ChatModel:
    """Asks one model; safe to share between tasks of one event loop. Use as an asynchronous context manager.

    Args:
        config: Which model, and how it is asked.
        ledger: Where calls are written down, and where the limit on cost lives.

    Raises:
        InputError: If no key is set for an endpoint that is not local.
    """

    def __init__(self, config: ModelConfig, ledger: Ledger) -> None:
        from openai import AsyncOpenAI

        key = os.environ.get(KEY_VARIABLE, "")
        if not key:
            if config.base_url is None:
                raise InputError(
                    f"no key for model {config.name}", f"set {KEY_VARIABLE}, or name an endpoint of your own"
                )
            key = "none"
        self.config = config
        self.ledger = ledger
        self._client = AsyncOpenAI(
            api_key=key, base_url=config.base_url, timeout=config.timeout, max_retries=config.retries
        )

    async def __aenter__(self) -> ChatModel:
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self._client.close()

    async def ask(
        self,
        messages: Sequence[dict[str, Any]],
        purpose: str,
        tools: Sequence[dict[str, Any]] = (),
    ) -> Answer:
        """Sends messages and returns the answer.

        Args:
            messages: Chat messages in OpenAI's form.
            purpose: The stage that pays, for the ledger.
            tools: Tool schemas in OpenAI's form.

        Raises:
            BudgetError: If the call could pass the ledger's limit; nothing is sent.
            ModelError: If the endpoint failed after all retries, or answered with something that is no answer.
        """
        import openai

        config = self.config
        prompt_tokens = sum(len(str(message)) for message in messages) // CHARACTERS_PER_TOKEN
        call = self.ledger.reserve(purpose, config.name, config.price.dollars(prompt_tokens, config.max_tokens))
        start = time.monotonic()
        outcome = "cancelled"
        answer = Answer(text="")
        try:
            response = await self._client.chat.completions.create(**self._request(messages, tools))
            answer = _read(response, config, time.monotonic() - start)
            outcome = "answered"
        except openai.OpenAIError as error:
            outcome = type(error).__name__
            raise ModelError(
                f"model {config.name}: {_first_line(error)}", "check the endpoint, the key and the name"
            ) from error
        except (AttributeError, IndexError, TypeError, ValueError) as error:
            outcome = "malformed"
            raise ModelError(
                f"model {config.name}: the endpoint's answer is no chat completion", "check its base URL"
            ) from error
        finally:
            self.ledger.settle(
                call,
                dollars=answer.dollars,
                prompt_tokens=answer.prompt_tokens,
                completion_tokens=answer.completion_tokens,
                seconds=round(time.monotonic() - start, 3),
                outcome=outcome,
                response_id=answer.response_id,
            )
        return answer

    def _request(self, messages: Sequence[dict[str, Any]], tools: Sequence[dict[str, Any]]) -> dict[str, Any]:
        config = self.config
        request: dict[str, Any] = {"model": config.name, "messages": list(messages)}
        # Reasoning models refuse `max_tokens`; most other endpoints know nothing else.
        request["max_completion_tokens" if config.base_url is None else "max_tokens"] = config.max_tokens
        if config.temperature is not None:
            request["temperature"] = config.temperature
        if config.reasoning_effort is not None:
            request["reasoning_effort"] = config.reasoning_effort
        if tools:
            request["tools"] = list(tools)
        return request


def _read(response: ChatCompletion, config: ModelConfig, seconds: float) -> Answer:
    choice = response.choices[0]
    message = choice.message
    extra = message.model_extra or {}
    usage = response.usage
    prompt_tokens = usage.prompt_tokens if usage else 0
    completion_tokens = usage.completion_tokens if usage else 0
    calls = [call for call in message.tool_calls or [] if call.type == "function"]
    return Answer(
        text=message.content or "",
        reasoning=extra.get("reasoning_content") or extra.get("reasoning") or "",
        tool_calls=[ToolCall(id=c.id, name=c.function.name, arguments=c.function.arguments) for c in calls],
        finish_reason=choice.finish_reason or "",
        refusal=message.refusal or "",
        response_id=response.id or "",
        model=response.model or "",
        prompt_tokens=prompt_tokens,
        completion_tokens=completion_tokens,
        dollars=config.price.dollars(prompt_tokens, completion_tokens),
        seconds=round(seconds, 3),
    )


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
