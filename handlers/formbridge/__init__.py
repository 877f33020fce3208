"""What the Lambdas think with.

A pure core: what a submission is (`submission`, `timestamps`, `identifiers`), the wire (`protocol`, `cursor`,
`filters`, `subscription_filter`, `rate_limit`), who may connect (`handshake`, `authentication`), and what happens
(`session`, `view`, `fanout`, `janitor`, `connection`). And the adapters that touch AWS: `submissions`, `registry`,
`tenants`, `posting`, `dead_letters`, `metrics`, `logs`, `settings`, with `answering` for those behind a route.
"""

import gc

# A Lambda begins by making hundreds of thousands of objects that stay, modules and botocore's models above all. At
# every 700 more of them Python would look for garbage, which takes a fifth of a cold start.
gc.set_threshold(50_000, 20, 50)
