"""The public side of NPM: one question to a hostname, as a client would ask it."""

import asyncio

import httpx

from controller.clients.npm.block import HEADER
from controller.core.model.errors import WorldBad
from controller.interfaces import Answer

ASK = 10.0
"""Seconds for one question; only the head of the answer is waited for."""


class NpmFront:
    """Asks at `address` for hostnames without a certificate, at `tls_address` for those with one."""

    def __init__(self, address: str, tls_address: str) -> None:
        self._bases = {False: f"http://{address}", True: f"https://{tls_address}"}
        # Certificates are not what is asked about. A connection of its own each time: an old one may lead to a worker
        # of nginx that still has the former configuration.
        self._client = httpx.AsyncClient(
            verify=False,
            trust_env=False,
            timeout=httpx.Timeout(ASK),
            limits=httpx.Limits(max_keepalive_connections=0),
        )

    async def close(self) -> None:
        """Free what the questions hold."""
        await self._client.aclose()

    async def ask(self, hostname: str, path: str, tls: bool) -> Answer:
        """One HEAD for the path. Raises `WorldBad` (NoAnswer)."""
        url = self._bases[tls] + path
        request = self._client.build_request(
            "HEAD",
            url,
            headers={"Host": hostname, "User-Agent": "Holdfast", "Connection": "close"},
            extensions={"sni_hostname": hostname},
        )
        try:
            async with asyncio.timeout(ASK):
                reply = await self._client.send(request, stream=True)
                await reply.aclose()
        except (httpx.HTTPError, httpx.InvalidURL, OSError, TimeoutError) as error:
            why = str(error) or type(error).__name__
            raise WorldBad(f"no answer from {self._bases[tls]} for {hostname}: {why}", reason="NoAnswer") from error
        return Answer(reply.headers.get(HEADER, ""), reply.status_code, f"status {reply.status_code}")
