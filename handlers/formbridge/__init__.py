"""What the Lambdas think with.

A pure core: what a submission is (`submission`, `timestamps`, `identifiers`), the wire (`protocol`, `cursor`,
`filters`, `subscription_filter`, `rate_limit`), who may connect (`handshake`, `authentication`), what a connection is
(`connection`, `routes`), what its requests do (`session`, `view`), what changed and how it is told (`changes`,
`pushes`, `fanout`, `accounting`, `pacing`), and what is due (`janitor`).

And the adapters that touch AWS, with clients from `aws`: of the tables `submissions`, `registry` and `tenants`, of the
connections `posting` and `signing`, of the queues `work` and `dead_letters`, of the stream `given_up`; and `settings`,
`logs` and `metrics`.
`answering` puts together what a Lambda behind a route needs, `broadcasting` what one does that posts changes.
"""

import gc

# A Lambda begins by making hundreds of thousands of objects that stay, modules and botocore's models above all. At
# every 700 more of them Python would look for garbage, which takes a fifth of a cold start.
gc.set_threshold(50_000, 20, 50)
