"""The policy pack: `rules.py` says what must hold, `__main__.py` hands it to CrossGuard."""
