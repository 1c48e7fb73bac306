"""Questions to NPM's public side, by plain HTTP or by TLS."""

from controller.clients.proxy_question import PublicSide
from controller.interfaces import Answer


class NpmFront:
    """Asks at `address` for hostnames without a certificate, at `tls_address` for those with one."""

    def __init__(self, address: str, tls_address: str) -> None:
        self._bases = {False: f"http://{address}", True: f"https://{tls_address}"}
        self._client = PublicSide()

    async def close(self) -> None:
        """Close the HTTP client."""
        await self._client.close()

    async def ask(self, hostname: str, path: str, tls: bool) -> Answer:
        """Make one HEAD request for the path. Raises `WorldBad` (NoAnswer)."""
        return await self._client.ask("HEAD", self._bases[tls], path, hostname)
