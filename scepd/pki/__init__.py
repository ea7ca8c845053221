"""
Certificates, CSRs, CMS, BER and encryption at rest; pure, and ignorant of SCEP and MDM.
"""
