"""
SCEP clients of others, and our simulated device, behind one face: a client is one device in a
folder of its own, which enrolls, renews and polls, and tells what came of it as a value.
"""
