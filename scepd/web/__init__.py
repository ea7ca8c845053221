"""
Incoming HTTP: the devices' resources in plain twisted.web, the admin API in klein, and the one
place that turns errors into answers.

Here may be no rule of the use cases: the services have them.
"""
