"""The FastAPI application over a set of services."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import APIRouter, FastAPI
from fastapi.responses import FileResponse, Response
from fastapi.staticfiles import StaticFiles
from starlette.types import Scope

from api import problems
from api.guard import Guard
from api.http import (
    about,
    cue_files,
    dead_letters,
    docs,
    export,
    jobs,
    messages,
    openapi,
    overview,
    pictures,
    queues,
    recordings,
    renames,
    requests,
    sessions,
    topology,
    tracklists,
)
from api.http.body_limit import BodyLimit
from api.plane import Plane
from api.security.gate import Gate
from api.services import Services
from api.socket import session

_STATIC = Path(__file__).parent / "static"
_CLIENT = Path(__file__).parent / "client" / "live.js"
_REVALIDATE = {"Cache-Control": "no-cache"}
_MOST_BODY_BYTES = 1024 * 1024
_RESOURCES = (
    recordings,
    requests,
    pictures,
    tracklists,
    cue_files,
    renames,
    jobs,
    export,
    messages,
    dead_letters,
    queues,
    topology,
    overview,
    about,
    docs,
    sessions,
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


@router.get("/client.js", include_in_schema=False)
async def client() -> FileResponse:
    """The JavaScript client, for pages of one's own as well."""
    return FileResponse(_CLIENT, media_type="text/javascript", headers=_REVALIDATE)


def create_app(services: Services) -> FastAPI:
    """The application; its lifespan relays events and, at the end, closes all sockets with 1012.

    The engines are connected before and closed after, by whoever made them.
    """
    plane = Plane(services)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with plane.running():
            yield
        await services.access.limits.close()

    app = FastAPI(
        title="Tracktion pipeline",
        version=services.version,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        generate_unique_id_function=lambda route: route.name,
        responses=problems.documented(421, 500),
    )
    openapi.describe(app, services)
    app.state.plane = plane
    problems.install(app)
    largest = max((message.max_size for message in services.topology.messages.values()), default=0)
    app.add_middleware(BodyLimit, most=_MOST_BODY_BYTES, most_below={messages.PREFIX: largest})
    app.add_middleware(Gate, access=services.access, state=services.state)
    app.add_middleware(Guard, host=services.host, allowed_origins=services.allowed_origins, profile=services.profile)
    app.include_router(router)
    for each in _RESOURCES:
        app.include_router(each.router)
    app.mount("/static", _Assets(directory=_STATIC), name="static")
    return app
