"""Policy pack for CrossGuard: `rules` contains the rules, and `__main__.py` registers them."""
