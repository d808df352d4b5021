"""`/docs`: Swagger UI over /openapi.json, served from an installed package; nothing is loaded from elsewhere."""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from fastapi import APIRouter
from starlette.responses import FileResponse

_PAGE = Path(__file__).parents[1] / "static" / "docs.html"
_PACKAGE = "fastapi_offline"
_REVALIDATE = {"Cache-Control": "no-cache"}

router = APIRouter(include_in_schema=False)


@router.get("/docs")
async def documentation() -> FileResponse:
    """The page."""
    return FileResponse(_PAGE, headers=_REVALIDATE)


@router.get("/docs/{name}")
async def asset(name: Literal["swagger-ui.css", "swagger-ui-bundle.js"]) -> FileResponse:
    """Swagger UI's own files."""
    return FileResponse(_assets() / name, headers=_REVALIDATE)


@cache
def _assets() -> Path:
    """Found when they are first asked for, since nothing else needs the package."""
    found = find_spec(_PACKAGE)
    if found is None or not found.submodule_search_locations:
        raise ModuleNotFoundError(f"{_PACKAGE} is not installed", name=_PACKAGE)
    return Path(found.submodule_search_locations[0]) / "static"
