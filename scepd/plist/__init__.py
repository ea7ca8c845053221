"""
Property lists, XML and binary, read as if their sender meant harm; pure.
"""
