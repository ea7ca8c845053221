"""
Tests for property lists at the MDM endpoints that no device would send, and binary ones that some
do.
"""

from __future__ import annotations

import plistlib

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.logger import capturedLogs
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.resource import Resource

from scepd.web.mdm import MDMSite, make_mdm_endpoint
from scepd.web.streaming import StreamingSite
from tests.plist.test_reading import binary_list
from tests.support.fake_mdm_world import MDMWorld, signed
from tests.support.http_device import DeviceEnd, HTTPAnswer

_IDLE = b"<dict><key>Status</key><string>Idle</string><key>UDID</key><string>UDID-1</string>"
_CHECK_OUT = {"MessageType": "CheckOut", "UDID": "UDID-1"}
_LAUGHS = b"<!DOCTYPE plist [<!ENTITY a0 'ha'>%b]><plist><string>&a9;</string></plist>" % b"".join(
    b"<!ENTITY a%d '%b'>" % (n, b"&a%d;" % (n - 1) * 10) for n in range(1, 10)
)
_EXTERNAL = b'<!DOCTYPE plist [<!ENTITY e SYSTEM "file:///etc/passwd">]><plist>&e;</plist>'
_SUBSET = b'<!DOCTYPE plist [<!ENTITY %% e SYSTEM "http://localhost:9/"> %%e;]>%b'
# Objects that hold the next one twice each: 2 to the 30th values in a few bytes.
_DOUBLING = [b"\xa2" + bytes([n + 1, n + 1]) for n in range(30)] + [b"\x09"]
_KEYS = "MessageType Status UDID UserID EnrollmentID Token Topic PushMagic ErrorChain".split()


def xml(inner: bytes) -> bytes:
    """
    A property list around an element.
    """
    return b"<plist>\n" + inner + b"\n</plist>"


def idle(more: bytes) -> bytes:
    """
    An Idle that holds something more.
    """
    return xml(_IDLE + more + b"</dict>")


_HOSTILE: dict[str, tuple[bytes, str]] = {
    "billion laughs": (_LAUGHS, "internal subset"),
    "file": (_EXTERNAL, "internal subset"),
    "fetch": (_SUBSET % xml(b"<dict/>"), "internal subset"),
    "undefined entity": (idle(b"<key>a</key><string>&e;</string>"), "line 2: undefined entity"),
    "depth": (xml(b"<array>" * 33 + b"</array>" * 33), "nested deeper than 32 levels"),
    "much depth": (xml(b"<array>" * 300_000), "nested deeper than 32 levels"),
    "values": (xml(b"<array>" + b"<true/>" * 100_001 + b"</array>"), "holds too many values"),
    "check-in size": (
        plistlib.dumps({**_CHECK_OUT, "Padding": bytes(1024 * 1024)}),
        "longer than 1048576 bytes",
    ),
    "size": (plistlib.dumps({"Status": "Idle", "P": bytes(8 * 1024 * 1024)}), "than 8388608 bytes"),
    "huge integer": (
        idle(b"<key>a</key><integer>18446744073709551616</integer>"),
        "line 2: an integer of the property list has more than 64 bits",
    ),
    "endless integer": (
        idle(b"<key>a</key><integer>" + b"9" * 1_000_000 + b"</integer>"),
        "element that holds none",
    ),
    "key twice": (
        idle(b"<key>Status</key><string>Acknowledged</string>"),
        "line 2: a key occurs twice in a dictionary",
    ),
    "binary bomb": (binary_list(_DOUBLING), "holds too many values"),
    "binary circle": (binary_list([b"\xa1\x00"]), "nested deeper than 32 levels"),
    "binary key twice": (
        binary_list([b"\xd2\x01\x01\x02\x02", b"\x51k", b"\x09"]),
        "a key is not a string, or occurs twice",
    ),
    "binary huge integer": (binary_list([b"\x14" + b"\x7f" * 16]), "more than 64 bits"),
    "binary null": (binary_list([b"\x00"]), "an object of an unknown kind"),
    "no dictionary": (plistlib.dumps(["Idle"]), "the message is not a dictionary"),
    "status of a wrong type": (plistlib.dumps({"Status": [], "UDID": "UDID-1"}), "not known"),
    "UDID of a wrong type": (plistlib.dumps({"Status": "Idle", "UDID": 1}), "UDID is not a text"),
    "UDID with a control": (
        plistlib.dumps({"Status": "Idle", "UDID": "UDID-1\0"}, fmt=plistlib.FMT_BINARY),
        "UDID is not a text",
    ),
    "token of a wrong type": (
        plistlib.dumps({"MessageType": "TokenUpdate", "UDID": "UDID-1", "Token": "text"}),
        "oken",
    ),
}


