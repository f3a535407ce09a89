"""Every REST route with made-up requests: whatever comes, the server answers with an error."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import Case
from schemathesis.generation import GenerationMode

from tests.support.server import JupyterServer

EXAMPLES = 25


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
@pytest.mark.timeout(300)
async def test_no_request_makes_the_server_fail(
    server: JupyterServer, mode: GenerationMode
) -> None:
    """Bodies, queries and paths after the API's own description, and against it: never a 5xx."""
    document = (await server.person().api("GET", "openapi.json")).json()
    # Takes no body, and each call starts a kernel.
    document["paths"].pop("/rooms/{room_id}/kernel/restart")
    schema = schemathesis.openapi.from_dict(document)
    room = await server.room(starter_text="")
    code = await server.invite(room["id"], lobby=True)
    await server.person().join(code, "Waiting")
    listed = (await server.host.api("GET", f"rooms/{room['id']}/participants")).json()
    link = (await server.host.api("POST", f"rooms/{room['id']}/invites", {})).json()
    real = {
        "room_id": room["id"],
        "participant_id": listed["waiting"][0]["id"],
        "invite_id": link["id"],
        "run_id": "x" * 12,
    }
    headers = {"Authorization": f"token {server.token}"}
    base_url = f"{server.url}codepad/api"
    asked = 0

    def fuzz(operation: Any) -> None:
        @settings(
            max_examples=EXAMPLES,
            deadline=None,
            database=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        )
        @given(case=operation.as_strategy(generation_mode=mode))
        def run(case: Case[Any]) -> None:
            nonlocal asked
            asked += 1
            if case.method == "DELETE" and case.path == "/rooms/{room_id}":
                case.path_parameters = {"room_id": "x" * 12}
            elif mode is GenerationMode.POSITIVE:
                known = {name: real[name] for name in case.path_parameters or {}}
                case.path_parameters = known
            case.headers.clear()
            case.headers.update(headers)
            case.cookies = {}
            answer = case.call(base_url=base_url, timeout=20)
            assert answer.status_code < 500, (case.method, case.path, case.body, answer.text)
            if answer.status_code >= 400:
                assert set(answer.json()) == {"message", "code"}, answer.text

        run()

    operations: list[Any] = [result.ok() for result in schema.get_all_operations()]  # type: ignore[union-attr]
    for operation in operations:
        try:
            await asyncio.to_thread(fuzz, operation)
        except Unsatisfiable:
            # There is nothing that a request without parameters and body could get wrong.
            assert mode is GenerationMode.NEGATIVE, operation.path
            assert not operation.body and not operation.query, operation.path
    assert asked > 2 * len(operations)
    assert (await server.host.api("GET", f"rooms/{room['id']}")).status_code == 200
