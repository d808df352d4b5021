"""The FastAPI application over a set of services."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import FileResponse, JSONResponse, Response
from fastapi.staticfiles import StaticFiles
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.types import Scope

from api import (
    cue_files,
    export,
    jobs,
    operations,
    pictures,
    problems,
    recording_work,
    recordings,
    renames,
    session,
    tracklists,
)
from api.guard import Guard
from api.plane import Plane, plane_of
from api.services import Services

_STATIC = Path(__file__).parent / "static"
_REVALIDATE = {"Cache-Control": "no-cache"}
_RESOURCES = (
    recordings,
    recording_work,
    pictures,
    tracklists,
    cue_files,
    renames,
    jobs,
    export,
    operations,
    session,
)

router = APIRouter()


class _Assets(StaticFiles):
    """The page's files; browsers ask each time whether they have changed, so that an upgrade shows at once."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        response.headers.update(_REVALIDATE)
        return response


@router.get("/", include_in_schema=False)
async def dashboard() -> FileResponse:
    return FileResponse(_STATIC / "index.html", headers=_REVALIDATE)


@router.get("/health/live", tags=["health"])
async def live() -> dict[str, str]:
    """The process answers."""
    return {"status": "alive"}


@router.get("/health/ready", tags=["health"], responses={503: {"description": "What fails, and since when"}})
async def ready(request: Request) -> JSONResponse:
    """Asks the broker and the state store."""
    plane = plane_of(request)
    is_ready, answer = await plane.readiness.check()
    answer["relay"] = "connected" if plane.relay.connected else "reconnecting"
    return JSONResponse(answer, 200 if is_ready else 503, headers={"Cache-Control": "no-store"})


@router.get("/metrics", tags=["health"], response_class=Response)
async def metrics() -> Response:
    """Prometheus metrics of this process."""
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)


@router.get("/v1/info", tags=["health"])
async def info(request: Request) -> dict[str, Any]:
    """The version, and the folders that are watched."""
    services = plane_of(request).services
    return {
        "version": services.version,
        "profile": services.profile,
        "engine": services.broker.features.name,
        "roots": [str(root) for root in services.roots],
    }


def create_app(services: Services) -> FastAPI:
    """The application; its lifespan relays events and, at the end, closes all sockets with 1012.

    The engines are connected before and closed after, by whoever made them.
    """
    plane = Plane(services)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with plane.running():
            yield

    # The interactive documentation would load its scripts from elsewhere; /openapi.json is all that is served.
    app = FastAPI(
        title="Tracktion pipeline", version=services.version, lifespan=lifespan, docs_url=None, redoc_url=None
    )
    app.state.plane = plane
    problems.install(app)
    app.add_middleware(Guard, host=services.host, allowed_origins=services.allowed_origins, profile=services.profile)
    app.include_router(router)
    for each in _RESOURCES:
        app.include_router(each.router)
    app.mount("/static", _Assets(directory=_STATIC), name="static")
    return app
