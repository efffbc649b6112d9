"""`sprawl doctor` tells what the node learnt about addresses that its clients cannot use."""

from __future__ import annotations

import asyncio

from sprawl.cli.doctor import Finding, check_http
from sprawl.gateway.http import HttpServer
from sprawl.gateway.listeners import Advice
from sprawl.gateway.metrics import GatewayMetrics


async def findings_of(facts: dict[str, object]) -> list[Finding]:
    """What doctor makes of a node with these facts."""
    server = HttpServer(metrics=GatewayMetrics(), health=lambda: facts, gauges=list)
    port = await server.listen("127.0.0.1", 0)
    try:
        return await asyncio.to_thread(check_http, f"127.0.0.1:{port}")
    finally:
        await server.stop()


async def test_advice_is_a_finding_with_its_cause_and_next_step() -> None:
    certain = Advice(True, "clients are sent to themselves", "set advertised.listeners")
    doubtful = Advice(False, "clients may be elsewhere", "look")
    advice = [certain._asdict(), doubtful._asdict()]
    findings = await findings_of({"ready": True, "advice": advice})
    about = [finding for finding in findings if finding.check == "client addresses"]
    assert [(each.status, each.detail, each.fix) for each in about] == [
        ("problem", certain.cause, certain.next_step),
        ("warning", doubtful.cause, doubtful.next_step),
    ]


async def test_without_advice_there_is_nothing_to_tell() -> None:
    findings = await findings_of({"ready": True, "advice": []})
    assert {finding.check: finding.status for finding in findings} == {
        "health": "ok",
        "clock": "ok",
    }
