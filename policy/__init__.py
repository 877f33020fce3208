"""The policy pack: `rules` says what must hold, `__main__.py` hands it to CrossGuard."""
