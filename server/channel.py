"""A channel of Redis: what one process publishes on it, all that have subscribed hear.

It is a line that breaks as lines do. Whoever uses it connects again, see :mod:`server.shared`.
"""

import asyncio
import ssl
from typing import Any

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import (
    AuthenticationError,
    AuthorizationError,
    BusyLoadingError,
    InvalidResponse,
    NoPermissionError,
    RedisError,
    ResponseError,
)
from redis.exceptions import TimeoutError as RedisTimeout

from server.via import Away, Via

PATIENCE = 2.0  # seconds in which a Redis answers, or else it counts as away
MOMENT = 0.1  # seconds in which one takes what has come


class Channel:
    """One line to a Redis, on which one channel is heard and spoken to."""

    def __init__(self, via: Via, name: str) -> None:
        """Make a line that is not connected yet.

        Args:
            via: Where the Redis is.
            name: The name of the channel.
        """
        self._via, self._name = via, name
        self._client: Redis | None = None
        self._heard: Any = None

    async def connect(self, first: str) -> int:
        """Connect, hear what is published from now on, and publish a first text.

        Returns how many have heard it, this process among them.

        Raises:
            Away: If nobody answers there, or not yet.
            ValueError: If who answers is no Redis, or does not let us in.
        """
        via = self._via
        self._client = Redis(
            host=via.host,
            port=via.port,
            username=via.username or None,
            password=via.password or None,
            ssl=via.secure,
            protocol=2,  # that of every Redis; number 3 begins with its version 6
            socket_connect_timeout=PATIENCE,
            socket_timeout=PATIENCE,
            # What was published and not answered may have been heard. Twice would be worse than
            # never, so nothing is sent again.
            retry=Retry(NoBackoff(), 0),
        )
        try:
            async with asyncio.timeout(2 * PATIENCE):
                self._heard = self._client.pubsub()
                await self._heard.subscribe(self._name)
                while (await self._heard.get_message(timeout=PATIENCE))["type"] != "subscribe":
                    pass
                # Now, because a user of Redis may have the right to listen, and not to speak.
                return await self._client.publish(self._name, first)
        except (RedisError, OSError, TypeError, ValueError) as error:
            await self.close()
            raise _in_words(error, via) from None
        except BaseException:
            await self.close()
            raise

    async def publish(self, text: str) -> int:
        """Publish a text. Returns how many have heard it, this process among them.

        Raises:
            Away: If the Redis does not take it.
        """
        try:
            async with asyncio.timeout(PATIENCE):
                return await self._client.publish(self._name, text)
        except (RedisError, OSError) as error:
            raise Away(_in_words(error, self._via)) from None

    async def receive(self, within: float) -> bytes:
        """Return what was published next, also what this process has published itself.

        Raises:
            Away: If the line breaks, or nothing comes within so many seconds.
        """
        try:
            while True:
                message = await self._heard.get_message(timeout=within)
                if message is None:  # or a cell has kept this kernel busy, and it is there already
                    message = await self._heard.get_message(timeout=MOMENT)
                if message is None:
                    raise TimeoutError
                if message["type"] == "message":
                    return message["data"]
        except (RedisError, OSError) as error:
            raise Away(_in_words(error, self._via)) from None

    async def close(self) -> None:
        """Hang up. Does nothing if there is no line."""
        heard, client, self._heard, self._client = self._heard, self._client, None, None
        for end in filter(None, (heard, client)):
            try:
                async with asyncio.timeout(PATIENCE):
                    await end.aclose()
            except (RedisError, OSError):
                pass  # what is broken is closed


def _in_words(error: Exception, via: Via) -> Exception:
    """Return what went wrong: an `Away` if it may pass, a ValueError if the address is wrong."""
    at = f"The Redis at {via.place}"
    encryption = (
        "If it does not encrypt, the address begins with redis://."
        if via.secure
        else "If it encrypts, the address begins with rediss://."
    )
    match at_the_bottom(error):
        case ssl.SSLCertVerificationError() as doubt:
            said = doubt.verify_message.rstrip(".")
            return ValueError(
                f"{at} shows a certificate that is not trusted here: {said}. The host in the "
                "address must be one for which it is. If an authority of your own has signed it, "
                "let the environment variable SSL_CERT_FILE name that one's certificate."
            )
        case ssl.SSLError() as trouble:
            return ValueError(
                f"{at} and this computer do not agree on how to encrypt ({trouble.reason}). If it "
                "asks for a certificate, which a server of the course has not, it needs the "
                "setting `tls-auth-clients no`."
            )
        case ConnectionRefusedError():
            return Away(
                f"Nobody listens at {via.place}. Start a Redis there: in a notebook with "
                "`await start_redis()`, in a terminal with `redis-server`."
            )
    match error:
        case AuthenticationError() | AuthorizationError():
            return _refused(at)
        case BusyLoadingError():
            return Away(f"{at} is still starting. Wait a moment, and run this again.")
        case NoPermissionError():
            return ValueError(
                f"{at} does not let this user use channels. It needs the permissions +publish, "
                "+subscribe and the channels websocket-course/*."
            )
        case RedisTimeout() | TimeoutError():
            return Away(
                f"{at} does not answer. Is the address right, does it run, and does no firewall "
                f"stand in between? {encryption}"
            )
        case ResponseError() if "AUTH" in str(error) or "WRONGPASS" in str(error):
            return _refused(at)
        case ResponseError():
            return ValueError(f"{at} does not do what is asked of it: {str(error)[:200]}")
        case InvalidResponse() | TypeError() | ValueError():
            return ValueError(
                f"What answers at {via.place} is no Redis. Look at the host and the port of the "
                f"address. {encryption}"
            )
        case _:
            said = str(error)[:200].rstrip(".") or type(error).__name__
            return Away(
                f"{at} cannot be reached: {said}. Is it a Redis, and does it still run? "
                f"{encryption}"
            )


def at_the_bottom(error: BaseException) -> BaseException:
    """Return the error that all others came of."""
    while cause := error.__cause__ or error.__context__:
        error = cause
    return error


def _refused(at: str) -> ValueError:
    return ValueError(
        f"{at} does not accept the name or the password, or asks for one. They belong into the "
        "address: redis://:PASSWORD@HOST:PORT, or redis://NAME:PASSWORD@HOST:PORT if it has users."
    )
