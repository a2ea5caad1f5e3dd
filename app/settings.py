"""Everything that can be set from outside, in one place."""

from __future__ import annotations

import hashlib
import os
import tempfile
from functools import lru_cache
from pathlib import Path
from typing import Literal

import platformdirs
from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """Settings, read from environment variables named ``LOCUSCOPE_<FIELD>``.

    Path lists (``genomes``, ``weights``) are separated by ``os.pathsep`` as in ``PATH``.
    """

    model_config = SettingsConfigDict(env_prefix="LOCUSCOPE_", frozen=True)

    genomes: str = Field("", description="genome bundles (folders), separated as in PATH")
    weights: str = Field("", description="folders searched for model weights, separated as in PATH")
    cache_dir: Path = Field(Path(platformdirs.user_cache_dir("locuscope")))
    cache_bytes: int = Field(4 * 2**30, description="size limit of stored results", gt=0)
    broker_url: str = Field("", description="redis:// URL; empty: an embedded Valkey", repr=False)
    broker_bytes: int = Field(512 * 2**20, description="memory limit of the embedded Valkey", gt=0)
    host: str = "127.0.0.1"
    port: int = Field(8050, ge=0, le=65535)
    token: SecretStr | None = Field(
        None, description="what whoever asks must send; unset: nothing", min_length=16
    )
    rate: float = Field(200, description="requests a second that a client may make", gt=0)
    trusted_proxies: int = Field(
        0, description="reverse proxies in front, whose X-Forwarded-For is believed", ge=0
    )
    logs: Literal["text", "json"] = "text"
    device: str = Field("", description="torch device of the worker; empty: the first GPU, or cpu")
    remote_hosts: str = Field(
        "", description="hosts from which visitors may fetch tracks, separated by commas"
    )
    max_view: int = Field(10_000_000, description="widest region in bp that a model predicts", gt=0)

    @property
    def genome_dirs(self) -> tuple[Path, ...]:
        """The genome bundles to serve, in the order given."""
        return tuple(Path(p).expanduser() for p in self.genomes.split(os.pathsep) if p)

    @property
    def weights_dirs(self) -> tuple[Path, ...]:
        """Folders searched for ``<model folder>/<file>``, first hit wins."""
        given = tuple(Path(p).expanduser() for p in self.weights.split(os.pathsep) if p)
        return (*given, Path(platformdirs.user_data_dir("locuscope")) / "weights")

    @property
    def allowed_hosts(self) -> frozenset[str]:
        """Hosts from which visitors may fetch tracks; none unless they are named."""
        return frozenset(host.strip().lower() for host in self.remote_hosts.split(",")) - {""}

    @property
    def runtime_dir(self) -> Path:
        """A short private folder for sockets (a Unix socket path may have 107 bytes at most)."""
        base = Path(os.environ.get("XDG_RUNTIME_DIR") or tempfile.gettempdir())
        digest = hashlib.sha256(str(self.cache_dir.absolute()).encode()).hexdigest()[:12]
        return base / f"locuscope-{os.getuid()}-{digest}"

    @property
    def broker_socket(self) -> Path:
        """Where the embedded Valkey listens."""
        return self.runtime_dir / "valkey.sock"

    @property
    def effective_broker_url(self) -> str:
        """The broker that every process uses: the configured one or the embedded one."""
        return self.broker_url or f"redis+socket://{self.broker_socket}"


@lru_cache(maxsize=1)
def settings() -> Settings:
    """Returns the settings of this process, read once."""
    return Settings()
