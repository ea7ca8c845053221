"""
Apple's MDM messages: check-ins, commands and results, enrollment profiles, ``Mdm-Signature``; pure.
"""
