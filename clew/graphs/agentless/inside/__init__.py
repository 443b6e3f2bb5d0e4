"""What runs inside of the sandbox beside a repository's tests: the standard library of Python 3.9 and pytest alone."""
