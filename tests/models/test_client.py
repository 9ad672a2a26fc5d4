from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from mlgym_synth.errors import InputError, ModelError
from mlgym_synth.models.client import Answer, ChatModel, ModelConfig
from mlgym_synth.models.ledger import BudgetError, Ledger, Price
from mlgym_synth.testing.model_server import ModelServer, Reply

MESSAGES = [{"role": "user", "content": "hello"}]


def ask(server: ModelServer, ledger: Ledger, **settings: object) -> Answer:
    config = ModelConfig.model_validate(
        {"name": "m", "base_url": server.base_url, "max_tokens": 100, "retries": 2, **settings}
    )

    async def once() -> Answer:
        async with ChatModel(config, ledger) as model:
            return await model.ask(MESSAGES, "test")

    return asyncio.run(once())


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "ledger.sqlite")


def test_answer_keeps_reasoning_tool_calls_and_cost(ledger: Ledger) -> None:
    reply = Reply("hi", reasoning="because", tool_calls=({"name": "bash", "arguments": '{"command": "ls"'},))
    with ModelServer(lambda request: reply) as server:
        answer = ask(server, ledger, price=Price(prompt=1.0, completion=2.0))
    assert (answer.text, answer.reasoning) == ("hi", "because")
    assert answer.tool_calls[0].arguments == '{"command": "ls"', "malformed arguments are kept as they are"
    assert answer.dollars == pytest.approx((10 * 1 + 5 * 2) / 1e6)
    assert ledger.spent() == pytest.approx(answer.dollars), "the reservation was replaced by the cost"


def test_rate_limit_and_server_error_are_retried(ledger: Ledger) -> None:
    faults = [Reply(status=429, headers={"retry-after": "0.05"}, body=b"{}"), Reply(status=500, body=b"{}")]
    with ModelServer(lambda request: faults.pop(0) if faults else Reply("done")) as server:
        assert ask(server, ledger).text == "done"
        assert len(server.requests) == 3


def test_persistent_failure_is_a_model_error_and_costs_nothing(ledger: Ledger) -> None:
    reply = Reply(status=400, body=b'{"error": {"message": "no"}}')
    with ModelServer(lambda request: reply) as server, pytest.raises(ModelError, match="model m"):
        ask(server, ledger)
    assert ledger.spent() == 0
    assert ledger.by_purpose()[0].calls == 1


@pytest.mark.parametrize("body", [b"<html>hello</html>", b'{"choices": []}', b'{"choices": [{"mess'])
def test_an_answer_that_is_no_completion_is_a_model_error(ledger: Ledger, body: bytes) -> None:
    with ModelServer(lambda request: Reply(body=body)) as server, pytest.raises(ModelError):
        ask(server, ledger, retries=0)


def test_silence_ends_at_the_time_limit(ledger: Ledger) -> None:
    with ModelServer(lambda request: Reply("late", delay=2.0)) as server, pytest.raises(ModelError):
        ask(server, ledger, timeout=0.2, retries=0)


def test_the_limit_on_cost_holds_for_calls_in_flight(tmp_path: Path) -> None:
    price = Price(completion=1e4)
    with ModelServer(lambda request: Reply("x", delay=0.2, completion_tokens=100)) as server:
        # One answer of 100 tokens costs $1, so of ten calls at once two may be sent.
        ledger = Ledger(tmp_path / "ledger.sqlite", max_cost=2.5)
        config = ModelConfig(name="m", base_url=server.base_url, max_tokens=100, price=price)

        async def many() -> list[Answer | BaseException]:
            async with ChatModel(config, ledger) as model:
                calls = (model.ask(MESSAGES, "test") for _ in range(10))
                return await asyncio.gather(*calls, return_exceptions=True)

        results = asyncio.run(many())
        assert sum(isinstance(result, Answer) for result in results) == 2
        assert sum(isinstance(result, BudgetError) for result in results) == 8
        assert len(server.requests) == 2
    assert ledger.spent() <= 2.5


def test_an_unsettled_call_counts_in_full_after_a_crash(tmp_path: Path) -> None:
    first = Ledger(tmp_path / "ledger.sqlite")
    first.reserve("test", "m", 1.5)
    first.close()
    assert Ledger(tmp_path / "ledger.sqlite").spent() == 1.5


def test_the_key_is_never_written(ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-very-secret")
    with ModelServer(lambda request: Reply("ok")) as server:
        answer = ask(server, ledger)
    assert "sk-very-secret" not in answer.model_dump_json()
    assert all(b"sk-very-secret" not in path.read_bytes() for path in tmp_path.iterdir())


def test_a_missing_key_is_bad_input(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(InputError, match="OPENAI_API_KEY"):
        ChatModel(ModelConfig(name="gpt-5"), ledger)
