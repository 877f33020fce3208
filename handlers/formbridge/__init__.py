"""What the Lambdas think with: a pure core (`submission`, `protocol`, `cursor`, `authentication`, `session`,
`fanout`, `filters`) and the adapters that touch AWS (`submissions`, `registry`, `posting`, `dead_letters`)."""
