"""IAM policies of the roles that deploy and preview a stack, and the boundary of the roles that it creates."""
