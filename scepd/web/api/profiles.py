"""
``/profiles``: the configuration profiles that operators upload.
"""

from __future__ import annotations

from scepd.errors import Fault, InvalidInput
from scepd.model import Targets
from scepd.services.hosts import Hosts
from scepd.services.profiles import Profiles
from scepd.web.api.call import Call
from scepd.web.api.host_models import ProfileStatusList, ProfileStatusView
from scepd.web.api.openapi import JSON, Endpoint
from scepd.web.api.profile_models import (
    ProfileDetails,
    ProfileList,
    ProfileUpload,
    ProfileView,
    TargetsModel,
)
from scepd.web.api.routes import Routes

MOBILECONFIG = "application/x-apple-aspen-config"

_ALL = "/profiles"
_ONE = "/profiles/<uuid>"


class ProfileEndpoints:
    """
    The endpoints of configuration profiles.
    """

    def __init__(self, service: Profiles, hosts: Hosts) -> None:
        self._service = service
        self._hosts = hosts

    def add_to(self, routes: Routes) -> None:
        """
        Register them all.
        """
        for endpoint, function in (
            (_LIST, self.list),
            (_UPLOAD, self.upload),
            (_SHOW, self.show),
            (_CONTENT, self.content),
            (_PREVIEW, self.preview),
            (_STATUS, self.status),
            (_REPLACE, self.replace),
            (_TARGETS, self.aim),
            (_DELETE, self.delete),
        ):
            routes.add(endpoint, function)

    async def list(self, call: Call) -> ProfileList:
        """
        A page of them.
        """
        page = call.page()
        found = await self._service.list(after=page.after, limit=page.limit + 1)
        items = [ProfileView.of(profile) for profile in found[: page.limit]]
        more = len(found) > page.limit
        return ProfileList(items=items, next=items[-1].identifier if more else None)

    async def upload(self, call: Call) -> ProfileUpload:
        """
        Check and store the body.
        """
        uploaded = await self._service.upload(call.body(), _targets(call), call.actor)
        uuid = uploaded.profile.uuid
        call.created(f"{_ALL}/{uuid}")
        return ProfileUpload.of(uploaded, await self._service.count(uuid))

    async def replace(self, call: Call, uuid: str) -> ProfileUpload:
        """
        Check the body and store it in place of the profile.
        """
        uploaded = await self._service.replace(uuid, call.body(), call.actor)
        return ProfileUpload.of(uploaded, await self._service.count(uuid))

    async def aim(self, call: Call, uuid: str) -> ProfileDetails:
        """
        Aim it at other hosts.
        """
        targets = call.json(TargetsModel).value()
        profile = await self._service.aim(uuid, targets, call.actor)
        return ProfileDetails.counted(profile, await self._service.count(uuid))

    async def show(self, call: Call, uuid: str) -> ProfileDetails:
        """
        One of them, without its content.
        """
        profile = await self._service.show(uuid)
        return ProfileDetails.counted(profile, await self._service.count(uuid))

    async def content(self, call: Call, uuid: str) -> bytes:
        """
        The bytes that were uploaded.
        """
        profile = await self._service.show(uuid)
        call.attachment(f"{profile.uuid}.mobileconfig")
        return profile.content

    async def preview(self, call: Call, uuid: str) -> bytes:
        """
        What a host would get, with its challenges masked.
        """
        host = call.parameter("host")
        if host is None:
            raise InvalidInput((Fault("host", "The uuid of a host is needed."),))
        return await self._service.preview(uuid, host)

    async def status(self, call: Call, uuid: str) -> ProfileStatusList:
        """
        A page of how far it got, host by host.
        """
        page = call.page()
        found = await self._hosts.with_profile(uuid, after=page.after, limit=page.limit + 1)
        if not found and not page.after:
            # A removed profile has a status for as long as a host has not lost it.
            await self._service.show(uuid)
        items = [ProfileStatusView.of(one) for one in found[: page.limit]]
        more = len(found) > page.limit
        return ProfileStatusList(items=items, next=items[-1].host if more else None)

    async def delete(self, call: Call, uuid: str) -> None:
        """
        Remove one.
        """
        await self._service.remove(uuid, call.actor)


def _targets(call: Call) -> Targets:
    """
    The targets in a request's parameters.
    """
    any_of = call.parameters("labels_any") + call.parameters("label")
    return Targets(any_of, call.parameters("labels_all"), call.parameters("labels_none"))


_LIST = Endpoint(
    "GET",
    _ALL,
    "A page of the profiles, by identifier",
    answer=ProfileList,
    parameters={"after": "the identifier that the last page ended with", "limit": "1 to 200"},
)
_UPLOAD = Endpoint(
    "POST",
    _ALL,
    "Check a profile and store it",
    status=201,
    answer=ProfileUpload,
    body_type=MOBILECONFIG,
    parameters={
        "labels_any": "only hosts with one of these labels get it; may be given several times",
        "labels_all": "only hosts with every one of these labels get it; likewise",
        "labels_none": "only hosts with none of these labels get it; likewise",
        "label": "the same as labels_any",
    },
)
_REPLACE = Endpoint(
    "PUT",
    _ONE,
    "Check a profile of the same identifier and store it in place of this one: its hosts get it",
    answer=ProfileUpload,
    body_type=MOBILECONFIG,
)
_TARGETS = Endpoint(
    "PUT",
    f"{_ONE}/targets",
    "Aim a profile at other hosts: those that leave its targets lose it",
    answer=ProfileDetails,
    body=TargetsModel,
    body_type=JSON,
)
_SHOW = Endpoint("GET", _ONE, "One profile, without its content", answer=ProfileDetails)
_CONTENT = Endpoint(
    "GET", f"{_ONE}/content", "The profile as it was uploaded", answer_type=MOBILECONFIG
)
_PREVIEW = Endpoint(
    "GET",
    f"{_ONE}/preview",
    "The profile as a host would get it, with its challenges masked",
    answer_type=MOBILECONFIG,
    parameters={"host": "the uuid of the host"},
)
_STATUS = Endpoint(
    "GET",
    f"{_ONE}/status",
    "A page of how far the profile got, by host uuid",
    answer=ProfileStatusList,
    parameters={"after": "the uuid that the last page ended with", "limit": "1 to 200"},
)
_DELETE = Endpoint("DELETE", _ONE, "Remove a profile", status=204, answer_type="")
