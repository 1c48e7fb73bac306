"""The client that asks a proxy's public side for a hostname: one request, answered by a marker and a status."""

import asyncio
from typing import Literal

import httpx

from controller.clients.route_mark import HEADER
from controller.core.model.errors import WorldBad
from controller.interfaces import Answer

DEADLINE_S = 10.0
"""Seconds for one question; only the head of the answer is waited for."""


class PublicSide:
    """Asks as a client would, on a connection of its own each time: a kept one may lead to a former configuration."""

    def __init__(self) -> None:
        # The question is not about certificates, and one of Caddy's own authority proves nothing to us.
        limits = httpx.Limits(max_keepalive_connections=0)
        self._client = httpx.AsyncClient(verify=False, trust_env=False, timeout=DEADLINE_S, limits=limits)

    async def close(self) -> None:
        """Close the HTTP client."""
        await self._client.aclose()

    async def ask(self, method: Literal["GET", "HEAD"], base: str, path: str, hostname: str) -> Answer:
        """Make one request for the hostname; no redirect is followed. Raises `WorldBad` (NoAnswer)."""
        headers = {"Host": hostname, "User-Agent": "Holdfast", "Connection": "close"}
        extensions = {"sni_hostname": hostname}
        request = self._client.build_request(method, base + path, headers=headers, extensions=extensions)
        try:
            async with asyncio.timeout(DEADLINE_S):
                reply = await self._client.send(request, stream=True)
                await reply.aclose()
        except (httpx.HTTPError, httpx.InvalidURL, OSError, TimeoutError) as error:
            why = str(error) or type(error).__name__
            raise WorldBad(f"no answer from {base} for {hostname}: {why}", reason="NoAnswer") from error
        return Answer(reply.headers.get(HEADER, ""), reply.status_code, f"status {reply.status_code}")
