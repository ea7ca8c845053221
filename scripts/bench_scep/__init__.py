"""
The bench of SCEP: enrollments directly to a CA, through nginx and through the daemon, in one run.

``generator``, ``static_ca``, ``slow_ca`` and ``site`` are programs of their own, and cheap: they
import nothing but what they need.
"""
