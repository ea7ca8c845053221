"""
Lets ``twistd`` find scepd; it must import nothing heavy, as every run of ``twistd`` loads it.
"""

from twisted.application.service import ServiceMaker

scepd = ServiceMaker(
    "scepd",
    "scepd.tap",
    "SCEP proxy, Apple MDM server and certificate lifecycle daemon.",
    "scepd",
)
