"""What the Lambdas think with.

A pure core: what a submission is (`submission`, `timestamps`, `identifiers`), the wire (`protocol`, `cursor`,
`filters`, `subscription_filter`, `rate_limit`), who may connect (`handshake`, `authentication`), and what happens
(`session`, `view`, `fanout`, `janitor`, `connection`). And the adapters that touch AWS: `submissions`, `registry`,
`tenants`, `posting`, `dead_letters`, `metrics`, `logs`, `settings`, with `answering` for those behind a route.
"""
