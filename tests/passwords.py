"""Passwords of the people in tests: hashed in one round, verified by the product's own hasher as well."""

from django.contrib.auth.hashers import PBKDF2PasswordHasher


class OneRound(PBKDF2PasswordHasher):
    """The product's hash with 1 round instead of 1,000,000 (measured: 0.2 s and more for each person).

    Same algorithm and format, so that a child process with the product's settings lets the same people in.
    """

    iterations = 1
