"""
Tests for check-in messages and identifiers.
"""

from __future__ import annotations

import contextlib
import plistlib

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from scepd.errors import EncodingError, LimitExceeded, MessageError
from scepd.mdm.checkin import (
    Authenticate,
    CheckOut,
    DeclarativeManagement,
    GetBootstrapToken,
    GetToken,
    SetBootstrapToken,
    TokenUpdate,
    UnknownMessage,
    UserAuthenticate,
)
from scepd.mdm.device_message import parse_device_message
from scepd.mdm.identifiers import EnrollmentIdentifier, EnrollmentKind, is_user_channel
from scepd.mdm.results import CommandResult

_UDID = "2E5F4C6A-0000-4F6E-9C3E-5B6B0C0F4A11"
_DEVICE = EnrollmentIdentifier(_UDID, "", EnrollmentKind.DEVICE)
_HOSTILE = settings(max_examples=150, deadline=None, derandomize=True, database=None)
_TOKEN_UPDATE: dict[str, object] = {
    "MessageType": "TokenUpdate",
    "UDID": _UDID,
    "Topic": "com.apple.mgmt.External.x",
    "Token": b"secret-token",
    "PushMagic": "secret-magic",
    "UnlockToken": b"secret-unlock",
    "AwaitingConfiguration": False,
}
_VALUES = st.recursive(
    st.text(max_size=10) | st.binary(max_size=10) | st.integers(-9, 9) | st.booleans(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)
_KEYS = (
    "MessageType Status UDID UserID UserShortName EnrollmentID EnrollmentUserID Topic Token"
    " PushMagic UnlockToken SerialNumber BootstrapToken Endpoint Data CommandUUID ErrorChain"
).split()
_TYPES = (
    "Authenticate TokenUpdate CheckOut SetBootstrapToken GetBootstrapToken UserAuthenticate"
    " DeclarativeManagement GetToken Other"
).split()


def message(message_type: str, **values: object) -> bytes:
    """
    Build a check-in message of a device.
    """
    return plistlib.dumps({"MessageType": message_type, "UDID": _UDID, **values})


class MessageTests(SynchronousTestCase):
    """
    Tests for the messages that parse_device_message reads.
    """

    def test_authenticate(self) -> None:
        """
        An Authenticate gives what the device says of itself, in XML and in binary form.
        """
        root = {
            "MessageType": "Authenticate",
            "UDID": _UDID,
            "Topic": "com.apple.mgmt.External.x",
            "SerialNumber": "C02XXXXXXXXX",
            "DeviceName": "Ann\u2019s Mac",
            "Model": "MBP18",
            "ModelName": "MacBook Pro",
            "ProductName": "Mac14,7",
            "OSVersion": "15.1",
            "BuildVersion": "24B83",
        }
        expected = Authenticate(
            _DEVICE,
            "com.apple.mgmt.External.x",
            "C02XXXXXXXXX",
            "Ann\u2019s Mac",
            "MBP18",
            "MacBook Pro",
            "Mac14,7",
            "15.1",
            "24B83",
        )
        for form in plistlib.PlistFormat:
            self.assertEqual(parse_device_message(plistlib.dumps(root, fmt=form)), expected)

    def test_sparse_authenticate(self) -> None:
        """
        An Authenticate with a UDID alone, or with odd values, is read; what it lacks is empty.
        """
        nothing = Authenticate(_DEVICE, "", "", "", "", "", "", "", "")
        self.assertEqual(parse_device_message(message("Authenticate")), nothing)
        odd = message("Authenticate", OSVersion=15, Model=["x"], SerialNumber=b"x", Topic=True)
        self.assertEqual(parse_device_message(odd), nothing)

    def test_long_texts(self) -> None:
        """
        Texts are cut at 255 characters, and control characters are left out.
        """
        found = parse_device_message(message("Authenticate", DeviceName="a\nb\t" + "c" * 999))
        assert isinstance(found, Authenticate)
        self.assertEqual(found.device_name, "ab" + "c" * 253)

    def test_token_update(self) -> None:
        """
        A TokenUpdate gives token, PushMagic and UnlockToken, and shows none of them.
        """
        found = parse_device_message(plistlib.dumps(_TOKEN_UPDATE))
        assert isinstance(found, TokenUpdate)
        self.assertEqual(found.token, b"secret-token")
        self.assertEqual(found.push_magic, "secret-magic")
        self.assertEqual(found.unlock_token, b"secret-unlock")
        self.assertEqual((found.enrollment, found.topic), (_DEVICE, "com.apple.mgmt.External.x"))
        self.assertFalse(found.awaiting_configuration or found.not_on_console)
        self.assertNotIn("secret", repr(found))

    def test_tokens_of_any_length(self) -> None:
        """
        Tokens of odd length are taken; an empty one, and one above 1024 octets, are not.
        """
        for length in (1, 31, 33, 100, 1024):
            body = plistlib.dumps({**_TOKEN_UPDATE, "Token": b"t" * length})
            found = parse_device_message(body)
            assert isinstance(found, TokenUpdate)
            self.assertEqual(found.token, b"t" * length)
        for token, error in ((b"", EncodingError), (b"t" * 1025, LimitExceeded)):
            with self.assertRaises(error):
                parse_device_message(plistlib.dumps({**_TOKEN_UPDATE, "Token": token}))

    def test_incomplete_token_update(self) -> None:
        """
        A TokenUpdate without token or PushMagic is refused; one without UnlockToken is not.
        """
        for key in ("Token", "PushMagic"):
            body = {name: value for name, value in _TOKEN_UPDATE.items() if name != key}
            with self.assertRaises(EncodingError):
                parse_device_message(plistlib.dumps(body))
        body = {name: value for name, value in _TOKEN_UPDATE.items() if name != "UnlockToken"}
        found = parse_device_message(plistlib.dumps(body))
        assert isinstance(found, TokenUpdate)
        self.assertIsNone(found.unlock_token)

    def test_other_messages(self) -> None:
        """
        Each other message of Apple's is told apart, with what it holds.
        """
        data = b'{"x":1}'
        for body, expected in (
            (message("CheckOut", Topic="t"), CheckOut(_DEVICE, "t")),
            (message("SetBootstrapToken", BootstrapToken=b"b"), SetBootstrapToken(_DEVICE, b"b")),
            (message("SetBootstrapToken"), SetBootstrapToken(_DEVICE, None)),
            (message("GetBootstrapToken"), GetBootstrapToken(_DEVICE)),
            (message("UserAuthenticate"), UserAuthenticate(_DEVICE, "")),
            (message("UserAuthenticate", DigestResponse="d"), UserAuthenticate(_DEVICE, "d")),
            (
                message("DeclarativeManagement", Endpoint="tokens", Data=data),
                DeclarativeManagement(_DEVICE, "tokens", data),
            ),
            (
                message("GetToken", TokenServiceType="com.apple.maid"),
                GetToken(_DEVICE, "com.apple.maid"),
            ),
            (plistlib.dumps({"MessageType": "New"}), UnknownMessage("New")),
            (plistlib.dumps({"MessageType": 5}), UnknownMessage("")),
        ):
            self.assertEqual(parse_device_message(body), expected)

    def test_secrets(self) -> None:
        """
        Bootstrap token and digest response don't show.
        """
        for body in (
            message("SetBootstrapToken", BootstrapToken=b"secret"),
            message("UserAuthenticate", DigestResponse="secret"),
            message("DeclarativeManagement", Data=b"secret"),
        ):
            self.assertNotIn("secret", repr(parse_device_message(body)))

    def test_kind_by_content(self) -> None:
        """
        MessageType makes a check-in message, Status a result, and neither of them is refused.
        """
        idle = plistlib.dumps({"Status": "Idle", "UDID": _UDID})
        self.assertIsInstance(parse_device_message(idle), CommandResult)
        both = message("CheckOut", Status="Idle")
        self.assertIsInstance(parse_device_message(both), CheckOut)
        for body in (plistlib.dumps({"UDID": _UDID}), plistlib.dumps([1]), b"", b"x"):
            with self.assertRaises(EncodingError):
                parse_device_message(body)

    def test_sizes(self) -> None:
        """
        A check-in message above 1 MiB is refused, a result of that size is not, one above 8 is.
        """
        filler = b"x" * (1024 * 1024)
        with self.assertRaises(LimitExceeded):
            parse_device_message(message("CheckOut", X=filler))
        result = {"Status": "Idle", "UDID": _UDID, "X": filler}
        self.assertIsInstance(parse_device_message(plistlib.dumps(result)), CommandResult)
        with self.assertRaises(LimitExceeded):
            parse_device_message(plistlib.dumps({**result, "X": filler * 8}))

    def test_entities(self) -> None:
        """
        A message that declares an entity is refused.
        """
        body = message("CheckOut").replace(b"<plist", b'<!DOCTYPE plist [<!ENTITY e "x">]><plist')
        with self.assertRaises(EncodingError):
            parse_device_message(body)

    @_HOSTILE
    @given(st.binary(max_size=200) | st.binary(max_size=200).map(lambda end: b"bplist00" + end))
    def test_any_bytes(self, body: bytes) -> None:
        """
        Whatever comes, only our own errors come out.
        """
        with contextlib.suppress(MessageError):
            parse_device_message(body)

    @_HOSTILE
    @given(
        st.dictionaries(st.sampled_from(_KEYS), _VALUES),
        st.sampled_from(_TYPES),
        st.sampled_from(list(plistlib.PlistFormat)),
    )
    def test_any_values(
        self, values: dict[str, object], kind: str, form: plistlib.PlistFormat
    ) -> None:
        """
        Whatever the values of a message are, only our own errors come out.
        """
        with contextlib.suppress(MessageError, ValueError, UnicodeEncodeError):
            body = plistlib.dumps({"UDID": _UDID, "MessageType": kind, **values}, fmt=form)
            self.assertTrue(self.parsed_or_refused(body))

    @_HOSTILE
    @given(st.data(), st.sampled_from(list(plistlib.PlistFormat)))
    def test_mutations(self, data: st.DataObject, form: plistlib.PlistFormat) -> None:
        """
        A message with one octet changed is read or refused.
        """
        body = bytearray(plistlib.dumps(_TOKEN_UPDATE, fmt=form))
        body[data.draw(st.integers(0, len(body) - 1))] ^= data.draw(st.integers(1, 255))
        self.assertTrue(self.parsed_or_refused(bytes(body)))

    def parsed_or_refused(self, body: bytes) -> bool:
        """
        Parse a body; an error that is not ours fails the test.
        """
        try:
            parse_device_message(body)
        except MessageError:
            pass
        except Exception as error:  # noqa: BLE001 - whatever it is, it must not happen
            self.fail(f"{error!r} came out")
        return True


class IdentifierTests(SynchronousTestCase):
    """
    Tests for who sends a message.
    """

    def enrollment(self, **values: object) -> EnrollmentIdentifier:
        """
        Read the identifier of a CheckOut.
        """
        found = parse_device_message(plistlib.dumps({"MessageType": "CheckOut", **values}))
        assert isinstance(found, CheckOut)
        return found.enrollment

    def test_kinds(self) -> None:
        """
        Device, user channel, User Enrollment and its user each have Apple's id.
        """
        for values, text, kind, is_user in (
            ({"UDID": "D"}, "D", EnrollmentKind.DEVICE, False),
            ({"UDID": "D", "UserID": "U"}, "D:U", EnrollmentKind.USER, True),
            ({"EnrollmentID": "E"}, "E", EnrollmentKind.USER_ENROLLMENT, False),
            (
                {"EnrollmentID": "E", "EnrollmentUserID": "V"},
                "E:V",
                EnrollmentKind.USER_ENROLLMENT_USER,
                True,
            ),
            ({"UDID": "D", "EnrollmentID": "E"}, "D", EnrollmentKind.DEVICE, False),
        ):
            found = self.enrollment(**values)
            self.assertEqual((found.text, found.kind, found.is_user_channel), (text, kind, is_user))
            self.assertIs(is_user_channel(found.text), is_user)

    def test_shared_ipad(self) -> None:
        """
        On a Shared iPad, where all users have one UserID, the short name tells them apart.
        """
        shared = "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF"
        found = self.enrollment(UDID="D", UserID=shared, UserShortName="ann@example.com")
        self.assertEqual(found.text, "D:ann@example.com")
        self.assertEqual(self.enrollment(UDID="D", UserID=shared).text, f"D:{shared}")

    def test_refused(self) -> None:
        """
        No id, a long one, one with control characters, and one that passes for a user channel.
        """
        for values in (
            {},
            {"UDID": ""},
            {"UDID": 5},
            {"UDID": "x" * 129},
            {"UDID": "a\nb"},
            {"UDID": "D:U"},
            {"EnrollmentID": "E:V"},
            {"UDID": "D", "UserID": "a\tb"},
        ):
            with self.assertRaises(EncodingError):
                self.enrollment(**values)
