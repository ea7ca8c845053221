"""
The admin API, ``/api/v1``: JSON over HTTP for operators, in klein and pydantic, with its OpenAPI
document made from the same models.

Only here is klein imported: it installs the reactor.
"""
