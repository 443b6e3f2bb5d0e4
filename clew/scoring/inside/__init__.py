"""What runs inside a sandbox to try programs: copied there as files, so each module needs Python 3.9 alone."""
