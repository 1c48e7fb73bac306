"""Tests of pure functions and of single parts in virtual time; they need nothing but the virtual environment."""
