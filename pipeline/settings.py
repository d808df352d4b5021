"""Settings from the environment. Everything a deployment may change, with its default."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import quote, unquote, urlsplit

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from pipeline.errors import PipelineError


class Settings(BaseSettings):
    """Read from environment variables of the same names in upper case."""

    model_config = SettingsConfigDict(extra="ignore", frozen=True, env_ignore_empty=True, hide_input_in_errors=True)

    rabbitmq_url: str | None = Field(default=None, description="amqp[s]://user:pass@host:port/vhost, several by commas")
    rabbitmq_management_url: str | None = Field(
        default=None, description="default: same host, user and vhost, port 15672"
    )
    redis_url: str | None = Field(default=None, description="redis[s]://user:pass@host:port/db")
    api_host: str = "127.0.0.1"
    api_port: int = Field(default=8000, ge=0, le=65535)
    api_allowed_origins: Annotated[tuple[str, ...], NoDecode] = Field(
        default=(), description="origins besides its own whose pages may connect and post, separated by commas"
    )
    api_jwt_key: SecretStr | None = Field(
        default=None, description="secret that tokens are signed with (HS256), at least 32 bytes"
    )
    api_jwt_key_file: Path | None = Field(
        default=None,
        description="file with a PEM public key, a JSON Web Key Set or a secret; read when it changes",
    )
    api_jwt_audience: str | None = Field(default=None, description="what tokens have to be meant for (aud)")
    api_jwt_issuer: str | None = Field(default=None, description="who has to have issued them (iss)")
    api_anonymous: bool | None = Field(
        default=None, description="whether clients need no token; default: in the profile dev, while no key is set"
    )
    api_token: SecretStr | None = Field(default=None, description="what commands show to a running API")
    api_handshakes: str = Field(
        default="600/minute",
        pattern=r"^[1-9][0-9]{0,8}/(second|minute|hour)$",
        description="how often an address, and a token's subject, may open a WebSocket, on all API processes together",
    )
    api_subscriptions: str = Field(
        default="6000/minute",
        pattern=r"^[1-9][0-9]{0,8}/(second|minute|hour)$",
        description="how often they may subscribe",
    )
    api_connections_per_address: int = Field(
        default=1000, ge=1, description="WebSockets that one address may have open with one process"
    )
    library_roots: Annotated[tuple[Path, ...], NoDecode] = Field(
        default=(), description="folders whose files may be touched, separated by ':'; default: the watched folder"
    )
    pipeline_data_dir: Path = Field(
        default_factory=lambda: Path.home() / ".local" / "share" / "tracktion-pipeline",
        description="generated files and the embedded engines' snapshot; outside the library",
    )
    pipeline_topology: Path = Path("topology.yaml")
    pipeline_profile: str = Field(
        default="dev",
        pattern=r"^[a-z][a-z0-9-]{0,31}$",
        description="lays topology.PROFILE.yaml over the topology; all but dev are strict about who may connect",
    )
    pipeline_log_level: Literal["debug", "info", "warning", "error"] = "info"
    pipeline_reload: bool = Field(
        default=True, description="go over to a changed topology without a restart; SIGHUP does so in any case"
    )
    pipeline_audit: Path | None = Field(
        default=None, description="file to which a line of JSON is written for each delivery; -: standard output"
    )
    pipeline_audit_sample: float = Field(
        default=1.0, ge=0, le=1, description="which part of them; those that failed are always written"
    )
    pipeline_processes: int = Field(default=0, ge=0, description="processes for CPU work; 0: one per core")

    @field_validator("api_allowed_origins", mode="before")
    @classmethod
    def _split_origins(cls, value: object) -> object:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @field_validator("library_roots", mode="before")
    @classmethod
    def _split_roots(cls, value: object) -> object:
        return tuple(Path(part) for part in value.split(":") if part) if isinstance(value, str) else value

    @property
    def embedded(self) -> bool:
        """Whether the embedded engines serve. Raises PipelineError if only one of the two servers is configured."""
        if bool(self.rabbitmq_url) != bool(self.redis_url):
            missing, given = ("REDIS_URL", "RABBITMQ_URL") if self.rabbitmq_url else ("RABBITMQ_URL", "REDIS_URL")
            raise PipelineError(
                f"{given} is set but {missing} is not",
                fix=f"Set {missing} too, or unset both to use the embedded engines",
            )
        return not self.rabbitmq_url

    @property
    def without_broker(self) -> bool:
        """Whether there is no RabbitMQ to provision, which needs no Redis. Raises PipelineError for Redis alone."""
        return not self.rabbitmq_url and self.embedded

    @property
    def management_url(self) -> str:
        """The management API's base URL, with credentials: never print it."""
        if self.rabbitmq_management_url:
            return self.rabbitmq_management_url
        first = urlsplit((self.rabbitmq_url or "").split(",")[0])
        scheme = "https" if first.scheme == "amqps" else "http"
        port = 15671 if first.scheme == "amqps" else 15672
        user, password = quote(unquote(first.username or "guest"), ""), quote(unquote(first.password or "guest"), "")
        return f"{scheme}://{user}:{password}@{first.hostname or 'localhost'}:{port}"

    @property
    def vhost(self) -> str:
        """The virtual host of RABBITMQ_URL; no path or `/` is the vhost `/`."""
        path = urlsplit((self.rabbitmq_url or "").split(",")[0]).path
        return unquote(path[1:]) or "/"


def without_credentials(url: str) -> str:
    """`scheme://host:port/path` of a URL: what may be shown."""
    parts = urlsplit(url)
    host = f"[{parts.hostname}]" if parts.hostname and ":" in parts.hostname else parts.hostname or ""
    return f"{parts.scheme}://{host}{f':{parts.port}' if parts.port else ''}{parts.path}"
