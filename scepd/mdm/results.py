"""
Results of commands, and the lists of profiles and certificates in them.

Source: Apple's MDM reference, "Commands and queries".
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from scepd.errors import EncodingError, LimitExceeded
from scepd.mdm.fields import data_of, dictionaries_of, flag_of, text_of
from scepd.mdm.identifiers import EnrollmentIdentifier, enrollment_of
from scepd.plist.values import PlistValue

LARGEST_RESULT = 8 * 1024 * 1024
"""
Bytes of a result.
"""
LONGEST_SUMMARY = 1000
"""
Characters of a result's summary.
"""
MOST_ROWS = 5000
"""
Profiles, or certificates, of a list.
"""
LARGEST_CERTIFICATE = 64 * 1024
"""
Bytes of a certificate of a list; a longer one counts as one without data.
"""
_MOST_ERRORS = 20
# A one-time URL holds a token, which must not get into logs and pages.
_URL_PATH = re.compile(r"(https?://[^\s/\"'<>]{1,255})/[^\s\"'<>]+", re.IGNORECASE)
# How devices say that the profile to be removed is not there: macOS, then iOS and iPadOS.
_NOT_FOUND = frozenset({("MDMClientError", 89), ("MDMErrorDomain", 12075)})


class ResultStatus(Enum):
    """
    What became of a command.
    """

    IDLE = "Idle"
    """There is no command: the device asks for one."""
    ACKNOWLEDGED = "Acknowledged"
    ERROR = "Error"
    COMMAND_FORMAT_ERROR = "CommandFormatError"
    NOT_NOW = "NotNow"


@dataclass(frozen=True, slots=True)
class ErrorChainItem:
    """
    One error of a chain, whose first item is the outermost one.

    :param domain: such as ``MCInstallationErrorDomain``.
    :param code: 0 when not given.
    :param localized: the description in the device's language; may be empty.
    :param us_english: the description in English; may be empty.
    """

    domain: str
    code: int
    localized: str
    us_english: str

    @property
    def sentence(self) -> str:
        """
        The description, in English where there is one, with domain and code; paths of URLs masked.
        """
        described = _URL_PATH.sub(r"\1/…", self.us_english or self.localized)
        where = f"{self.domain or 'unknown domain'} {self.code}"
        return f"{described} ({where})" if described else where


@dataclass(frozen=True, slots=True)
class CommandResult:
    """
    What a device answers to a command, or that it is idle.

    :param command_uuid: empty when Idle, or when the device left it out.
    :param request_type: often empty.
    :param error_chain: at most 20 items; empty but for errors.
    :param content: the whole property list.
    :param raw: the bytes as they came.
    """

    enrollment: EnrollmentIdentifier
    status: ResultStatus
    command_uuid: str
    request_type: str
    error_chain: tuple[ErrorChainItem, ...]
    not_on_console: bool
    content: Mapping[str, PlistValue] = field(repr=False, compare=False)
    raw: bytes = field(repr=False)

    @property
    def summary(self) -> str:
        """
        Why a command failed, at most ``LONGEST_SUMMARY`` characters; empty when it did not.
        """
        if self.status is ResultStatus.COMMAND_FORMAT_ERROR and not self.error_chain:
            return "the device could not read the command (CommandFormatError)"
        if self.status not in (ResultStatus.ERROR, ResultStatus.COMMAND_FORMAT_ERROR):
            return ""
        if not self.error_chain:
            return "the device answered Error without a reason"
        joined = "; ".join(dict.fromkeys(item.sentence for item in self.error_chain))
        return joined if len(joined) <= LONGEST_SUMMARY else joined[: LONGEST_SUMMARY - 1] + "…"

    @property
    def is_profile_not_found(self) -> bool:
        """
        Whether a RemoveProfile failed because the device has no such profile.
        """
        return self.status is ResultStatus.ERROR and any(
            (item.domain, item.code) in _NOT_FOUND for item in self.error_chain
        )


@dataclass(frozen=True, slots=True)
class ListedProfile:
    """
    One profile of a ProfileList.

    :param identifier: PayloadIdentifier.
    :param uuid: PayloadUUID; may be empty.
    :param display_name: PayloadDisplayName; may be empty.
    :param is_managed: whether MDM installed it.
    """

    identifier: str
    uuid: str
    display_name: str
    is_managed: bool


@dataclass(frozen=True, slots=True)
class ListedCertificate:
    """
    One certificate of a CertificateList.

    :param der: the certificate; nobody has looked into it.
    :param common_name: may be empty.
    :param is_identity: whether the device holds its private key.
    """

    der: bytes
    common_name: str
    is_identity: bool


@dataclass(frozen=True, slots=True)
class ListedCertificates:
    """
    The certificates of a CertificateList.

    :param certificates: those that have data.
    :param without_data: entries that have none, or more than ``LARGEST_CERTIFICATE``.
    """

    certificates: tuple[ListedCertificate, ...]
    without_data: int


def command_result(root: Mapping[str, PlistValue], raw: bytes) -> CommandResult:
    """
    Read a result that was taken out of its property list.

    :param root: the result, with a ``Status``.
    :param raw: the bytes that it was read from.
    :returns: the result.
    :raises EncodingError: it names no device, or has a status that is not known.
    """
    try:
        status = ResultStatus(root.get("Status"))
    except ValueError:
        raise EncodingError("the result has a Status that is not known") from None
    errors = dictionaries_of(root, "ErrorChain") or []
    return CommandResult(
        enrollment_of(root),
        status,
        text_of(root, "CommandUUID"),
        text_of(root, "RequestType"),
        tuple(_error(item) for item in errors[:_MOST_ERRORS]),
        flag_of(root, "NotOnConsole"),
        root,
        raw,
    )


def listed_profiles(result: CommandResult) -> tuple[ListedProfile, ...] | None:
    """
    Read the profiles of a ProfileList.

    :param result: any result.
    :returns: its profiles, without those that have no identifier; None when it holds no list,
        which is not the same as an empty one.
    :raises LimitExceeded: there are more than ``MOST_ROWS``.
    """
    rows = _rows(result, "ProfileList")
    if rows is None:
        return None
    found = (
        ListedProfile(
            _identifier(row),
            text_of(row, "PayloadUUID"),
            text_of(row, "PayloadDisplayName"),
            flag_of(row, "IsManaged"),
        )
        for row in rows
    )
    return tuple(each for each in found if each.identifier)


def listed_certificates(result: CommandResult) -> ListedCertificates | None:
    """
    Read the certificates of a CertificateList.

    :param result: any result.
    :returns: its certificates; None when it holds no list, which is not the same as an empty one.
    :raises LimitExceeded: there are more than ``MOST_ROWS``.
    """
    rows = _rows(result, "CertificateList")
    if rows is None:
        return None
    found = ((data_of(row, "Data"), row) for row in rows)
    certificates = tuple(
        ListedCertificate(der, text_of(row, "CommonName"), flag_of(row, "IsIdentity"))
        for der, row in found
        if der is not None and len(der) <= LARGEST_CERTIFICATE
    )
    entries = result.content["CertificateList"]
    total = len(entries) if isinstance(entries, list) else 0
    return ListedCertificates(certificates, total - len(certificates))


def _rows(result: CommandResult, key: str) -> list[dict[str, PlistValue]] | None:
    if result.status is not ResultStatus.ACKNOWLEDGED:
        return None
    entries = result.content.get(key)
    if isinstance(entries, list) and len(entries) > MOST_ROWS:
        raise LimitExceeded(f"the {key} has more than {MOST_ROWS} entries")
    return dictionaries_of(result.content, key)


def _identifier(row: Mapping[str, PlistValue]) -> str:
    """
    Read an identifier as it is: one that was cut would be another profile's.
    """
    value = row.get("PayloadIdentifier")
    return value if isinstance(value, str) else ""


def _error(item: Mapping[str, PlistValue]) -> ErrorChainItem:
    code = item.get("ErrorCode")
    return ErrorChainItem(
        text_of(item, "ErrorDomain"),
        int(code) if isinstance(code, int) else 0,
        text_of(item, "LocalizedDescription"),
        text_of(item, "USEnglishDescription"),
    )
