"""
Tests of the push engine and of what Apple's answers mean.
"""
