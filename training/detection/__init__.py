"""Model families that find objects: networks, their plans and their adapters."""
