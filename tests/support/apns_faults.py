"""
What can go wrong at Apple's push service, as steps to apply to the double at any time.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from h2.errors import ErrorCodes

from tests.support.apns_behaviour import Answer, GoAway, Held, Reset, Silence
from tests.support.apns_double import APNsConnectionDouble, APNsDouble, End
from tests.support.apns_requests import Reply

REPLIES = (
    *(Reply(400, reason) for reason in ("BadDeviceToken", "DeviceTokenNotForTopic", "BadTopic")),
    *(Reply(400, reason) for reason in ("BadMessageId", "DuplicateHeaders", "MissingTopic")),
    *(Reply(400, reason) for reason in ("PayloadEmpty", "InvalidPushType", "BadPriority")),
    *(Reply(400, reason) for reason in ("BadCollapseId", "BadExpirationDate", "IdleTimeout")),
    Reply(404, "BadPath"),
    Reply(405, "MethodNotAllowed"),
    Reply(410, "Unregistered", 1_700_000_000_000),
    Reply(410, "ExpiredToken", 1_700_000_000_000),
    Reply(413, "PayloadTooLarge"),
    Reply(418, "NeverHeardOf"),
    Reply(429, "TooManyRequests"),
    Reply(429, "TooManyProviderTokenUpdates"),
    Reply(500, "InternalServerError"),
    Reply(503, "ServiceUnavailable"),
    Reply(503, "Shutdown"),
    Reply(599, "NeverHeardOf"),
)
"""
Each of Apple's reasons that concerns one push, and some that are not Apple's.
"""

REFUSED_CREDENTIALS = (
    Reply(400, "TopicDisallowed"),
    Reply(403, "BadCertificate"),
    Reply(403, "BadCertificateEnvironment"),
    Reply(403, "ExpiredProviderToken"),
    Reply(403, "Forbidden"),
    Reply(403, "InvalidProviderToken"),
    Reply(403, "MissingProviderToken"),
    Reply(403, "NeverHeardOf"),
)
"""
Those after which nothing more may be sent.
"""

_RESETS = (
    ErrorCodes.REFUSED_STREAM,
    ErrorCodes.REFUSED_STREAM,
    ErrorCodes.CANCEL,
    ErrorCodes.INTERNAL_ERROR,
    ErrorCodes.ENHANCE_YOUR_CALM,
    ErrorCodes.NO_ERROR,
)


def random_answer(random: Random) -> Answer | None:
    """
    An answer to one request; mostly Apple's own verdict.
    """
    kinds: list[Callable[[], Answer | None]] = [
        lambda: None,
        lambda: Held(),
        lambda: random.choice(REPLIES),
        lambda: Reply(503, "ServiceUnavailable", filler=random.choice((100, 3000, 40_000))),
        lambda: Reset(random.choice(_RESETS)),
        lambda: GoAway(random.choice((None, "Shutdown", "IdleTimeout"))),
        lambda: Silence(),
    ]
    return random.choices(kinds, (12, 6, 3, 2, 4, 1, 1))[0]()


Step = Callable[[APNsConnectionDouble, Random], None]


def go_away_in_a_burst(connection: APNsConnectionDouble, random: Random) -> None:
    """
    Several GOAWAY, each for fewer streams; what they accept is answered later.
    """
    newest = connection.h2.highest_inbound_stream_id
    lasts = [2**31 - 1, newest, max(0, newest - 2 * random.randrange(4))]
    for last in lasts[random.randrange(3) :]:
        connection.go_away(last, random.choice((None, "Shutdown")))


def freeze(connection: APNsConnectionDouble, random: Random) -> None:
    """
    The connection stays open, and nothing comes from it any more.
    """
    connection.frozen = True


def _streams(number: int) -> Step:
    return lambda connection, random: connection.change_settings(number)


def _ended(how: End) -> Step:
    return lambda connection, random: connection.end(how)


STEPS: dict[str, Step] = {
    "1 stream": _streams(1),
    "no stream": _streams(0),
    "1000 streams": _streams(1000),
    "tiny window": lambda connection, random: connection.change_window(random.randrange(50)),
    "large window": lambda connection, random: connection.change_window(2**20),
    "GOAWAY": go_away_in_a_burst,
    "answers": lambda connection, random: connection.release(),
    "credit": lambda connection, random: connection.pay(),
    "frozen": freeze,
    **{how.value: _ended(how) for how in End},
}
"""
What may happen to a connection, by name.
"""


def alive(double: APNsDouble) -> list[APNsConnectionDouble]:
    """
    The connections that still speak.
    """
    return [one for one in double.connections if not one.lost and not one.frozen]


def random_step(double: APNsDouble, random: Random) -> str:
    """
    Let something happen to a connection; what it was.
    """
    name = random.choice(list(STEPS))
    connections = [one for one in alive(double) if one.settings_sent]
    if connections:
        STEPS[name](random.choice(connections), random)
    return name


def random_behaviour(double: APNsDouble, random: Random) -> None:
    """
    How the double is from now on, as new connections see it.
    """
    behaviour = double.behaviour
    behaviour.max_streams = random.choice((1, 2, 10, 1000, 1000))
    behaviour.window = random.choice((1, 40, 1024, 65_535, 65_535))
    behaviour.send_settings = random.random() < 0.8
    behaviour.credit = random.random() < 0.7
    behaviour.piece = random.choice((1, 100, 16_384))
    behaviour.padding = random.choice((None, None, 0, 1, 255))


def calm(double: APNsDouble) -> None:
    """
    Everything is well from now on, but for connections that are frozen or ended.
    """
    behaviour = double.behaviour
    behaviour.answers.clear()
    behaviour.always = None
    behaviour.max_streams, behaviour.window = 1000, 65_535
    behaviour.send_settings = behaviour.credit = True
    behaviour.piece, behaviour.padding = 16_384, None
    for connection in alive(double):
        if not connection.settings_sent:
            connection.send_settings()
        connection.change_settings(1000)
        connection.change_window(65_535)
        connection.pay()
        connection.release()
