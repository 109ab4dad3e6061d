"""Everything on one machine: Redis, Label Studio, the web process and the worker under one supervisor."""
