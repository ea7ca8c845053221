"""
The HTTP/2 push engine, what Apple's answers mean and when to try again; pure, no I/O.
"""
