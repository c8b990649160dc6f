"""The contract as documents: JSON Schemas, AsyncAPI, examples; and what would break it.

`make contract` writes them to `libs/schemas/contract`. No service imports this package.
"""
