"""An AWS account that bills: moto's server, completed where it has gaps, with a world that meters what stands in it."""