class HostileMessageTests(SynchronousTestCase):
    """
    Tests for C{/mdm/checkin} and C{/mdm/connect} with an enrolled device of bad intentions.
    """

    def setUp(self) -> None:
        """
        Enroll a device.
        """
        self.world = MDMWorld()
        self.world.enroll()
        root, mdm = Resource(), Resource()
        root.putChild(b"mdm", mdm)
        for name in (b"checkin", b"connect"):
            mdm.putChild(name, make_mdm_endpoint(self.world.check_in))
        self.site = StreamingSite(
            root,
            reactor=self.world.clock,
            body_limit=20_000_000,
            request_timeout=30,
            receiver_for=MDMSite(self.world.check_in).receiver_for,
        )

    def put(self, body: bytes, path: bytes = b"checkin") -> HTTPAnswer:
        """
        PUT a body that the enrolled device signed.
        """
        device = DeviceEnd(self.site)
        device.send(
            b"PUT /mdm/%b HTTP/1.1\r\nHost: scepd\r\n"
            b"Content-Length: %d\r\nMdm-Signature: %b\r\n\r\n"
            % (path, len(body), signed(body, self.world.identity)),
            body,
        )
        return device.answer()

    def test_refused(self) -> None:
        """
        Each is 400 at both endpoints, with one line that says what is wrong and echoes nothing;
        the device stays enrolled.
        """
        for name, (body, reason) in _HOSTILE.items():
            for path in (b"checkin", b"connect"):
                answer = self.put(body, path)
                text = answer.body.decode("ascii")
                self.assertEqual(answer.status, 400, name)
                self.assertIn(reason, text, name)
                self.assertEqual((text.count("\n"), text[-1]), (1, "\n"), name)
                self.assertLess(len(text), 200, name)
        self.assertTrue(self.world.check_ins.enrollments["UDID-1"].enabled)
        self.assertEqual(self.put(idle(b"")).status, 200)

    def test_told(self) -> None:
        """
        The log tells which device it was, and why.
        """
        with capturedLogs() as events:
            self.put(_LAUGHS)
        (event,) = [each for each in events if "can't be read" in each["log_format"]]
        self.assertEqual((event["log_level"].name, event["enrollment"]), ("warn", "UDID-1"))
        self.assertIn("internal subset", event["reason"])

    def test_binary(self) -> None:
        """
        Binary property lists are read like those in XML: check-ins and answers to commands.
        """
        self.world.queue("command-1", None, "ProfileList")
        result = {
            "Status": "Acknowledged",
            "UDID": "UDID-1",
            "CommandUUID": "command-1",
            "ProfileList": [{"PayloadIdentifier": "com.example", "IsManaged": True}],
        }
        for path, said in (
            (b"connect", {"Status": "Idle", "UDID": "UDID-1"}),
            (b"connect", result),
            (b"checkin", _CHECK_OUT),
        ):
            body = plistlib.dumps(said, fmt=plistlib.FMT_BINARY)
            self.assertEqual(self.put(body, path).status, 200)
        self.assertEqual(self.world.commands.statuses, {"command-1": "Acknowledged"})
        self.assertFalse(self.world.check_ins.enrollments["UDID-1"].enabled)

    @settings(max_examples=80, deadline=None, derandomize=True, database=None)
    @given(
        st.dictionaries(
            st.sampled_from(_KEYS),
            st.recursive(
                st.sampled_from(["Idle", "UDID-1", "CheckOut", "TokenUpdate", "Error", ""])
                | st.binary(max_size=4)
                | st.integers(-(2**63), 2**64 - 1)
                | st.booleans()
                | st.floats(allow_nan=False),
                lambda inner: st.lists(inner, max_size=3),
                max_leaves=4,
            ),
        ),
        st.sampled_from(list(plistlib.PlistFormat)),
        st.data(),
    )
    def test_any_message(
        self, said: dict[str, object], form: plistlib.PlistFormat, data: st.DataObject
    ) -> None:
        """
        Whatever a device says, also with an octet changed, it is answered or refused, and never
        by a fault of ours.
        """
        body = bytearray(plistlib.dumps(said, fmt=form))
        if data.draw(st.booleans()):
            body[data.draw(st.integers(0, len(body) - 1))] ^= data.draw(st.integers(1, 255))
        self.assertIn(self.put(bytes(body)).status, (200, 400, 404, 410))
