"""What runs on the inside of a sandbox, next to the programs: a fork server of the standard library alone.

The host sends these modules through the control stream (`clew.sandbox.boot`), so an image needs nothing but Python 3.9
or newer. `frames` also runs on the host.
"""
