"""The pipeline that runs on this machine, asked over HTTP: where the embedded engines serve, only it knows them."""

from __future__ import annotations

from typing import Any, Self

import httpx

from pipeline.errors import PipelineError, Unreachable
from pipeline.provision.definitions_json import definitions_from_json
from pipeline.settings import Settings
from pipeline.topology.definitions import Definitions


class RunningPipeline:
    """Client of the API at API_HOST and API_PORT. Use as an async context manager.

    Methods raise Unreachable if nothing answers there, PipelineError with what the API said.
    """

    def __init__(self, settings: Settings) -> None:
        self.address = f"http://{settings.api_host}:{settings.api_port}"
        self._http = httpx.AsyncClient(base_url=self.address, timeout=30, trust_env=False)

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

    async def post(self, path: str, body: Any) -> dict[str, Any]:
        """The JSON answer to a POST of JSON."""
        return await self._send(self._http.build_request("POST", path, json=body))

    async def post_bytes(self, path: str, content: bytes) -> dict[str, Any]:
        """The JSON answer to a POST of JSON that is encoded already."""
        headers = {"content-type": "application/json"}
        return await self._send(self._http.build_request("POST", path, content=content, headers=headers))

    async def _send(self, request: httpx.Request) -> dict[str, Any]:
        try:
            answer = await self._http.send(request)
        except httpx.HTTPError as error:
            raise Unreachable(
                "No pipeline is running there, and RABBITMQ_URL is not set",
                where=self.address,
                fix="Start one with `pipeline up DIR` (API_PORT says where), or set RABBITMQ_URL and REDIS_URL",
            ) from error
        try:
            document: dict[str, Any] = answer.json()
        except ValueError:
            raise PipelineError("What answers there is not this pipeline", where=self.address) from None
        if answer.is_error:
            what = document.get("error") or document.get("detail") or f"HTTP {answer.status_code}"
            reasons = "; ".join(f"{each['field']}: {each['problem']}" for each in document.get("reasons") or ())
            raise PipelineError(f"{what}: {reasons}" if reasons else str(what), fix=document.get("fix") or "")
        return document
