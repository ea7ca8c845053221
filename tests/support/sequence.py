"""
The arrows of the two sequences: adding a CA (A), and a certificate's way to a device (B).
"""

from __future__ import annotations

ARROWS = {
    "A1": ("admin → scepd", "save the settings of a CA"),
    "A2": ("scepd", "validate the inputs"),
    "A3": ("scepd → CA", "GetCACert"),
    "A4": ("CA → scepd", "CA certificate"),
    "A5": ("scepd", "encrypt the SCEP challenge"),
    "A6": ("scepd → admin", "done"),
    "B1": ("admin → scepd", "upload the configuration profile"),
    "B2": ("scepd", "validate the profile"),
    "B3": ("scepd → admin", "OK"),
    "B4": ("scepd", "process profiles"),
    "B5": ("scepd", "validate the profile"),
    "B6": ("scepd", "decrypt the challenge"),
    "B7": ("scepd", "resolve the variables"),
    "B8": ("scepd → Apple", "push notification"),
    "B9": ("Apple → scepd", "OK"),
    "B10": ("device → scepd", "Idle"),
    "B11": ("scepd → device", "SCEP profile"),
    "B12": ("device", "make the private key"),
    "B13": ("device → scepd", "GetCACaps"),
    "B14": ("scepd → CA", "GetCACaps"),
    "B15": ("CA → scepd", "capabilities"),
    "B16": ("scepd → device", "capabilities"),
    "B17": ("device → scepd", "GetCACert"),
    "B18": ("scepd → CA", "GetCACert"),
    "B19": ("CA → scepd", "CA certificate"),
    "B20": ("scepd → device", "CA certificate"),
    "B21": ("device → scepd", "PKCSReq"),
    "B22": ("scepd → CA", "PKCSReq"),
    "B23": ("CA → scepd", "encrypted certificate"),
    "B24": ("scepd → device", "encrypted certificate"),
    "B25": ("device", "add the certificate to the keychain"),
    "B26": ("device → scepd", "Acknowledged"),
    "B27": ("scepd → device", "empty answer"),
    "B28": ("osquery → scepd", "read"),
    "B29": ("scepd → osquery", "queries: profiles, certificates"),
    "B30": ("osquery → scepd", "write: the rows"),
    "B31": ("scepd", "profile verified"),
    "B32": ("scepd → osquery", "OK"),
}
"""
Step → (who to whom, what).
"""

SEQUENCE_A = [step for step in ARROWS if step.startswith("A")]
SEQUENCE_B = [step for step in ARROWS if step.startswith("B")]
