"""The pipeline that runs on this machine, asked over HTTP: where the embedded engines serve, only it knows them."""

from __future__ import annotations

import json
from typing import Any, Self

import httpx

from pipeline.errors import PipelineError, Unreachable
from pipeline.provision.definitions_json import definitions_from_json
from pipeline.settings import Settings
from pipeline.topology.definitions import Definitions


class RunningPipeline:
    """Client of the API at API_HOST and API_PORT, with API_TOKEN. Use as an async context manager.

    Methods raise Unreachable if nothing answers there, PipelineError with what the API said.
    """

    def __init__(self, settings: Settings) -> None:
        self.address = f"http://{settings.api_host}:{settings.api_port}"
        token = settings.api_token
        self.headers = {} if token is None else {"Authorization": f"Bearer {token.get_secret_value()}"}
        self._http = httpx.AsyncClient(base_url=self.address, timeout=30, trust_env=False, headers=self.headers)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.aclose()

    async def definitions(self) -> Definitions:
        """What its broker holds."""
        return definitions_from_json(await self.get("/v1/definitions"), where=self.address)

    async def get(self, path: str, **query: Any) -> dict[str, Any]:
        """The JSON answer to a GET."""
        return await self._send(self._http.build_request("GET", path, params=query))

    async def get_lines(self, path: str, **query: Any) -> list[dict[str, Any]]:
        """The lines of JSON that answer a GET."""
        answer = await self._sent(self._http.build_request("GET", path, params=query))
        return [json.loads(line) for line in answer.text.splitlines()]

    async def post(self, path: str, body: Any) -> dict[str, Any]:
        """The JSON answer to a POST of JSON."""
        return await self._send(self._http.build_request("POST", path, json=body))

    async def post_bytes(self, path: str, content: bytes) -> dict[str, Any]:
        """The JSON answer to a POST of JSON that is encoded already."""
        headers = {"content-type": "application/json"}
        return await self._send(self._http.build_request("POST", path, content=content, headers=headers))

    async def _send(self, request: httpx.Request) -> dict[str, Any]:
        answer = await self._sent(request)
        try:
            document: dict[str, Any] = answer.json()
        except ValueError:
            raise self._stranger() from None
        return document

    async def _sent(self, request: httpx.Request) -> httpx.Response:
        """The answer, which is no error."""
        try:
            answer = await self._http.send(request)
        except httpx.HTTPError as error:
            raise Unreachable(
                "No pipeline is running there, and RABBITMQ_URL is not set",
                where=self.address,
                fix="Start one with `pipeline up DIR` (API_PORT says where), or set RABBITMQ_URL and REDIS_URL",
            ) from error
        if not answer.is_error:
            return answer
        try:
            problem: dict[str, Any] = answer.json()
        except ValueError:
            raise self._stranger() from None
        if answer.status_code in (401, 403) and not self.headers:
            problem["fix"] = "Set API_TOKEN: `pipeline token` makes one"
        what = problem.get("error") or problem.get("detail") or f"HTTP {answer.status_code}"
        reasons = "; ".join(f"{each['field']}: {each['problem']}" for each in problem.get("reasons") or ())
        raise PipelineError(f"{what}: {reasons}" if reasons else str(what), fix=problem.get("fix") or "")

    def _stranger(self) -> PipelineError:
        return PipelineError("What answers there is not this pipeline", where=self.address)
