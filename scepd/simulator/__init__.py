"""
A simulated Apple device, which knows scepd only by HTTP: for tests, the demo, and operators.
"""
